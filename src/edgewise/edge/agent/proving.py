"""A child that replays a golden against a server on its private socket, and times it. numpy lives and ends here.

The server has checked the golden itself when it loaded; this asks once more from outside, over the socket and the
protocol that clients use, so that what is proven is what will answer.
"""

import http.client
import json
import math
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from edgewise.edge import unix
from edgewise.nouns import Golden, ServedModel
from edgewise.runtimes import answer, served
from edgewise.runtimes.samples import Array

MAX_ROWS, ROUNDS, TIMEOUT_S = 64, 3, 60.0
DATATYPES = {
    "bool": "BOOL",
    "uint8": "UINT8",
    "int8": "INT8",
    "uint16": "UINT16",
    "int16": "INT16",
    "int32": "INT32",
    "int64": "INT64",
    "float16": "FP16",
    "float32": "FP32",
    "float64": "FP64",
}


class Local(http.client.HTTPConnection):
    """HTTP over a UNIX socket."""

    def __init__(self, path: str, timeout_s: float = TIMEOUT_S) -> None:
        super().__init__("server", timeout=timeout_s)
        self._path = path

    def connect(self) -> None:
        """As HTTPConnection's, to the socket."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        with unix.address(self._path) as short:
            self.sock.connect(short)


def prove(
    folder: str,
    private: str,
    rounds: int = ROUNDS,
    answer_s: float = TIMEOUT_S,
    whole_s: float = math.inf,
    *,
    clock_s: Callable[[], float] = time.perf_counter,
) -> dict[str, Any]:
    """Replay the golden of the model in `folder` at the socket `private`.

    Args:
        answer_s: how long one answer may take.
        whole_s: how long all of them together may take.

    Returns:
        wrong: the first output that is not reproduced, or not in time, in a sentence; "" where all are.
        latency_p99_ms: of single inferences, as a client sees it; 0 where there is no golden.
        asked: how many inferences that were.
        round_s: how long one round took, on average.
    """
    model = served.read((Path(folder) / served.NAME).read_bytes())
    if model.golden is None:
        return {"wrong": "", "latency_p99_ms": 0.0, "asked": 0, "round_s": 0.0}
    with np.load(Path(folder) / model.golden.file.name, allow_pickle=False) as arrays:
        inputs = [arrays[f"x{index}"] for index in range(len(model.signature.inputs))]
        outputs = [arrays[f"y{index}"] for index in range(len(model.signature.outputs))]
    connection, times, wrong = Local(private, answer_s), list[float](), ""
    asking = [row for _ in range(rounds) for row in _rows(model, inputs)]
    began_s = clock_s()
    try:
        for row in asking:
            body = _request(model, [one[row] for one in inputs])
            asked_s = clock_s()
            found = _asked(connection, model, body)
            times.append(clock_s() - asked_s)
            wrong = _difference(model, model.golden, found, [one[row] for one in outputs], row)
            if not wrong and clock_s() - began_s > whole_s:
                wrong = f"{len(times)} of {len(asking)} inferences of its golden took longer than {whole_s:.3g} s"
            if wrong:
                break
    finally:
        connection.close()
    slowest = float(np.percentile(times, 99)) * 1000 if times and not wrong else 0.0
    return {"wrong": wrong, "latency_p99_ms": slowest, "asked": len(times), "round_s": (clock_s() - began_s) / rounds}


def _rows(model: ServedModel, inputs: list[Array]) -> list[slice]:
    """Slices of the golden: one inference each."""
    shape = model.signature.inputs[0].shape
    size = shape[0] if shape and isinstance(shape[0], int) else 1
    total = len(inputs[0]) if inputs[0].ndim else 0
    return [slice(start, start + size) for start in range(0, total - size + 1, size)][:MAX_ROWS]


def _request(model: ServedModel, arrays: list[Array]) -> bytes:
    tensors = [
        {
            "name": tensor.name,
            "shape": list(array.shape),
            "datatype": DATATYPES[array.dtype.name],
            "data": array.ravel().tolist(),
        }
        for tensor, array in zip(model.signature.inputs, arrays, strict=True)
    ]
    return json.dumps({"inputs": tensors}).encode()


def _asked(connection: Local, model: ServedModel, body: bytes) -> dict[str, Array] | str:
    target = f"/v2/models/{model.name}/versions/{model.version}/infer"
    connection.request("POST", target, body, {"Content-Type": "application/json"})
    response = connection.getresponse()
    content = response.read()
    if response.status != http.client.OK:
        return f"its server answers {response.status}: {content[:200].decode(errors='replace')}"
    return {
        one["name"]: np.asarray(one["data"], dtype=np.float64).reshape(one["shape"])
        for one in json.loads(content)["outputs"]
    }


def _difference(
    model: ServedModel, golden: Golden, found: dict[str, Array] | str, expected: list[Array], row: slice
) -> str:
    if isinstance(found, str):
        return found
    for tensor, wanted in zip(model.signature.outputs, expected, strict=True):
        got = found.get(tensor.name)
        if got is None or got.shape != wanted.shape:
            return f"output {tensor.name} of golden row {row.start} has another shape than it should"
        bad = ~(np.abs(got - wanted) <= golden.absolute + golden.relative * np.abs(wanted.astype(np.float64)))
        if bad.any():
            at = tuple(int(index) for index in np.argwhere(bad)[0])
            return (
                f"golden row {row.start}: output {tensor.name}{list(at)} is {got[at]:.6g}, not {wanted[at]:.6g}"
                f" ({int(bad.sum())} of {bad.size} values are off)"
            )
    return ""


if __name__ == "__main__":
    answer.serve({"prove": prove})
