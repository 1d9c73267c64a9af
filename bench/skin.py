"""What the server's skins cost without a network and without a model: microseconds of CPU for a request.

python bench/skin.py

Each row has a named peer in the same run: what the plain way of the same library costs. Servers side by side, over a
network, are in bench/serve.py.
"""

import json
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import orjson

from edgewise.edge.serve.contract import Done
from edgewise.edge.serve.grpc import descriptors, reading
from edgewise.edge.serve.guard.limits import Limits
from edgewise.edge.serve.http import numbers
from edgewise.edge.serve.http.connection import Connection
from edgewise.edge.serve.http.site import Site
from edgewise.edge.serve.tensors import Request, Response

X = np.random.default_rng(0).random((1, 784), dtype=np.float32)
IMAGE = np.zeros((1, 3, 224, 224), dtype=np.float32)
Y = np.zeros((1, 10), dtype=np.float32)
ROUNDS, CALLS = 7, 2000


class Core:
    """Answers at once."""

    models, ready = None, True

    def shed(self, model: str, version: str, priority: int, deadline_s: float | None) -> None:
        """Nobody is refused."""

    def submit(self, request: Request, done: Done) -> "Core":
        """Answer with ten numbers."""
        done(Response(model=request.model, version="1", id=request.id, outputs=(("y", "FP32", Y),)))
        return self

    def cancel(self) -> None:
        """Nothing is under way."""


class Transport:
    """Takes what is written."""

    def write(self, content: bytes) -> None:
        """Keep it."""
        self.written = content

    def is_closing(self) -> bool:
        """Never."""
        return False

    def get_write_buffer_size(self) -> int:
        """Nothing waits."""
        return 0


def cost_us(act: Callable[[], Any]) -> float:
    """CPU of the quietest round."""
    found = []
    for _ in range(ROUNDS):
        started = time.process_time()
        for _ in range(CALLS):
            act()
        found.append((time.process_time() - started) / CALLS * 1e6)
    return min(found)


def sent(connection: Connection, content: bytes) -> Callable[[], None]:
    def act() -> None:
        connection.site.buffer[: len(content)] = content
        connection.buffer_updated(len(content))

    return act


def unknown(act: Callable[[], None], connection: Connection) -> Callable[[], None]:
    def anew() -> None:
        connection._known = None
        act()

    return anew


def http(body: bytes, json_size: int | None) -> bytes:
    lines = ["POST /v2/models/m/infer HTTP/1.1", "Host: here", "User-Agent: bench", "Content-Type: application/json"]
    lines += [f"Content-Length: {len(body)}"]
    lines += [f"Inference-Header-Content-Length: {json_size}"] if json_size is not None else []
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def main() -> None:
    site = Site(Core(), limits=Limits())
    connection = Connection(site)
    connection.connection_made(Transport())
    tensor = {"name": "x", "datatype": "FP32", "shape": [1, 784]}
    head = orjson.dumps({"inputs": [{**tensor, "parameters": {"binary_data_size": X.nbytes}}]})
    binary = sent(connection, http(head + X.tobytes(), len(head)))
    flat = X.ravel().tolist()
    document = orjson.dumps({"inputs": [{**tensor, "data": flat}]})
    in_json = sent(connection, http(document, None))
    rows = [
        (
            "REST binary, 784 floats",
            "the head parsed every time",
            cost_us(binary),
            cost_us(unknown(binary, connection)),
        ),
        ("REST JSON, 784 floats", "json and numpy alone", cost_us(in_json), cost_us(lambda: plain_json(document))),
        (
            "data to FP32, 784 floats",
            "numpy.array(list)",
            cost_us(lambda: numbers.read(flat, name="x", datatype="FP32", shape=(1, 784))),
            cost_us(lambda: np.array(flat, dtype=np.float32)),
        ),
    ]
    for name, array in (("784 floats", X), ("an image of 600 kB", IMAGE)):
        content = message(array)
        rows.append(
            (
                f"gRPC message, {name}",
                "protobuf, every field",
                cost_us(lambda content=content: reading.read(content, Limits())),
                cost_us(lambda content=content: plain_protobuf(content)),
            )
        )
    print(f"{'':32}{'us':>8}  {'peer':28}{'us':>8}{'ratio':>7}")
    for name, peer, ours, theirs in rows:
        print(f"{name:32}{ours:8.1f}  {peer:28}{theirs:8.1f}{theirs / ours:7.2f}")


def plain_json(content: bytes) -> Any:
    return np.array(json.loads(content)["inputs"][0]["data"], dtype=np.float32)


def message(array: Any) -> bytes:
    made = descriptors.of("ModelInferRequest")(model_name="m")
    made.inputs.add(name="x", datatype="FP32", shape=array.shape)
    made.raw_input_contents.append(array.tobytes())
    return bytes(made.SerializeToString())


def plain_protobuf(content: bytes) -> Any:
    made = reading.ModelInferRequest.FromString(content)
    given = made.inputs[0]
    return np.frombuffer(made.raw_input_contents[0], dtype=np.float32).reshape(list(given.shape))


if __name__ == "__main__":
    main()
