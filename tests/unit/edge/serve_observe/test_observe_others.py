"""The access log, energy, traces: what each is told, and what it makes of it."""

import io
import json
import os
import subprocess
import sys

import pytest
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from edgewise.edge.serve.faults import BadRequest, Overloaded
from edgewise.edge.serve.observe import energy
from edgewise.edge.serve.observe.access_log import AccessLog
from edgewise.edge.serve.observe.metrics import Metrics
from edgewise.edge.serve.observe.opening import Several, opened
from edgewise.edge.serve.observe.tracing import Exporting, Tracing
from edgewise.errors import MissingDependency
from edgewise.hardware.counting import CpuSeconds, EnergyMeter, Reading, Scope
from fakes.observed import Clock, request, through

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class FakeMeter:
    """Two watts, for as long as the clock says."""

    name = "fake rail"
    measured = True
    scope = Scope.CPU
    interval_s = 0.001

    def __init__(self, clock: Clock) -> None:
        self.clock = clock

    def read_joules(self) -> float:
        return 2.0 * self.clock.now_s

    def read(self) -> Reading:
        return Reading(at_s=self.clock.now_s, joules=self.read_joules())


def test_energy_is_given_by_the_time_that_a_model_ran() -> None:
    clock = Clock()
    reader = energy.Energy(FakeMeter(clock))
    metrics = Metrics(energy=reader, clock=clock)
    reader.read(list(metrics.series.values()))
    through(metrics, clock, before_s=0.0, wait_s=0.0, run_s=1.0, after_s=0.0)
    clock.now_s += 3.0
    reader.read(list(metrics.series.values()))
    (series,) = metrics.series.values()
    assert series.energy_joules == pytest.approx(2.0)  # 8 J in 4 s, of which it ran 1 s
    assert 'edgewise_energy_joules_total{model="mlp",version="1",meter="fake rail",provenance="measured"} 2.0' in (
        metrics.page()[1].decode()
    )


def test_models_that_run_at_the_same_time_share_and_get_no_more_than_there_was() -> None:
    clock = Clock()
    reader = energy.Energy(FakeMeter(clock))
    metrics = Metrics(clock=clock)
    series = [metrics._of("a", "1"), metrics._of("b", "1")]
    reader.read(series)
    clock.now_s += 1.0
    series[0].busy_s, series[1].busy_s = 0.9, 0.6
    reader.read(series)
    assert sum(one.energy_joules for one in series) == pytest.approx(2.0)
    assert series[0].energy_joules == pytest.approx(1.5 * series[1].energy_joules)


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, "fake rail"),
        ({"EDGEWISE_METER": "fake rail"}, "fake rail"),
        ({"EDGEWISE_METER": "none"}, None),
        ({"EDGEWISE_METER": "no such"}, None),
        ({"EDGEWISE_METER": "none", "EDGEWISE_WATTS": "12"}, "cpu-seconds"),
        ({"EDGEWISE_METER": "none", "EDGEWISE_WATTS": "many"}, None),
    ],
)
def test_which_meter_is_read(environment: dict[str, str], expected: str | None) -> None:
    meters: list[EnergyMeter] = [FakeMeter(Clock())]
    found = energy.chosen(environment, lambda: meters)
    assert (found.name if found else None) == expected


def test_declared_watts_are_never_called_measured() -> None:
    assert energy.provenance(CpuSeconds(watts=5.0)).provenance == "declared"


def test_a_meter_that_is_lost_ends_the_reading_and_not_the_server() -> None:
    class Lost(FakeMeter):
        def read(self) -> Reading:
            raise OSError(5, "Input/output error")

    reader = energy.Energy(Lost(Clock()), every_s=0.001)
    reader.start(list)
    thread = reader._thread
    assert thread is not None
    thread.join(30)
    assert not thread.is_alive()
    reader.stop()


def test_a_line_of_the_access_log_cannot_be_forged_and_has_no_payload() -> None:
    clock, stream = Clock(), io.StringIO()
    log = AccessLog(stream, now=lambda: 1_700_000_000.25)
    through(log, clock, traceparent=TRACEPARENT)
    odd = request('x\n{"outcome": "ok"}')
    log.received(odd, "grpc", 9)
    log.answered(odd, Overloaded("the queue is full"), 5, 0.5)
    log.received(odd, "grpc", 9)
    log.gone(odd, 0.25)
    log.refused("http", BadRequest("no JSON"), 3)
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert lines[0] == {
        "at": "2023-11-14T22:13:20.250Z", "protocol": "http", "model": "mlp", "version": "1", "id": "r0",
        "outcome": "ok", "duration_ms": 15.0, "received_bytes": 100, "sent_bytes": 50, "traceparent": TRACEPARENT,
    }  # fmt: skip
    assert [line["outcome"] for line in lines] == ["ok", "Overloaded", "gone", "BadRequest"]
    assert lines[1]["message"] == "the queue is full"


def tracing(clock: Clock) -> tuple[Tracing, InMemorySpanExporter, InMemoryLogRecordExporter]:
    spans, records = InMemorySpanExporter(), InMemoryLogRecordExporter()
    tracers, loggers = TracerProvider(), LoggerProvider()
    tracers.add_span_processor(SimpleSpanProcessor(spans))
    loggers.add_log_record_processor(SimpleLogRecordProcessor(records))
    target = Exporting(tracer=tracers.get_tracer("t"), logger=loggers.get_logger("t"), close=lambda: None)
    return Tracing(target, now_ns=clock.ns), spans, records


def test_spans_join_the_client_s_trace_and_say_where_the_time_went() -> None:
    clock = Clock()
    observer, spans, records = tracing(clock)
    through(observer, clock, traceparent=TRACEPARENT, together=2)
    found = spans.get_finished_spans()
    assert [span.name for span in found] == ["queue", "run", "infer"] * 2
    queue, run, infer = found[:3]
    assert infer.context is not None
    assert infer.parent is not None
    assert f"{infer.context.trace_id:032x}" == TRACEPARENT.split("-")[1]
    assert f"{infer.parent.span_id:016x}" == TRACEPARENT.split("-")[2]
    for inner, seconds in ((queue, 0.002), (run, 0.004), (infer, 0.015)):
        assert inner.start_time is not None
        assert inner.end_time is not None
        assert (inner.end_time - inner.start_time) / 1e9 == pytest.approx(seconds, abs=1e-6)
    assert run.parent is not None
    assert run.parent.span_id == infer.context.span_id
    assert run.attributes is not None
    assert run.attributes["edgewise.batch.requests"] == 2
    assert not records.get_finished_logs()


def test_a_fault_is_an_error_in_the_trace_and_a_log_record_that_points_to_it() -> None:
    clock = Clock()
    observer, spans, records = tracing(clock)
    through(observer, clock, fault=Overloaded("the queue is full"))
    infer = spans.get_finished_spans()[-1]
    assert infer.context is not None
    assert infer.attributes is not None
    assert infer.parent is None
    assert infer.attributes["error.type"] == "Overloaded"
    (record,) = records.get_finished_logs()
    assert record.log_record.body == "the queue is full"
    assert record.log_record.trace_id == infer.context.trace_id
    observer.refused("http", BadRequest("no JSON"), 3)
    assert records.get_finished_logs()[-1].log_record.body == "no JSON"


def test_metrics_alone_by_default_and_more_where_it_is_switched_on() -> None:
    assert isinstance(opened({}), Metrics)
    both = opened({"EDGEWISE_ACCESS_LOG": "1", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"})
    assert isinstance(both, Several)
    kinds = [type(one).__name__ for one in both._all]
    assert kinds == ["Metrics", "AccessLog", "Tracing"]


def test_nothing_heavy_is_imported_for_what_is_off() -> None:
    code = (
        "import sys; from edgewise.edge.serve.observe.opening import opened; opened({}).page(); "
        "heavy = {'opentelemetry', 'pydantic', 'typer', 'rich', 'httpx', 'yaml', 'prometheus_client'}; "
        "print(sorted(heavy & set(sys.modules)))"
    )
    environment = {name: text for name, text in os.environ.items() if not name.startswith("OTEL_")}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    assert done.stdout.strip() == "[]"


def test_traces_without_opentelemetry_are_refused_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgewise.edge.serve.observe.opening.TRACING", "edgewise.no_such_module")
    with pytest.raises(MissingDependency, match="OTEL_EXPORTER_OTLP_ENDPOINT is set"):
        opened({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"})
