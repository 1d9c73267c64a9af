"""What binds a design by a roofline, and which move is named."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgewise.design.advice import advise, split
from edgewise.design.estimate import Estimated, LayerEstimate
from edgewise.design.judge import judge
from edgewise.nouns import Bottleneck, Budget, Design, Metric, Quantity, Verdict
from fakes.designs import timed

ACCURACY = Metric(name="accuracy", higher_is_better=True, against="labels")


def layer(time_ms: float, *, bound: str, compute: float, memory: float, overhead: float = 0.0) -> LayerEstimate:
    return LayerEstimate(
        name="l",
        operator="Conv",
        time_ms=time_ms,
        compute_ms=compute,
        memory_ms=memory,
        overhead_ms=overhead,
        on_accelerator=bound != "fallback",
        bound=bound,  # type: ignore[arg-type]
    )


def estimated(*layers: LayerEstimate, call_ms: float = 0.0) -> Estimated:
    return Estimated(figures={}, layers=layers, call_ms=call_ms, fallback_ms=0.0, coverage=None, caveats=())


def verdicts(*designs: Design) -> list[Verdict]:
    return [judge(design, Budget(), ACCURACY, significant=False) for design in designs]


def test_memory_that_is_fetched_meanwhile_costs_nothing() -> None:
    shares = split([layer(10, bound="compute", compute=10, memory=6)], 0.0)
    assert shares[Bottleneck.MACS] == 1.0


def test_what_adds_up_is_shared_out() -> None:
    shares = split([layer(10, bound="compute", compute=5, memory=3, overhead=2)], 10.0)
    assert shares[Bottleneck.OVERHEAD] == pytest.approx(0.6)
    assert shares[Bottleneck.MACS] == pytest.approx(0.25)
    assert shares[Bottleneck.MEMORY] == pytest.approx(0.15)


def test_what_falls_back_is_named() -> None:
    found = estimated(layer(1, bound="compute", compute=1, memory=0), layer(9, bound="fallback", compute=9, memory=0))
    design = timed("a", {Quantity.LATENCY_P50: 1.0})
    advice = advise(design, found, verdicts(design))
    assert advice.binds is Bottleneck.FALLBACK
    assert advice.share == pytest.approx(0.9)
    assert "without Conv" in advice.move
    assert advice.speedup == pytest.approx(10)


def test_the_fastest_other_design_is_the_move() -> None:
    slow, fast = timed("slow", {Quantity.LATENCY_P50: 4.0}), timed("fast", {Quantity.LATENCY_P50: 1.0})
    advice = advise(slow, estimated(layer(1, bound="compute", compute=1, memory=0)), verdicts(slow, fast))
    assert advice.move.startswith("fast is 4.0")
    assert advice.speedup == pytest.approx(4)


@given(
    st.lists(
        st.tuples(st.sampled_from(["compute", "memory", "fallback"]), *[st.floats(0, 100)] * 3), min_size=1, max_size=8
    ),
    st.floats(0, 10),
)
def test_shares_add_up(rows: list[tuple[str, float, float, float]], call_ms: float) -> None:
    layers = [
        layer(compute + memory + overhead, bound=bound, compute=compute, memory=memory, overhead=overhead)
        for bound, compute, memory, overhead in rows
    ]
    shares = split(layers, call_ms)
    whole = sum(each.time_ms for each in layers) + call_ms
    assert sum(shares.values()) == pytest.approx(1.0 if whole else 0.0)
    assert all(share >= 0 for share in shares.values())
