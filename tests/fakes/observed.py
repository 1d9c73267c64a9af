"""Requests that go through an observer as the server's core and skins tell it."""

from dataclasses import dataclass

from edgewise.edge.serve.contract import IndexEntry, Models, Observer
from edgewise.edge.serve.faults import Fault
from edgewise.edge.serve.tensors import Request, Response


@dataclass(frozen=True, slots=True)
class FakeLoaded:
    """As much of a loaded model as an observer looks at."""

    name: str = "mlp"
    version: str = "1"


class FakeModels:
    """An index of two versions, one of them ready."""

    def index(self) -> list[IndexEntry]:
        return [
            IndexEntry(name="mlp", version="1", state="READY"),
            IndexEntry(name="mlp", version="2", state="UNAVAILABLE", reason="its golden is not reproduced"),
        ]


class Clock:
    """Seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s

    def ns(self) -> int:
        return round(self.now_s * 1e9)


def request(model: str = "mlp", **more: str) -> Request:
    return Request(model=model, inputs={}, datatypes={}, **more)


def through(
    observer: Observer,
    clock: Clock,
    *,
    skin: str = "http",
    together: int = 1,
    before_s: float = 0.001,
    wait_s: float = 0.002,
    run_s: float = 0.004,
    after_s: float = 0.008,
    fault: Fault | None = None,
    traceparent: str = "",
) -> list[Request]:
    """`together` requests of a row each that run in one batch, and what they take at every station."""
    requests = [request(id=f"r{number}", traceparent=traceparent) for number in range(together)]
    for one in requests:
        observer.received(one, skin, 100)
    clock.now_s += before_s
    for number, one in enumerate(requests):
        observer.queued(one, number + 1)
    clock.now_s += wait_s + run_s
    observer.ran(FakeLoaded(), requests, together, run_s)  # type: ignore[arg-type]
    clock.now_s += after_s
    for one in requests:
        outcome = fault or Response(model="mlp", version="1", id=one.id, outputs=())
        observer.answered(one, outcome, 50, before_s + wait_s + run_s + after_s)
    return requests


def models() -> Models:
    return FakeModels()  # type: ignore[return-value]
