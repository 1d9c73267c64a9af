"""What starting the server must not import: a device pays for every module in seconds and megabytes."""

import subprocess
import sys

HEAVY = ["numpy.random", "numpy.ma", "importlib.metadata", "pydantic", "onnx", "grpc", "hpack", "email",
         "opentelemetry", "edgewise.nouns"]  # fmt: skip
PROGRAM = f"""
import sys
import numpy as np
import edgewise.edge.serve.__main__
from edgewise.edge.serve.models import probe
from edgewise.served_nouns import Signature, Tensor
rows = Signature(inputs=(Tensor(name="x", dtype="float32", shape=("n", 3)),),
                 outputs=(Tensor(name="y", dtype="float32", shape=("n", 3)),))
probe.probed(lambda inputs: [inputs[0] * 2], [np.ones((1, 3), np.float32)], rows,
             delay_bound_s=0.0, examples=None, near=probe.Near())
print(*[name for name in {HEAVY} if name in sys.modules])
"""


def test_starting_and_probing_import_nothing_heavy():
    found = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert found.stdout.split() == []
