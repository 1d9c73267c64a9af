"""The fleet's page: every machine with what fills it, the same bytes each time, nothing from outside let in."""

import re
from dataclasses import replace

from edgewise.design.report.fleet import render_fleet, rows
from fakes.fleets import feasible_fleet, fleet_plan, infeasible_fleet, member, owned

HOSTILE = "</title><script>alert(1)</script>"


def test_every_machine_and_model_is_there_and_bars_are_as_full_as_the_machine():
    plan = feasible_fleet()
    page = render_fleet(plan)
    for placement in plan.placements:
        assert placement.model in page
        assert placement.design in page
    for row, usage in zip(rows(plan), plan.usages, strict=True):
        assert row.name in page
        (bar,) = row.bars
        assert abs(sum(filling.width for filling in bar.fillings) - 100 * (usage.other + usage.planned["cpu"])) < 0.01
        for one, following in zip(bar.fillings, bar.fillings[1:], strict=False):
            assert abs(one.start + one.width - following.start) < 0.01
    assert "gap 0 %" in page
    assert "Buy 1 <bdi>coral-dev-board</bdi>" in page


def test_the_same_plan_gives_the_same_bytes_and_asks_for_nothing():
    plan = feasible_fleet()
    page = render_fleet(plan)
    assert page == render_fleet(plan)
    assert not re.search(r"(src|href)=|url\(|@import|<script", page)


def test_no_room_says_what_would_help():
    page = render_fleet(infeasible_fleet())
    assert "There is no room" in page
    assert "replicas: 3" in page


def test_names_cannot_break_out():
    plan = fleet_plan([owned()], [member(HOSTILE, 1)])
    page = render_fleet(replace(plan, why=(*plan.why, HOSTILE)))
    assert "<script" not in page
    assert "alert(1)" in page


def test_hundreds_of_machines_that_are_alike_make_one_row():
    plan = fleet_plan([owned(count=400)], [member("a", 40_000, replicas=400)])
    assert [row.name for row in rows(plan)] == ["gateway 1 to 400"]
    assert len(render_fleet(plan)) < 20_000
