"""OpenTelemetry: a span for each request with what it waited and ran inside it, a log record for each that failed.

Imported only where OTEL_EXPORTER_OTLP_ENDPOINT is set; this is the one door to OpenTelemetry's packages. Spans are made
when a request has ended, from moments noted on the way, so that a request that is under way costs a few numbers. The
client's `traceparent` (W3C Trace Context) is the parent. Sampling, headers, names and limits are what OpenTelemetry's
own variables say (OTEL_TRACES_SAMPLER, OTEL_SERVICE_NAME, …); exporters speak OTLP over HTTP.
"""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from opentelemetry import trace
from opentelemetry._logs import Logger, LogRecord, SeverityNumber
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from edgewise import __version__
from edgewise.edge.serve.contract import Loaded, Models
from edgewise.edge.serve.faults import Fault, ModelFailed
from edgewise.edge.serve.tensors import Request, Response

SCOPE = "edgewise.edge.serve"
SERVICE = "edgewise"
CLOSE_S = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Exporting:
    """Where spans and log records go, and how to see them off at the end."""

    tracer: trace.Tracer
    logger: Logger
    close: Callable[[], None]


def exporting(environment: Mapping[str, str]) -> Exporting:
    """Providers as OpenTelemetry's variables say; nothing is registered globally.

    Seeing them off ends after `CLOSE_S`: by itself it would wait half a minute for a collector that does not answer,
    and whoever stops a server kills it by then.
    """
    resource = Resource.create({} if environment.get("OTEL_SERVICE_NAME") else {"service.name": SERVICE})
    spans = TracerProvider(resource=resource, shutdown_on_exit=False)
    spans.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    records = LoggerProvider(resource=resource, shutdown_on_exit=False)
    records.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter()))

    def close() -> None:
        ends_s = time.monotonic() + CLOSE_S
        closing = [threading.Thread(target=one.shutdown, daemon=True) for one in (spans, records)]
        for thread in closing:
            thread.start()
        for thread in closing:
            thread.join(max(0.0, ends_s - time.monotonic()))

    return Exporting(
        tracer=spans.get_tracer(SCOPE, __version__), logger=records.get_logger(SCOPE, __version__), close=close
    )


@dataclass(slots=True, kw_only=True)
class _UnderWay:
    """Moments of a request in nanoseconds since the epoch, 0 where it did not come so far."""

    protocol: str
    received_bytes: int
    received_ns: int
    admitted_ns: int = 0
    ran_ns: int = 0
    run_ns: int = 0
    rows: int = 0
    together: int = 0


class Tracing:
    """An `Observer` that makes spans and log records."""

    def __init__(self, target: Exporting, *, now_ns: Callable[[], int] = time.time_ns) -> None:
        self._target = target
        self._now_ns = now_ns
        self._under_way: dict[int, _UnderWay] = {}
        self._parents = TraceContextTextMapPropagator()

    def started(self, models: Models) -> None:
        """Nothing to do."""

    def stopped(self) -> None:
        """Send what is left."""
        self._target.close()

    def received(self, request: Request, skin: str, size_bytes: int) -> None:
        """Note when it came."""
        self._under_way[id(request)] = _UnderWay(protocol=skin, received_bytes=size_bytes, received_ns=self._now_ns())

    def queued(self, request: Request, waiting: int) -> None:  # noqa: ARG002
        """Note when it was admitted."""
        followed = self._under_way.get(id(request))
        if followed is not None:
            followed.admitted_ns = self._now_ns()

    def ran(self, model: Loaded, requests: Sequence[Request], rows: int, run_s: float) -> None:  # noqa: ARG002
        """Note when its outputs were there."""
        now_ns = self._now_ns()
        for request in requests:
            followed = self._under_way.get(id(request))
            if followed is not None:
                followed.ran_ns, followed.run_ns = now_ns, round(run_s * 1e9)
                followed.rows, followed.together = rows, len(requests)

    def answered(self, request: Request, outcome: Response | Fault, size_bytes: int, duration_s: float) -> None:  # noqa: ARG002
        """Make its spans."""
        followed = self._under_way.pop(id(request), None)
        if followed is not None:
            self._tell(request, followed, outcome, {"http.response.body.size": size_bytes})

    def gone(self, request: Request, duration_s: float) -> None:  # noqa: ARG002
        """Make its spans, of a request that nobody waited for."""
        followed = self._under_way.pop(id(request), None)
        if followed is not None:
            self._tell(request, followed, Fault("the client went away"), {})

    def refused(self, skin: str, fault: Fault, size_bytes: int, model: str = "") -> None:
        """A log record: it belongs to no trace."""
        told = {"edgewise.model.name": model} if model else {}
        self._log(fault, {"edgewise.protocol": skin, "http.request.body.size": size_bytes, **told}, None)

    def page(self, accept: str = "") -> tuple[str, bytes]:  # noqa: ARG002
        """Metrics are another's."""
        return "text/plain", b""

    def _tell(self, request: Request, followed: _UnderWay, outcome: Response | Fault, more: dict[str, Any]) -> None:
        parent = self._parents.extract({"traceparent": request.traceparent}) if request.traceparent else Context()
        attributes: dict[str, Any] = {
            "edgewise.model.name": request.model,
            "edgewise.model.version": outcome.version if isinstance(outcome, Response) else request.version,
            "edgewise.protocol": followed.protocol,
            "edgewise.request.id": request.id,
            "http.request.body.size": followed.received_bytes,
            **more,
        }
        span = self._target.tracer.start_span(
            "infer", parent, trace.SpanKind.SERVER, attributes, start_time=followed.received_ns
        )
        inside = trace.set_span_in_context(span, Context())
        if isinstance(outcome, Fault):
            span.set_attribute("error.type", type(outcome).__name__)
            span.set_status(trace.StatusCode.ERROR, outcome.message)
            self._log(outcome, attributes, inside)
        if followed.ran_ns and span.is_recording():
            self._stations(followed, inside)
        span.end(self._now_ns())

    def _stations(self, followed: _UnderWay, inside: Context) -> None:
        """Spans of the wait and of the run."""
        began_ns = followed.ran_ns - followed.run_ns
        admitted_ns = min(followed.admitted_ns or began_ns, began_ns)
        tracer = self._target.tracer
        tracer.start_span("queue", inside, start_time=admitted_ns).end(began_ns)
        batch = {"edgewise.batch.rows": followed.rows, "edgewise.batch.requests": followed.together}
        tracer.start_span("run", inside, attributes=batch, start_time=began_ns).end(followed.ran_ns)

    def _log(self, fault: Fault, attributes: dict[str, Any], inside: Context | None) -> None:
        bad = isinstance(fault, ModelFailed)
        self._target.logger.emit(
            LogRecord(
                timestamp=self._now_ns(),
                context=inside or Context(),
                severity_number=SeverityNumber.ERROR if bad else SeverityNumber.WARN,
                severity_text="ERROR" if bad else "WARN",
                body=fault.message,
                attributes={**attributes, "error.type": type(fault).__name__},
            )
        )
