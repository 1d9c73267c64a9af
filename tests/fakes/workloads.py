"""Releases and what nodes make of them, in the words of the exchange."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

from edgewise.build.nodes.describe import Wish, describe
from edgewise.build.nodes.description import NodeKind, Workload
from edgewise.exchange.release import Allowance, Part, PartKind, Release, Strategy

SERVER = f"sha256:{'a' * 64}"
MODEL = f"sha256:{'b' * 64}"
MODEL_JSON = f"sha256:{'c' * 64}"
RELEASE = f"sha256:{'d' * 64}"
MEMORY_BYTES = 100 << 20


def release(strategy: Strategy = Strategy.MODELCAR, **changes: object) -> Release:
    kind = PartKind.MODEL if strategy is Strategy.EXTERNAL else PartKind.IMAGE
    model = Part(name="model", kind=kind, digest=MODEL, size_bytes=3 << 20, source="registry.example:5000/plant/model")
    server = Part(
        name="inference",
        kind=PartKind.IMAGE,
        digest=SERVER,
        size_bytes=30 << 20,
        source="registry.example:5000/plant/edgewise-onnxruntime",
    )
    made = Release(
        site="press-line",
        version="meter-reader 7",
        strategy=strategy,
        parts=(server,) if strategy is Strategy.EMBEDDED else (server, model),
        model_name="meter-reader",
        model_version="1",
        model_digest=MODEL_JSON,
        allowance=Allowance(memory_bytes=MEMORY_BYTES),
        settings={"OMP_NUM_THREADS": "1"},
    )
    return replace(made, **changes)


def workload(
    strategy: Strategy = Strategy.MODELCAR,
    node: NodeKind = NodeKind.DEVICE,
    wish: Wish | None = None,
    **changes: object,
) -> Workload:
    return replace(describe(release(strategy), RELEASE, node, wish or Wish(cpus=1.0)), **changes)


def external_model(folder: Path) -> tuple[Path, str]:
    """A model folder that nobody can run, and the digest of its model.json."""
    folder.mkdir(exist_ok=True)
    (folder / "model.onnx").write_bytes(b"weights")
    tensor = {"name": "x", "dtype": "float32", "shape": ["n", 4], "quantised": False}
    document = {
        "apiVersion": "edgewise/v1",
        "kind": "ServedModel",
        "name": "meter-reader",
        "version": "1",
        "design": "given",
        "configuration": {"runtime": "onnxruntime", "version": "1", "threads": 1, "options": {}},
        "files": [
            {"name": "model.onnx", "digest": f"sha256:{hashlib.sha256(b'weights').hexdigest()}", "size_bytes": 7}
        ],
        "signature": {"inputs": [tensor], "outputs": [tensor]},
        "golden": None,
        "delay_bound_ms": 0.0,
    }
    content = json.dumps(document).encode()
    (folder / "model.json").write_bytes(content)
    return folder, f"sha256:{hashlib.sha256(content).hexdigest()}"
