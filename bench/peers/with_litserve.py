"""LitServe with ONNX Runtime: python with_litserve.py NAME MODEL HTTP_PORT GRPC_PORT, in its environment; no gRPC."""

import sys

import litserve as ls
import numpy as np
import onnxruntime as ort


class Onnx(ls.LitAPI):
    """One session, one thread, in one worker."""

    def setup(self, device: str) -> None:  # noqa: ARG002
        """Once, in the worker."""
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = ort.InferenceSession(sys.argv[2], options, providers=["CPUExecutionProvider"])

    def decode_request(self, request: dict) -> np.ndarray:
        """From JSON."""
        return np.array(request["x"], np.float32)

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Run it."""
        return self.session.run(None, {"x": x})[0]

    def encode_response(self, output: np.ndarray) -> dict:
        """To JSON."""
        return {"y": output.tolist()}


if __name__ == "__main__":
    server = ls.LitServer(Onnx(), accelerator="cpu", workers_per_device=1)
    server.run(
        host="127.0.0.1", port=int(sys.argv[3]), num_api_servers=1, generate_client_file=False, log_level="error"
    )
