"""The joint search: nothing on the frontier is beaten, nothing off it is worth having."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from edgewise.design.systolic import figures
from edgewise.design.systolic.evaluate import evaluate
from edgewise.design.systolic.search import Goal, Limits, Point, Space, Workload, best, non_dominated, search
from edgewise.design.systolic.technology import HOROWITZ
from edgewise.design.systolic.work import Work
from edgewise.errors import BadConfiguration
from edgewise.nouns import Convolution, Layer, ProvenanceKind, Quantity

KIB = 1024
SPACE = Space(
    rows=(4, 8, 16),
    columns=(4, 16),
    ifmap_sram_bytes=(2 * KIB, 16 * KIB),
    bandwidths_byte_per_s=(1e8, 1e9),
    word_bits=(8, 16),
)


def model(width: int) -> tuple[Layer, ...]:
    """Two layers, `width` filters each."""
    sizes = [(16, 3, width, 3), (14, width, width, 1)]
    return tuple(
        Layer(name=f"conv{n}", operator="Conv", output_shape=(), parameters=0, macs=shape.macs, convolution=shape)
        for n, shape in enumerate(
            Convolution(
                input_height=size, input_width=size, input_channels=channels, output_height=size - kernel + 1,
                output_width=size - kernel + 1, output_channels=filters, kernel_height=kernel, kernel_width=kernel,
            )
            for size, channels, filters, kernel in sizes
        )
    )  # fmt: skip


NARROW = Workload(name="narrow", layers=model(8), metric={8: 0.80, 16: 0.82})
WIDE = Workload(name="wide", layers=model(16), metric={8: 0.85, 16: 0.86})


def figures_of(point: Point) -> tuple[float, ...]:
    return point.latency_ms, point.energy_mj, point.area_mm2, -(point.metric or 0.0)


def everything() -> list[tuple[float, ...]]:
    """Figures of all points, computed one by one."""
    found = []
    for workload in (NARROW, WIDE):
        for word_bits, metric in workload.metric.items():
            for template in SPACE.templates(word_bits):
                one = evaluate(Work.of(workload.layers), [template])
                found.append((one.latency_ms[0], one.energy_mj[0], one.area_mm2[0], -metric))
    return found


def beats(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return one != other and all(mine <= its for mine, its in zip(one, other, strict=True))


def test_frontier_of_templates_precisions_and_widths_is_what_trying_each_pair_gives():
    points, all_of_them = search([NARROW, WIDE], SPACE), everything()
    assert len(all_of_them) == 2 * len(SPACE)
    expected = {one for one in all_of_them if not any(beats(other, one) for other in all_of_them)}
    assert {figures_of(point) for point in points} == expected
    assert [point.latency_ms for point in points] == sorted(point.latency_ms for point in points)
    assert {point.workload for point in points} == {"narrow", "wide"}
    assert {point.template.word_bits for point in points} == {8, 16}


@given(arrays.arrays(np.float64, st.tuples(st.integers(0, 30), st.just(3)), elements=st.integers(0, 4).map(float)))
def test_non_dominated_keeps_the_best_once_and_no_others(costs: np.ndarray):
    kept = non_dominated(costs)
    rows = [tuple(row) for row in costs.tolist()]
    assert {rows[index] for index in kept} == {row for row in rows if not any(beats(other, row) for other in rows)}
    assert len({rows[index] for index in kept}) == len(kept)
    assert kept == [rows.index(rows[index]) for index in kept]


@pytest.mark.parametrize(
    "limits",
    [
        Limits(latency_ms=0.02),
        Limits(energy_mj=0.002),
        Limits(area_mm2=0.42),
        Limits(sram_bytes=130 * KIB),
        Limits(metric=0.85),
    ],
    ids=str,
)
def test_limits_hold_and_what_they_hide_does_not_hide_others(limits: Limits):
    points = search([NARROW, WIDE], SPACE, limits)
    free = search([NARROW, WIDE], SPACE)
    assert points
    for point in points:
        assert limits.latency_ms is None or point.latency_ms <= limits.latency_ms
        assert limits.energy_mj is None or point.energy_mj <= limits.energy_mj
        assert limits.area_mm2 is None or point.area_mm2 <= limits.area_mm2
        assert limits.sram_bytes is None or point.template.sram_bytes <= limits.sram_bytes
        assert limits.metric is None or point.metric >= limits.metric
    inside = {figures_of(point) for point in points}
    assert {figures_of(point) for point in free if best([point], limits)} <= inside
    assert len(inside) < len(free)


@pytest.mark.parametrize("goal", Goal)
def test_best_has_least_of_its_goal(goal: Goal):
    points = search([NARROW, WIDE], SPACE)
    index = list(Goal).index(goal)
    chosen = best(points, goal=goal)
    assert figures_of(chosen)[index] == min(figures_of(point)[index] for point in points)
    assert best(points, Limits(latency_ms=1e-9), goal=goal) is None


def test_an_error_is_better_when_it_is_lower():
    errors = [replace(NARROW, metric={8: 0.2}), replace(WIDE, metric={8: 0.1})]
    chosen = best(search(errors, SPACE, higher_is_better=False), goal=Goal.METRIC, higher_is_better=False)
    assert chosen.workload == "wide"


def test_precisions_without_a_figure_are_not_tried():
    points = search([replace(NARROW, metric={16: 0.82})], SPACE)
    assert {point.template.word_bits for point in points} == {16}


def test_metrics_for_some_models_alone_are_refused():
    with pytest.raises(BadConfiguration, match="some models have a metric"):
        search([NARROW, replace(WIDE, metric={})], SPACE)


def test_metrics_for_widths_that_are_not_offered_are_refused():
    with pytest.raises(BadConfiguration, match="at any word width"):
        search([replace(NARROW, metric={4: 0.7})], SPACE)


def test_a_model_that_gives_the_array_nothing_to_do_is_refused():
    with pytest.raises(BadConfiguration, match="'empty'"):
        search([Workload(name="empty", layers=())], SPACE)


def test_an_empty_or_endless_space_is_refused():
    with pytest.raises(BadConfiguration):
        Space(rows=(), columns=(1,))
    with pytest.raises(BadConfiguration):
        Space(rows=tuple(range(1, 1001)), columns=tuple(range(1, 1001)))


def test_figures_say_that_they_are_modelled():
    point = search([NARROW], SPACE)[0]
    found = figures.of_point(point)
    assert set(found) == {Quantity.LATENCY_P50, Quantity.THROUGHPUT, Quantity.ENERGY, Quantity.MEMORY}
    assert {figure.provenance.kind for figure in found.values()} == {ProvenanceKind.MODELLED}
    assert HOROWITZ in found[Quantity.ENERGY].provenance.by
    assert found[Quantity.THROUGHPUT].value * point.latency_ms == pytest.approx(1000)
