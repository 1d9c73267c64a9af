"""Pages of metrics read, and what happened between two of them."""

import math
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from edgewise.edge.serve.observe.exposition import OPEN, PLAIN
from edgewise.edge.serve.observe.metrics import Metrics
from edgewise.edge.top import figures, page
from edgewise.edge.top.figures import ModelFigures, compare, quantile
from fakes import observed

START = "process_start_time_seconds 1000.0\n"
QUIET = START + 'edgewise_model_ready{model="mlp",version="1"} 1\n'


def counted(success: int, *, runs: int = 0, rows: int = 0, joules: float = 0.0, failed: int = 0) -> str:
    labels = '{model="mlp",version="1"'
    return (
        f"{QUIET}nv_inference_request_success{labels}}} {success}\n"
        f'nv_inference_request_failure{labels},reason="REJECTED"}} {failed}\n'
        f'nv_inference_request_failure{labels},reason="OTHER"}} 1\n'
        f"nv_inference_count{labels}}} {rows}\nnv_inference_exec_count{labels}}} {runs}\n"
        f"edgewise_queue_seconds_sum{labels}}} {runs * 0.002}\nedgewise_queue_seconds_count{labels}}} {runs}\n"
        f'edgewise_energy_joules_total{labels},meter="rapl",provenance="measured"}} {joules}\n'
    )


def of_model(before: str, after: str, seconds: float = 2.0) -> ModelFigures:
    (found,) = compare(page.read(before), page.read(after), seconds).models
    return found


def test_rates_and_means_are_of_what_happened_in_between() -> None:
    found = of_model(
        counted(100, runs=40, rows=100, joules=5.0), counted(300, runs=90, rows=350, joules=5.5, failed=4), 2.0
    )
    assert (found.requests_per_s, found.failures_per_s, found.rows_per_s) == (100.0, 2.0, 125.0)
    assert (found.mean_batch, found.queue_ms, found.ready) == (5.0, pytest.approx(2.0), True)
    assert (found.power_watts, found.energy_mj, found.meter) == (0.25, pytest.approx(2.0), "rapl")
    assert not found.declared


def test_a_model_that_nobody_asks_has_rates_of_zero_and_no_means() -> None:
    found = of_model(QUIET, QUIET)
    assert (found.requests_per_s, found.failures_per_s) == (0.0, 0.0)
    assert (found.p50_ms, found.p99_ms, found.mean_batch, found.queue_ms, found.energy_mj) == (None,) * 5
    assert of_model(counted(7), counted(7)).mean_batch is None


@pytest.mark.parametrize(
    ("began", "success"), [(2000.0, 400), (1000.0, 30)], ids=["by its start", "by a counter that fell"]
)
def test_a_server_that_was_started_anew_counts_from_its_start(began: float, success: int) -> None:
    after = counted(success).replace("1000.0", str(began))
    found = compare(page.read(counted(300)), page.read(after), 2.0)
    assert found.restarted
    assert found.models[0].requests_per_s == success / 2


def test_a_start_that_the_kernel_rounds_anew_is_none() -> None:
    after = counted(300).replace("1000.0", "1001.0")
    assert not compare(page.read(counted(300)), page.read(after), 2.0).restarted


def test_percentiles_are_of_all_protocols_together() -> None:
    def buckets(protocol: str, *counts: int) -> str:
        name = f'edgewise_request_duration_seconds_bucket{{model="mlp",version="1",protocol="{protocol}"'
        return "".join(
            f'{name},le="{bound}"}} {count}\n' for bound, count in zip(("0.001", "0.01", "+Inf"), counts, strict=True)
        )

    before = QUIET + buckets("http", 5, 5, 5)
    found = of_model(before, QUIET + buckets("http", 55, 55, 55) + buckets("grpc", 0, 50, 50))
    assert found.p50_ms == pytest.approx(1.0)
    assert found.p99_ms == pytest.approx(1.0 + 9.0 * 49 / 50)


@given(st.lists(st.integers(0, 50), min_size=2, max_size=12), st.floats(0, 1), st.floats(0, 1))
def test_a_percentile_lies_in_the_bucket_that_holds_it_and_grows_with_its_share(
    inside: list[int], one: float, other: float
) -> None:
    bounds = [*(2.0**at for at in range(len(inside) - 1)), math.inf]
    counts = {bound: float(sum(inside[: at + 1])) for at, bound in enumerate(bounds)}
    low, high = (quantile(counts, share) for share in sorted((one, other)))
    if not sum(inside):
        assert low is None
        return
    assert low is not None
    assert high is not None
    assert 0 <= low <= high <= bounds[-2]
    wanted = min(one, other) * counts[math.inf]
    holding = next(bound for bound in bounds if counts[bound] >= wanted)
    assert low <= min(holding, bounds[-2])


LABELS = st.dictionaries(
    st.sampled_from(["model", "version", "_9", "quantile"]),
    st.text('ab é\n\\"{},= ', max_size=8),
    max_size=3,
)


@given(LABELS, st.floats(allow_nan=False))
def test_samples_are_read_as_prometheus_s_own_client_reads_them(labels: Mapping[str, str], value: float) -> None:
    def escaped(text: str) -> str:
        return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')

    pairs = ",".join(f'{name}="{escaped(text)}"' for name, text in labels.items())
    line = f"some_name{{{pairs}}} {value!r}\n" if pairs else f"some_name {value!r}\n"
    ((sample,),) = page.read(f"# HELP some_name x\n{line}").values()
    (family,) = text_string_to_metric_families(line)
    assert (sample.labels, sample.value) == (family.samples[0].labels, family.samples[0].value)


@pytest.mark.parametrize("kind", [PLAIN, OPEN])
def test_our_own_page_is_read_in_both_formats(kind: str) -> None:
    clock = observed.Clock()
    metrics = Metrics(clock=clock)
    metrics.started(observed.models())
    observed.through(metrics, clock)
    read = page.read(metrics.page(kind)[1].decode())
    assert figures.serves_models(read)
    (found,) = [one for one in compare({}, read, 1.0).models if one.requests_per_s]
    assert (found.name, found.requests_per_s) == ("mlp", 1.0)
    assert found.p50_ms is not None


@pytest.mark.parametrize("line", ["{}", "name", 'name{a="b"', 'name{a="b} 1', "name{a=b} 1", "name one", "<html>"])
def test_what_is_no_sample_is_refused_with_its_line(line: str) -> None:
    with pytest.raises(ValueError, match=r"^line 2 is no sample"):
        page.read(f"good 1\n{line}\n")


def test_timestamps_and_exemplars_are_passed_over() -> None:
    read = page.read('a_total{x="}"} 5 1700000000\nb_bucket{le="1"} 3 # {trace_id="abc"} 0.5\n')
    assert [(one.labels, one.value) for name in read for one in read[name]] == [({"x": "}"}, 5.0), ({"le": "1"}, 3.0)]
