"""A peer for which nothing is installed: python with_fake.py NAME MODEL HTTP_PORT GRPC_PORT, as bench/peers has them.

It speaks the protocol's JSON and binary tensors at /v2/models/NAME/infer, and plain JSON at /predict. FAKE says how
well: right, wrong, or not at all.
"""

import json
import os
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import numpy as np
import onnxruntime as ort

NAME, PATH, HTTP = sys.argv[1], sys.argv[2], int(sys.argv[3])
KIND = os.environ.get("FAKE", "right")


class Answers(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        length = self.headers.get("Inference-Header-Content-Length")
        if self.path == "/predict":
            x = np.array(json.loads(body)["x"], np.float32)
            self.say(json.dumps({"y": run(x).tolist()}).encode())
        elif length:
            (tensor,) = json.loads(body[: int(length)])["inputs"]
            y = run(np.frombuffer(body[int(length) :], np.float32).reshape(tensor["shape"]))
            head = json.dumps({"outputs": [{"name": "y", "datatype": "FP32", "shape": list(y.shape)}]}).encode()
            self.say(head + y.tobytes(), ("Inference-Header-Content-Length", str(len(head))))
        else:
            (tensor,) = json.loads(body)["inputs"]
            y = run(np.array(tensor["data"], np.float32).reshape(tensor["shape"]))
            output = {"name": "y", "datatype": "FP32", "shape": list(y.shape), "data": y.ravel().tolist()}
            self.say(json.dumps({"outputs": [output]}).encode())

    def say(self, body: bytes, *more: tuple[str, str]) -> None:
        self.send_response(200)
        for name, text in [("Content-Length", str(len(body))), *more]:
            self.send_header(name, text)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing."""


def run(x: "np.ndarray") -> "np.ndarray":  # type: ignore[type-arg]
    (y,) = session.run(None, {"x": x})
    return y + 1 if KIND == "wrong" else y


if KIND == "none":
    sys.exit("this peer does not begin")
session = ort.InferenceSession(PATH, providers=["CPUExecutionProvider"])
ThreadingHTTPServer(("127.0.0.1", HTTP), Answers).serve_forever()
