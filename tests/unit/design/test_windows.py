"""Energy in windows: of a meter that is slower than a burst, with a clock and a machine that are made up."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgewise.design import windows
from edgewise.design.figures import of_timing
from edgewise.design.measure import Timing
from edgewise.design.windows import INTERVALS, LEAST_S, Windows
from edgewise.hardware.counting import Reading
from edgewise.nouns import Provenance, ProvenanceKind, Quantity

HERE = Provenance(kind=ProvenanceKind.MEASURED, by="a CPU")


class Bench:
    """A design that draws `watts` while it runs, from `idle` before; its meter renews every `interval_s`."""

    def __init__(self, *, watts: float, inference_s: float, interval_s: float, idle: float = 1.0) -> None:
        self.watts, self.inference_s, self.interval_s = watts, inference_s, interval_s
        self.now_s, self.before_j = 0.37 * interval_s, idle * 0.37 * interval_s
        self.started_s = self.now_s

    def burst(self, calls: int) -> dict[str, Any]:
        self.now_s += calls * self.inference_s
        return {"ns": [round(self.inference_s * 1e9)] * calls}

    def read(self) -> Reading:
        at_s = self.now_s // self.interval_s * self.interval_s
        return Reading(at_s=at_s, joules=max(0.0, at_s - self.started_s) * self.watts + self.before_j)


@given(
    watts=st.floats(0.5, 200),
    inference_s=st.floats(2e-5, 0.5),
    interval_s=st.sampled_from([0.002, 0.01, 0.1, 1.0]),
    idle=st.floats(0, 50),
)
def test_the_power_of_the_design_alone_whatever_its_speed_and_the_meter_s(
    watts: float, inference_s: float, interval_s: float, idle: float
) -> None:
    bench = Bench(watts=watts, inference_s=inference_s, interval_s=interval_s, idle=idle)
    asked = Windows(name="m", interval_s=interval_s, read=bench.read)
    found = windows.measure(bench.burst, asked, inference_s=inference_s)
    assert found is not None
    assert found.joules / found.seconds == pytest.approx(watts, rel=1e-6)
    assert found.seconds >= max(LEAST_S, INTERVALS * interval_s) - 1e-9
    assert found.inference_s == pytest.approx(inference_s, rel=1e-3)


def test_a_device_answers_with_its_own_readings() -> None:
    bench = Bench(watts=7.0, inference_s=0.01, interval_s=0.1)

    def burst(calls: int) -> dict[str, Any]:
        answer, now = bench.burst(calls), bench.read()
        return {**answer, "reading": {"at_s": now.at_s, "joules": now.joules}}

    found = windows.measure(burst, Windows(name="m", interval_s=0.1), inference_s=0.01)
    assert found is not None
    assert found.joules / found.seconds == pytest.approx(7.0)


def test_a_meter_that_fails_is_remembered_and_gives_nothing() -> None:
    bench = Bench(watts=7.0, inference_s=0.01, interval_s=0.1)

    def gone() -> Reading:
        raise OSError("it ended with exit code 3")

    asked = Windows(name="m", interval_s=0.1, read=gone)
    assert windows.measure(bench.burst, asked, inference_s=0.01) is None
    assert asked.lost == "it ended with exit code 3"
    of_device = Windows(name="m", interval_s=0.1)
    assert windows.measure(bench.burst, of_device, inference_s=0.01) is None
    assert of_device.lost == "the device could not read it"


def test_a_meter_that_stands_still_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(watts=7.0, inference_s=0.01, interval_s=0.1)
    asked = Windows(name="m", interval_s=0.1, read=lambda: Reading(at_s=1.0, joules=1.0))
    monkeypatch.setattr(windows.time, "monotonic", lambda: bench.now_s)
    assert windows.measure(bench.burst, asked, inference_s=0.01) is None
    assert "no new reading" in asked.lost


def test_figures_are_power_and_energy_of_one_inference() -> None:
    records = [{"joules": joules, "seconds": 2.0, "inference_s": 0.005, "calls": 400} for joules in (7.8, 8.0, 8.4)]
    timing = Timing(session="s/0", bursts_ns=[[5_000_000] * 8] * 4, cpu_ns=[1] * 4, windows=records)
    found = of_timing(timing, HERE, meter="a wattmeter")
    power, energy = found[Quantity.POWER], found[Quantity.ENERGY]
    assert (power.low, power.value, power.high) == pytest.approx((3.9, 4.0, 4.2))
    assert energy.value == pytest.approx(20.0)
    assert (energy.n, energy.provenance.by) == (3, "a wattmeter")


def test_a_meter_that_counts_nothing_gives_no_figure_of_zero() -> None:
    bench = Bench(watts=0.0, inference_s=0.01, interval_s=0.1)
    asked = Windows(name="m", interval_s=0.1, read=bench.read)
    assert windows.measure(bench.burst, asked, inference_s=0.01) is None
    assert "no energy" in asked.lost
    timing = Timing(session="s/0", bursts_ns=[[5_000_000] * 8] * 4, cpu_ns=[1] * 4, joules=[0.0] * 4)
    assert Quantity.ENERGY not in of_timing(timing, HERE, meter="rapl package-0")
