"""/metrics: what is counted, read back by Prometheus's own parsers."""

import re
from pathlib import Path

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_plain

from edgewise.edge.serve.faults import BadRequest, Fault, ModelFailed, Overloaded, UnknownModel
from edgewise.edge.serve.observe.exposition import OPEN, PLAIN, content_type
from edgewise.edge.serve.observe.families import FAMILIES
from edgewise.edge.serve.observe.metrics import Metrics
from fakes.observed import Clock, models, request, through

PAGE = Path(__file__).parents[4] / "docs/reference/metrics.md"
PROMETHEUS_3 = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;"
    "q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)


def samples(metrics: Metrics, accept: str = "") -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Values by name and labels. The plain parser adds _total to counters, Triton's names among them: off with it."""
    kind, page = metrics.page(accept)
    read = read_openmetrics if kind == OPEN else read_plain
    return {
        (_named(sample.name), frozenset(sample.labels.items())): sample.value
        for family in read(page.decode())
        for sample in family.samples
    }


def _named(name: str) -> str:
    return name.removesuffix("_total") if name.startswith("nv_") else name


def value(metrics: Metrics, name: str, accept: str = "", **labels: str) -> float:
    return samples(metrics, accept)[name, frozenset(labels.items())]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def metrics(clock: Clock) -> Metrics:
    made = Metrics(clock=clock)
    made.started(models())
    return made


def test_stations_of_a_request_add_up_to_its_duration_in_both_vocabularies(metrics: Metrics, clock: Clock) -> None:
    through(metrics, clock, before_s=0.001, wait_s=0.002, run_s=0.004, after_s=0.008)
    for step, seconds in {"preprocess": 0.001, "predict": 0.006, "postprocess": 0.008}.items():
        assert value(metrics, f"request_{step}_seconds_sum", model_name="mlp") == pytest.approx(seconds)
        assert value(metrics, f"request_{step}_seconds_count", model_name="mlp") == 1
    expected_us = {
        "request": 15000, "compute_input": 1000, "queue": 2000, "compute_infer": 4000, "compute_output": 8000,
    }  # fmt: skip
    for part, microseconds in expected_us.items():
        found = value(metrics, f"nv_inference_{part}_duration_us", model="mlp", version="1")
        assert found == pytest.approx(microseconds, abs=2), part


def test_a_batch_is_one_execution_of_many_inferences(metrics: Metrics, clock: Clock) -> None:
    through(metrics, clock, together=5)
    through(metrics, clock, together=1)
    of_model = {"model": "mlp", "version": "1"}
    assert value(metrics, "nv_inference_request_success", **of_model) == 6
    assert value(metrics, "nv_inference_count", **of_model) == 6
    assert value(metrics, "nv_inference_exec_count", **of_model) == 2
    assert value(metrics, "edgewise_batch_rows_bucket", **of_model, le="1.0") == 1
    assert value(metrics, "edgewise_batch_rows_bucket", **of_model, le="4.0") == 1
    assert value(metrics, "edgewise_batch_rows_bucket", **of_model, le="8.0") == 2
    assert value(metrics, "edgewise_model_busy_seconds_total", **of_model) == pytest.approx(0.008)


def test_many_requests_are_all_counted_in_the_right_buckets(metrics: Metrics, clock: Clock) -> None:
    for _ in range(700):  # more than the log holds
        through(metrics, clock, before_s=0.0, wait_s=0.0, run_s=0.0002, after_s=0.0, skin="http")
    for _ in range(300):
        through(metrics, clock, before_s=0.0, wait_s=0.0, run_s=0.02, after_s=0.0, skin="grpc")
    of_model = {"model": "mlp", "version": "1"}
    bucket = "edgewise_request_duration_seconds_bucket"
    assert value(metrics, bucket, **of_model, protocol="http", le="0.0001") == 0
    assert value(metrics, bucket, **of_model, protocol="http", le="0.00025") == 700
    assert value(metrics, bucket, **of_model, protocol="grpc", le="0.01") == 0
    assert value(metrics, bucket, **of_model, protocol="grpc", le="+Inf") == 300
    assert value(metrics, "request_predict_seconds_bucket", model_name="mlp", le="0.025") == 1000


def test_waiting_requests_are_those_that_no_run_has_taken(metrics: Metrics, clock: Clock) -> None:
    through(metrics, clock)
    waiting = [request() for _ in range(3)]
    for number, one in enumerate(waiting):
        metrics.received(one, "http", 10)
        metrics.queued(one, number + 1)
    assert value(metrics, "nv_inference_pending_request_count", model="mlp") == 3
    assert value(metrics, "edgewise_requests_under_way") == 3
    metrics.gone(waiting[0], 0.1)
    metrics.answered(waiting[1], Overloaded("later"), 20, 0.1)
    assert value(metrics, "nv_inference_pending_request_count", model="mlp") == 1
    metrics.answered(waiting[2], ModelFailed("it broke"), 20, 0.1)
    of_model = {"model": "mlp", "version": "1"}
    for reason, count in {"CANCELED": 1, "REJECTED": 1, "BACKEND": 1, "OTHER": 0}.items():
        assert value(metrics, "nv_inference_request_failure", **of_model, reason=reason) == count
    assert value(metrics, "edgewise_clients_gone_total", protocol="http") == 1
    assert value(metrics, "edgewise_faults_total", protocol="http", fault="Overloaded") == 1
    assert value(metrics, "edgewise_requests_under_way") == 0


def test_names_that_clients_make_up_make_no_series(metrics: Metrics, clock: Clock) -> None:
    through(metrics, clock)
    before = len(samples(metrics))
    for number in range(100):
        one = request(f"made up {number}", version=str(number))
        metrics.received(one, "http", 10)
        metrics.answered(one, UnknownModel("there is no such model"), 20, 0.001)
    metrics.refused("http", BadRequest("no JSON"), 7)
    assert len(samples(metrics)) == before + 2  # UnknownModel and BadRequest of edgewise_faults_total
    assert value(metrics, "edgewise_faults_total", protocol="http", fault="UnknownModel") == 100
    assert value(metrics, "edgewise_received_bytes_total", protocol="http") == 100 + 100 * 10 + 7


def test_states_of_models_and_the_process_itself(metrics: Metrics) -> None:
    assert value(metrics, "edgewise_model_ready", model="mlp", version="1") == 1
    assert value(metrics, "edgewise_model_ready", model="mlp", version="2") == 0
    assert 1e6 < value(metrics, "process_resident_memory_bytes") < 1e11
    assert value(metrics, "process_open_fds") >= 3
    assert value(metrics, "process_start_time_seconds") > 1e9


def test_both_formats_say_the_same_and_openmetrics_has_units(metrics: Metrics, clock: Clock) -> None:
    through(metrics, clock, together=3)
    still = {name for name in samples(metrics) if not name[0].startswith("process_")}
    assert {name for name in samples(metrics, PROMETHEUS_3) if not name[0].startswith("process_")} == still
    assert value(metrics, "nv_inference_request_success", PROMETHEUS_3, model="mlp", version="1") == 3
    page = metrics.page(PROMETHEUS_3)[1].decode()
    assert page.endswith("# EOF\n")
    units = {family.name: family.unit for family in read_openmetrics(page)}
    assert units["edgewise_request_duration_seconds"] == "seconds"
    assert units["edgewise_sent_bytes"] == "bytes"


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("", PLAIN),
        ("*/*", PLAIN),
        ("text/html", PLAIN),
        ("text/plain", PLAIN),
        (PROMETHEUS_3, OPEN),
        ("application/openmetrics-text; version=1.0.0", OPEN),
        ("application/openmetrics-text;q=0.2, text/plain;q=0.9", PLAIN),
        ("application/openmetrics-text;q=0", PLAIN),
        ("application/openmetrics-text;q=nonsense", PLAIN),
    ],
)
def test_the_format_is_what_the_client_likes_best(accept: str, kind: str) -> None:
    assert content_type(accept) == kind


def test_signs_in_names_of_models_stay_inside_their_quotes(clock: Clock) -> None:
    metrics = Metrics(clock=clock)
    name = 'a"b\\c\nd'
    one = request(name)
    metrics.received(one, "http", 1)
    metrics.ran(type("Odd", (), {"name": name, "version": "1"})(), [one], 1, 0.001)
    assert value(metrics, "nv_inference_exec_count", model=name, version="1") == 1
    assert value(metrics, "nv_inference_exec_count", PROMETHEUS_3, model=name, version="1") == 1


def test_the_page_has_every_metric_with_its_unit_labels_and_meaning() -> None:
    rows = {}
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        if line.startswith("| `"):
            name, kind, labels, meaning = (cell.strip() for cell in line.strip("|").split("|"))
            rows[name.strip("`")] = (kind, tuple(re.findall(r"`([^`]+)`", labels)), meaning)
    expected = {family.name: (family.kind.value, family.labels, family.meaning) for family in FAMILIES}
    assert rows == expected


def test_what_a_request_leaves_behind_does_not_grow(metrics: Metrics, clock: Clock) -> None:
    faults: list[Fault | None] = [None, ModelFailed("it broke")]
    for fault in faults * 1000:
        through(metrics, clock, fault=fault)
    (series,) = metrics.series.values()
    assert not metrics.under_way
    assert len(series.log) < 6 * 300
    assert len(series.row_log) < 2000
