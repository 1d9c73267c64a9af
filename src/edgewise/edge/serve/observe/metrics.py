"""Counts what the server does, request by request, for /metrics.

Labels come from models that were found, never from what a client wrote: whoever asks for a thousand models that are
not there makes no thousand series. A request is followed by its identity from `received` to `answered` or `gone`, and
is held no longer.
"""

from collections.abc import Callable, Iterator, Sequence
from time import perf_counter
from typing import Any

from edgewise.edge.serve.contract import Loaded, Models
from edgewise.edge.serve.faults import DeadlineExceeded, Fault, ModelFailed, NoMemory, NotReady, Overloaded
from edgewise.edge.serve.observe.energy import Energy, provenance
from edgewise.edge.serve.observe.exposition import Shown, content_type, written
from edgewise.edge.serve.observe.process import Process
from edgewise.edge.serve.observe.sampled import Meter, shown
from edgewise.edge.serve.observe.series import FULL, Series, Skin
from edgewise.edge.serve.tensors import Request, Response

REJECTED = (Overloaded, DeadlineExceeded, NotReady, NoMemory)

UnderWay = list[Any]
"""A request that is followed: counts of its skin, its model, when it was admitted and when it had run (0.0: not), how
long that run was, its series or None. A list, for an object of a class costs as much as all that is written into it."""

SKIN, MODEL, ADMITTED_S, RAN_S, RUN_S, SERIES = range(6)


class Metrics:
    """An `Observer` that counts.

    Attributes:
        series: by model and version.
        meter: where energy comes from, None where there is no meter.
    """

    def __init__(
        self,
        process: Process | None = None,
        *,
        energy: Energy | None = None,
        clock: Callable[[], float] = perf_counter,
    ) -> None:
        self.series: dict[tuple[str, str], Series] = {}
        self.skins: dict[str, Skin] = {}
        self.meter: Meter | None = provenance(energy.meter) if energy else None
        self.under_way: dict[int, UnderWay] = {}
        self._newest: dict[str, Series] = {}
        self._models: Models | None = None
        self._process = process or Process()
        self._energy = energy
        self._clock = clock

    def started(self, models: Models) -> None:
        """Show the states of `models`, and read the meter from now on."""
        self._models = models
        if self._energy is not None:
            self._energy.start(self.series.values)

    def stopped(self) -> None:
        """Read the meter no more."""
        if self._energy is not None:
            self._energy.stop()

    def received(self, request: Request, skin: str, size_bytes: int) -> None:
        """Follow `request` from here."""
        counts = self.skins.get(skin) or self._skin(skin)
        counts.received_bytes += size_bytes
        self.under_way[id(request)] = [counts, request.model, 0.0, 0.0, 0.0, None]

    def queued(self, request: Request, waiting: int) -> None:  # noqa: ARG002
        """It waits for its model."""
        followed = self.under_way.get(id(request))
        if followed is not None:
            followed[ADMITTED_S] = self._clock()

    def ran(self, model: Loaded, requests: Sequence[Request], rows: int, run_s: float) -> None:
        """The model has run for `requests`."""
        now_s = self._clock()
        key = (model.name, model.version)
        series = self.series.get(key) or self._of(*key)
        series.busy_s += run_s
        series.row_log.append(rows)
        if len(series.row_log) >= FULL:
            series.fold()
        find = self.under_way.get
        for request in requests:
            followed = find(id(request))
            if followed is not None:
                followed[RAN_S] = now_s
                followed[RUN_S] = run_s
                followed[SERIES] = series

    def answered(self, request: Request, outcome: Response | Fault, size_bytes: int, duration_s: float) -> None:
        """Count it, at every station it came to."""
        followed = self.under_way.pop(id(request), None)
        if followed is None:
            return
        counts, _, admitted_s, ran_s, run_s, series = followed
        counts.sent_bytes += size_bytes
        if isinstance(outcome, Fault):
            self._failed(request, followed, outcome)
            return
        if series is None:
            series = self._of(outcome.model, outcome.version)
        log = series.log
        log.extend((counts.number, duration_s, admitted_s, ran_s, run_s, self._clock()))
        if len(log) >= FULL:
            series.fold()

    def gone(self, request: Request, duration_s: float) -> None:  # noqa: ARG002
        """Nobody waits for it any more."""
        followed = self.under_way.pop(id(request), None)
        if followed is not None:
            followed[SKIN].gone += 1
            self._fail(request, followed, "CANCELED")

    def refused(self, skin: str, fault: Fault, size_bytes: int, model: str = "") -> None:
        """It never became a request."""
        counts = self._skin(skin)
        counts.received_bytes += size_bytes
        _count(counts.faults, type(fault).__name__)
        series = self._newest.get(model)
        if series is not None:
            series.failures["REJECTED"] += 1

    def page(self, accept: str = "") -> tuple[str, bytes]:
        """Everything, in the format that `accept` wants."""
        kind = content_type(accept)
        return kind, written(self._shown(), kind)

    def waiting(self) -> dict[str, int]:
        """Requests admitted that no run has taken, by model."""
        found = {one.model: 0 for one in self.series.values()}
        for _, model, admitted_s, ran_s, *_ in self.under_way.values():
            if admitted_s and not ran_s:
                found[model] = found.get(model, 0) + 1
        return found

    def _shown(self) -> Iterator[Shown]:
        for one in self.series.values():
            one.fold()
        index = self._models.index() if self._models else ()
        return shown(self, index, self._process)

    def _failed(self, request: Request, followed: UnderWay, fault: Fault) -> None:
        _count(followed[SKIN].faults, type(fault).__name__)
        other = "BACKEND" if isinstance(fault, ModelFailed) else "OTHER"
        self._fail(request, followed, "REJECTED" if isinstance(fault, REJECTED) else other)

    def _fail(self, request: Request, followed: UnderWay, reason: str) -> None:
        """Count a failure of a model that is known; of another one only the protocol's count tells."""
        series = followed[SERIES] or self._newest.get(request.model)
        if series is not None:
            series.failures[reason] += 1

    def _of(self, model: str, version: str) -> Series:
        found = self.series.get((model, version))
        if found is None:
            found = self._newest[model] = self.series[model, version] = Series(model=model, version=version)
        return found

    def _skin(self, name: str) -> Skin:
        return self.skins.setdefault(name, Skin(name=name, number=len(self.skins)))


def _count(counts: dict[str, int], key: str) -> None:
    counts[key] = counts.get(key, 0) + 1
