import math

import numpy as np
import pytest

from edgewise.design.estimate.held_out import by_network, by_row, score
from edgewise.design.estimate.hierarchy import Point, fit, parts, shape_of, total
from edgewise.design.estimate.terms import COMPUTE, MEMORY, MachineKind, Term, amounts
from fakes.rooflines import network

SIZES = ((16, 1), (16, 6), (32, 3), (64, 2), (64, 8), (128, 4))


def points(kind, prices, *, machine="m", sizes=SIZES, noise=0.0, seed=0):
    """Rows of a machine whose prices are known."""
    random = np.random.default_rng(seed)
    found = []
    for width, depth in sizes:
        own = amounts(network(width, depth), kind, "int8")
        figure = total(prices, own, overlaps=kind.overlaps) * math.exp(noise * random.standard_normal())
        found.append(Point(series=(machine,), family=("f",), network=f"{width}x{depth}", amounts=own, figure=figure))
    return found


def made(kind, level=-12.0, seed=1):
    shape = shape_of(kind)
    return shape.ratios + level + 0.5 * np.random.default_rng(seed).standard_normal(len(Term)) * shape.wide


@pytest.mark.parametrize("kind", [MachineKind.CPU, MachineKind.EDGE_TPU])
def test_a_machine_is_recovered_from_its_rows(kind):
    rows = points(kind, made(kind))
    prices = fit(rows, shape_of(kind))
    for point in rows:
        assert prices.predict(point.series, point.amounts) == pytest.approx(point.figure, rel=0.1)


def test_a_machine_with_one_row_borrows_its_ratios_from_its_kind():
    kind = MachineKind.CPU
    prices = made(kind)
    others = [row for name in "abc" for row in points(kind, prices, machine=name)]
    slower = points(kind, prices + math.log(3), machine="one")
    found = fit([*others, slower[0]], shape_of(kind))
    for point in slower[1:]:
        assert found.predict(("one",), point.amounts) == pytest.approx(point.figure, rel=0.15)


def test_a_wild_row_does_not_carry_the_others_away():
    kind = MachineKind.CPU
    rows = points(kind, made(kind), sizes=[(width, depth) for width in (16, 32, 64, 128) for depth in (1, 2, 4)])
    wild = Point(
        series=rows[0].series,
        family=rows[0].family,
        network="wild",
        amounts=rows[0].amounts,
        figure=30 * rows[0].figure,
    )
    prices = fit([*rows, wild], shape_of(kind))
    errors = [abs(math.log(prices.predict(row.series, row.amounts) / row.figure)) for row in rows[1:]]
    assert np.median(errors) < 0.15


def test_what_weighs_more_is_believed_more():
    kind = MachineKind.CPU
    rows = points(kind, made(kind))
    measured = [
        Point(series=p.series, family=p.family, network=p.network, amounts=p.amounts, figure=2 * p.figure, weight=25.0)
        for p in rows[:3]
    ]
    prices = fit([*rows, *measured], shape_of(kind))
    for point in measured:
        assert prices.predict(point.series, point.amounts) == pytest.approx(point.figure, rel=0.3)


def test_of_overlapping_work_the_larger_counts():
    own = amounts(network(32, 2), MachineKind.GPU, "int8")
    prices = shape_of(MachineKind.GPU).ratios
    counted, alone = parts(prices, own, overlaps=True), parts(prices, own, overlaps=False)
    larger = np.maximum(alone[:, COMPUTE].sum(axis=1), alone[:, MEMORY].sum(axis=1))
    assert counted[:, (*COMPUTE, *MEMORY)].sum(axis=1) == pytest.approx(larger)


def test_a_network_is_held_out_of_every_machine_and_a_row_of_one():
    kind = MachineKind.CPU
    prices = made(kind)
    rows = [row for name in "ab" for row in points(kind, prices, machine=name, noise=0.05)]
    for hold in (by_network, by_row):
        errors = hold(rows, shape_of(kind))
        assert len(errors) == len(rows)
        assert score(errors).mean < 0.35


def test_a_machine_with_one_network_cannot_be_held_out():
    kind = MachineKind.CPU
    rows = points(kind, made(kind)) + points(kind, made(kind), machine="single", sizes=SIZES[:1])
    assert ("single",) not in {error.series for error in by_row(rows, shape_of(kind))}
