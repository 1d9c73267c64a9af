"""The bytes that clients send and what they must get back, for each way in which servers are asked."""

import json
from dataclasses import dataclass

import numpy as np
from google.protobuf.message import DecodeError
from tritonclient.grpc import service_pb2

from serving.subjects import Floats, Subject


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """A protocol that a server speaks.

    Attributes:
        protocol: rest or grpc.
        kind: binary, json, grpc, or a peer's own JSON: plain.
        path: of the request, with {model}; "" for gRPC.
    """

    kind: str
    path: str = "/v2/models/{model}/infer"

    @property
    def protocol(self) -> str:
        """As the client's job has it."""
        return "grpc" if self.kind == "grpc" else "rest"


BINARY, JSON, GRPC = Way(kind="binary"), Way(kind="json"), Way(kind="grpc", path="")


def message(way: Way, subject: Subject, *, timeout_ms: int = 0) -> bytes:
    """What a client sends, whole."""
    if way.kind == "grpc":
        return _protobuf(subject)
    more = f"X-Request-Timeout-Ms: {timeout_ms}\r\n" if timeout_ms else ""
    tensor = {"name": "x", "shape": list(subject.x.shape), "datatype": "FP32"}
    if way.kind == "binary":
        size = subject.x.nbytes
        head = json.dumps(
            {
                "inputs": [{**tensor, "parameters": {"binary_data_size": size}}],
                "outputs": [{"name": "y", "parameters": {"binary_data": True}}],
            }
        ).encode()
        more += f"Inference-Header-Content-Length: {len(head)}\r\nContent-Type: application/octet-stream\r\n"
        body = head + subject.x.tobytes()
    else:
        more += "Content-Type: application/json\r\n"
        values = subject.x.tolist()
        plain = {"x": values}
        v2 = {"inputs": [{**tensor, "data": np.ravel(subject.x).tolist()}], "outputs": [{"name": "y"}]}
        body = json.dumps(plain if way.kind == "plain" else v2, separators=(",", ":")).encode()
    path = way.path.format(model=subject.name)
    return f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{more}Content-Length: {len(body)}\r\n\r\n".encode() + body


def right(way: Way, answer: bytes, subject: Subject) -> bool:
    """Whether the body `answer` holds what the model answers."""
    try:
        found = _values(way, answer, subject)
    except (ValueError, KeyError, IndexError, TypeError, DecodeError):
        return False
    return found.size == subject.y.size and np.allclose(found.ravel(), subject.y.ravel(), rtol=1e-3, atol=1e-4)


def _values(way: Way, answer: bytes, subject: Subject) -> Floats:
    match way.kind:
        case "grpc":
            read = service_pb2.ModelInferResponse.FromString(answer)
            if read.raw_output_contents:
                return np.frombuffer(read.raw_output_contents[0], np.float32)
            return np.array(read.outputs[0].contents.fp32_contents, np.float32)
        case "binary":
            return np.frombuffer(answer[-subject.y.nbytes :], np.float32)
        case "json":
            return np.array(json.loads(answer)["outputs"][0]["data"], np.float32)
        case _:
            return np.array(json.loads(answer)["y"], np.float32)


def _protobuf(subject: Subject) -> bytes:
    """ModelInferRequest: model_name 1, inputs 5 (name 1, datatype 2, shape 3), raw_input_contents 7."""
    shape = b"".join(map(_varint, subject.x.shape))
    tensor = _field(1, b"x") + _field(2, b"FP32") + _field(3, shape)
    return _field(1, subject.name.encode()) + _field(5, tensor) + _field(7, subject.x.tobytes())


def _field(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    made = bytearray()
    while value > 127:
        made.append(value & 127 | 128)
        value >>= 7
    return bytes([*made, value])
