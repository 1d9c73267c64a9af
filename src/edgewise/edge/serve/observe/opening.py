"""The door to what is seen from outside: metrics always, the access log and traces where they are switched on."""

import importlib
import os
import sys
from collections.abc import Mapping, Sequence

from edgewise.edge.serve.contract import Loaded, Models, Observer
from edgewise.edge.serve.faults import Fault
from edgewise.edge.serve.observe import energy
from edgewise.edge.serve.observe.access_log import AccessLog
from edgewise.edge.serve.observe.metrics import Metrics
from edgewise.edge.serve.tensors import Request, Response
from edgewise.errors import MissingDependency
from edgewise.hardware import meters

ACCESS_LOG = "EDGEWISE_ACCESS_LOG"
TRACING = "edgewise.edge.serve.observe.tracing"
ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"


def opened(environment: Mapping[str, str] = os.environ, *, access_log: bool = False) -> Observer:
    """What `environment` switches on, and the access log where that says so.

    Raises:
        MissingDependency: traces are wanted, and OpenTelemetry is not installed.
    """
    meter = energy.chosen(environment, meters.available)
    metrics = Metrics(energy=energy.Energy(meter) if meter else None)
    others: list[Observer] = []
    if access_log or environment.get(ACCESS_LOG, "") not in ("", "0"):
        others.append(AccessLog(sys.stderr))
    if environment.get(ENDPOINT):
        others.append(_tracing(environment))
    return Several(metrics, others) if others else metrics


def _tracing(environment: Mapping[str, str]) -> Observer:
    """Imported by name: images leave out what needs OpenTelemetry, and it is heavy."""
    try:
        tracing = importlib.import_module(TRACING)
    except ImportError as missing:
        raise MissingDependency(
            f"{ENDPOINT} is set, and OpenTelemetry is not installed: {missing}",
            hint="pip install 'edgewise[otel]', or unset the variable",
        ) from missing
    made: Observer = tracing.Tracing(tracing.exporting(environment))
    return made


class Several:
    """Observers one after the other; /metrics is the first one's."""

    def __init__(self, metrics: Observer, others: Sequence[Observer]) -> None:
        self._metrics = metrics
        self._all = (metrics, *others)

    def started(self, models: Models) -> None:
        """To each."""
        for one in self._all:
            one.started(models)

    def stopped(self) -> None:
        """To each."""
        for one in self._all:
            one.stopped()

    def received(self, request: Request, skin: str, size_bytes: int) -> None:
        """To each."""
        for one in self._all:
            one.received(request, skin, size_bytes)

    def queued(self, request: Request, waiting: int) -> None:
        """To each."""
        for one in self._all:
            one.queued(request, waiting)

    def ran(self, model: Loaded, requests: Sequence[Request], rows: int, run_s: float) -> None:
        """To each."""
        for one in self._all:
            one.ran(model, requests, rows, run_s)

    def answered(self, request: Request, outcome: Response | Fault, size_bytes: int, duration_s: float) -> None:
        """To each."""
        for one in self._all:
            one.answered(request, outcome, size_bytes, duration_s)

    def gone(self, request: Request, duration_s: float) -> None:
        """To each."""
        for one in self._all:
            one.gone(request, duration_s)

    def refused(self, skin: str, fault: Fault, size_bytes: int, model: str = "") -> None:
        """To each."""
        for one in self._all:
            one.refused(skin, fault, size_bytes, model)

    def page(self, accept: str = "") -> tuple[str, bytes]:
        """The metrics."""
        return self._metrics.page(accept)
