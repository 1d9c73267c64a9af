"""The access log: a JSON line for each request that ends, on a stream; off unless asked for.

What a client wrote comes only as JSON strings, so that no line can be forged. Inputs and outputs are never logged.
"""

import json
import time
from collections.abc import Callable, Sequence
from typing import TextIO

from edgewise.edge.serve.contract import Loaded, Models
from edgewise.edge.serve.faults import Fault
from edgewise.edge.serve.tensors import Request, Response


class AccessLog:
    """An `Observer` that writes lines."""

    def __init__(self, stream: TextIO, *, now: Callable[[], float] = time.time) -> None:
        self._stream = stream
        self._now = now
        self._came: dict[int, tuple[str, int]] = {}

    def started(self, models: Models) -> None:
        """Nothing to do."""

    def stopped(self) -> None:
        """Nothing to do: every line is written at once."""

    def received(self, request: Request, skin: str, size_bytes: int) -> None:
        """Remember what only this call tells."""
        self._came[id(request)] = (skin, size_bytes)

    def queued(self, request: Request, waiting: int) -> None:
        """Not logged."""

    def ran(self, model: Loaded, requests: Sequence[Request], rows: int, run_s: float) -> None:
        """Not logged."""

    def answered(self, request: Request, outcome: Response | Fault, size_bytes: int, duration_s: float) -> None:
        """A line with what became of it."""
        skin, received_bytes = self._came.pop(id(request), ("", 0))
        fault = outcome if isinstance(outcome, Fault) else None
        version = outcome.version if isinstance(outcome, Response) else request.version
        self._write(
            protocol=skin, model=request.model, version=version, id=request.id, outcome=_word(fault),
            message=fault.message if fault else "", duration_ms=round(duration_s * 1e3, 3),
            received_bytes=received_bytes, sent_bytes=size_bytes, traceparent=request.traceparent,
        )  # fmt: skip

    def gone(self, request: Request, duration_s: float) -> None:
        """A line for a client that went away."""
        skin, received_bytes = self._came.pop(id(request), ("", 0))
        self._write(
            protocol=skin, model=request.model, version=request.version, id=request.id, outcome="gone",
            duration_ms=round(duration_s * 1e3, 3), received_bytes=received_bytes, traceparent=request.traceparent,
        )  # fmt: skip

    def refused(self, skin: str, fault: Fault, size_bytes: int, model: str = "") -> None:
        """A line for what never became a request."""
        self._write(protocol=skin, model=model, outcome=_word(fault), message=fault.message, received_bytes=size_bytes)

    def page(self, accept: str = "") -> tuple[str, bytes]:  # noqa: ARG002
        """Metrics are another's."""
        return "text/plain", b""

    def _write(self, **fields: str | int | float) -> None:
        at_s = self._now()
        at = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at_s)) + f".{int(at_s % 1 * 1000):03d}Z"
        told = {name: value for name, value in fields.items() if value != ""}
        self._stream.write(json.dumps({"at": at, **told}) + "\n")
        self._stream.flush()


def _word(fault: Fault | None) -> str:
    return "ok" if fault is None else type(fault).__name__
