"""CPUs without rows: by their cores, with intervals that hold for machines that were held out."""

import math
from dataclasses import replace

import pytest

from edgewise import units
from edgewise.design.estimate import by_machine, cores, estimate, support
from edgewise.design.estimate.fitted import fitted
from edgewise.design.estimate.observations import published
from edgewise.design.estimate.terms import MachineKind
from edgewise.errors import NoBasis
from edgewise.hardware import catalogue
from edgewise.nouns import Cluster, Measurement, Quantity
from fakes.rooflines import SOURCE, machine, model, network, row

SIZES = ((16, 1), (16, 6), (32, 3), (64, 2), (64, 8), (128, 4))
BOARDS = {"one": ("gracemont", 8, 2e9), "two": ("zen-3", 16, 3e9), "three": ("cortex-a72", 4, 1e9)}
"""Core, its multiply-accumulates of floats in a cycle, and its clock, of machines that we make rows for."""
MODEL = model(network(48, 3))


def cluster(core, clock, count=4):
    return (Cluster(core=core, cores=count, clock=Measurement.exact(clock, units.FREQUENCY.base, SOURCE)),)


def board(name, core, clock, count=4):
    made = machine(name)
    return replace(made, accelerators=(replace(made.cpu, clusters=cluster(core, clock, count), cores=count),))


def latency_ms(layers, rate, clock, threads=1, times=3.0):
    """Three times the ideal time of one thread; of more, the root of their number longer than they ideally take."""
    macs = sum(layer.macs or 0 for layer in layers)
    return 1e3 * times * math.sqrt(threads) * macs / (rate * clock * threads)


def rows(threads=(1,), times=None):
    found = []
    for name, (_, rate, clock) in BOARDS.items():
        for width, depth in SIZES:
            layers = network(width, depth)
            for count in threads:
                ms = latency_ms(layers, rate, clock, count, times=(times or {}).get(name, 3.0))
                one = row(name, layers, network=f"{width}x{depth}", latency_ms=ms, precision="fp32")
                found.append(replace(one, row=replace(one.row, threads=count)))
    return found


@pytest.fixture
def boards(monkeypatch):
    made = {(name, "cpu"): cluster(core, clock) for name, (core, _, clock) in BOARDS.items()}
    monkeypatch.setattr(cores.cores, "boards", lambda: made)


@pytest.mark.usefixtures("boards")
def test_a_cpu_without_rows_reaches_what_others_reach_of_their_peaks():
    other = board("other", "zen-4", 4e9)
    found = estimate(MODEL, other, other.cpu, precision="fp32", threads=1, observations=rows())
    latency = found.figures[Quantity.LATENCY_P50]
    truth = latency_ms(MODEL.layers, 16, 4e9)
    assert latency.value == pytest.approx(truth, rel=0.25)
    assert latency.low < truth < latency.high
    assert "the peak of its zen-4 cores at 1 threads" in latency.provenance.by
    assert any("has no rows" in caveat for caveat in found.caveats)


@pytest.mark.usefixtures("boards")
def test_threads_help_as_much_as_they_do_in_the_rows():
    other = board("other", "zen-4", 4e9)
    known = rows(threads=(1, 4))
    one, four = (
        estimate(MODEL, other, other.cpu, precision="fp32", threads=count, observations=known).figures
        for count in (1, 4)
    )
    assert one[Quantity.LATENCY_P50].value / four[Quantity.LATENCY_P50].value == pytest.approx(2, rel=0.1)


@pytest.mark.usefixtures("boards")
def test_machines_that_are_farther_apart_make_a_wider_interval():
    other = board("other", "zen-4", 4e9)
    alike, apart = (
        estimate(MODEL, other, other.cpu, precision="fp32", threads=1, observations=rows(times=times)).figures
        for times in (None, {"one": 1.5, "three": 6.0})
    )
    near, far = alike[Quantity.LATENCY_P50], apart[Quantity.LATENCY_P50]
    assert far.high / far.low > 2 * near.high / near.low


@pytest.mark.usefixtures("boards")
def test_rows_of_the_same_core_come_first_and_are_scaled_by_its_clock():
    same = board("same", "zen-3", 1.5e9)
    found = estimate(MODEL, same, same.cpu, precision="fp32", threads=1, observations=rows())
    assert "rows of the same part in two" in found.figures[Quantity.LATENCY_P50].provenance.by
    assert found.figures[Quantity.LATENCY_P50].value == pytest.approx(latency_ms(MODEL.layers, 16, 1.5e9), rel=0.25)


@pytest.mark.usefixtures("boards")
def test_few_machines_of_the_same_family_are_told():
    other = board("other", "cortex-a76", 2e9)
    found = estimate(MODEL, other, other.cpu, precision="fp32", threads=1, observations=rows())
    assert "of these only three runs the kernels of Arm A cores" in found.caveats


@pytest.mark.usefixtures("boards")
def test_rows_in_another_precision_tell_no_efficiency():
    other = board("other", "zen-4", 4e9)
    with pytest.raises(NoBasis, match="what its cores compute in a cycle"):
        estimate(MODEL, other, other.cpu, precision="int8", threads=1, observations=rows())


@pytest.mark.usefixtures("boards")
def test_two_machines_tell_no_efficiency():
    other = board("other", "zen-4", 4e9)
    few = [each for each in rows() if each.row.machine != "one"]
    with pytest.raises(NoBasis):
        estimate(MODEL, other, other.cpu, precision="fp32", threads=1, observations=few)


@pytest.mark.usefixtures("boards")
def test_rows_whose_threads_are_not_told_have_no_part_in_the_efficiency():
    untold = [replace(each, row=replace(each.row, threads=None)) for each in rows()]
    found = fitted(tuple(untold), MachineKind.CPU, Quantity.LATENCY_P50)
    assert cores.reached(found, precision="fp32", runtime="litert") is None


@pytest.mark.usefixtures("boards")
def test_a_machine_that_is_held_out_has_no_part_in_its_own_prediction():
    found = fitted(tuple(rows(times={"two": 6.0})), MachineKind.CPU, Quantity.LATENCY_P50)
    assert by_machine.by_machine(found, support.of_cores, only=["two"]) == []  # two machines are left, too few


def test_a_slope_is_of_series_that_differ_in_threads_alone():
    key = ("m", "cpu", "litert", "fp32")
    found = {(*key, "1"): (1.0, 1), (*key, "4"): (1.0 + math.log(2), 4), ("n", *key[1:], "1"): (9.0, 1)}
    assert cores.slope_of(found) == pytest.approx(0.5)
    assert cores.slope_of({(*key, "1"): (1.0, 1)}) == 0.0


def test_a_small_model_is_said_to_be_outside_of_the_rows():
    gateway = catalogue.find("x86-gateway-n100")
    found = estimate(model(network(4, 1)), gateway, gateway.cpu, precision="fp32", threads=1)
    assert any("the smallest network of the rows" in caveat for caveat in found.caveats)


@pytest.mark.parametrize(
    "name", ["x86-gateway-n100", "intel-core-ultra-7-155h", "amd-ryzen-ai-embedded-p132", "raspberry-pi-5", "nxp-imx93"]
)
@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_cpus_of_the_catalogue_without_rows_are_estimated(name, precision):
    entry = catalogue.find(name)
    latency = estimate(MODEL, entry, entry.cpu, precision=precision, threads=1).figures[Quantity.LATENCY_P50]
    assert 0 < latency.low < latency.value < latency.high
    assert latency.high / latency.value > 1.5


def test_the_interval_of_a_machine_that_is_held_out_holds_most_of_its_rows():
    found = fitted(published(), MachineKind.MICROCONTROLLER, Quantity.LATENCY_P50)
    held = by_machine.by_machine(found, support.of_cores, only=["nucleo-u575zi-q"])
    assert len(held) == 9
    score = by_machine.score(held)
    assert score.coverage >= 0.85
    assert 0 < score.mean < 1
