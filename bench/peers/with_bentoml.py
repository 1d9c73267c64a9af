"""BentoML with ONNX Runtime: python with_bentoml.py NAME MODEL HTTP_PORT GRPC_PORT, in its environment; no gRPC."""

import os
import sys
from pathlib import Path

import bentoml
import numpy as np
import onnxruntime as ort

if __name__ == "__main__":
    os.environ.update(MODEL_PATH=sys.argv[2], BENTOML_DO_NOT_TRACK="True")
    program = str(Path(sys.executable).with_name("bentoml"))
    here = str(Path(__file__).parent)
    os.chdir(here)
    os.execv(program, [program, "serve", "with_bentoml:Onnx", "--host", "127.0.0.1", "--port", sys.argv[3], "--quiet"])


@bentoml.service(workers=1)
class Onnx:
    """One session, one thread, in one worker."""

    def __init__(self) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = ort.InferenceSession(os.environ["MODEL_PATH"], options, providers=["CPUExecutionProvider"])

    @bentoml.api
    def predict(self, x: np.ndarray) -> dict:
        """Outputs by name."""
        (y,) = self.session.run(None, {"x": x.astype(np.float32, copy=False)})
        return {"y": y.tolist()}
