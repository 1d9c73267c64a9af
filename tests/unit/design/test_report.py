"""The report says everything, keeps its size, repeats its bytes and lets nothing in from outside."""

import re
from dataclasses import replace
from html import unescape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgewise.design import figure_text as figures
from edgewise.design.report import render
from edgewise.design.report._labels import Box, around, place
from edgewise.design.report._scale import Scale, fit, ticks
from edgewise.design.report._text import clean_log, newest, page_bytes
from edgewise.nouns import Measurement, Metric, Plan, Provenance, ProvenanceKind, Quantity
from fakes import plans
from fakes.pages import Tags, page_of, words

_SOURCE = Provenance(kind=ProvenanceKind.MEASURED, by="this")


def figure(value: float, low: float, high: float, unit: str = "ms", spread: float | None = None) -> Measurement:
    return Measurement(value=value, low=low, high=high, unit=unit, n=9, provenance=_SOURCE, spread=spread)


# --- What it says -------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [plans.feasible_plan, plans.infeasible_plan, plans.estimated_plan])
def test_every_design_is_there_with_its_reason_and_its_detail(make):
    plan = make()
    page = page_of(plan)
    tags, text = Tags(page), words(page)
    rows = [a["data-d"] for tag, a in tags.found if tag == "tr" and "data-d" in a]
    assert rows == [a["id"] for tag, a in tags.found if tag == "details"]
    assert len(rows) == len(plan.verdicts)
    for verdict in plan.verdicts:
        assert verdict.design.name in text
        assert verdict.reason in text
        assert all(found.sentence in text for found in verdict.findings)
        assert all(caveat in text for caveat in verdict.design.caveats)
        assert "last line: finished " + verdict.design.recipe.name in text


def test_the_answer_comes_first():
    plan = plans.feasible_plan()
    text = words(page_of(plan).partition("</header>")[0])
    for part in (plan.choice, plan.runner_up, *plan.why, "71.2 µs at the median", "98 µs at p99", "accuracy 0.969"):
        assert part in text
    assert "58.2 MiB of memory and 41.3 KiB of flash" in text


def test_what_would_fit_is_said_where_nothing_does():
    plan = plans.infeasible_plan()
    text = words(page_of(plan).partition("</header>")[0])
    assert "Nothing fits the budget" in text
    assert plan.relaxations
    assert all(one.sentence in text for one in plan.relaxations)
    assert "0.0099" in text
    alone = words(render([replace(plan, relaxations=())], {}))
    assert "No change of a single limit" in alone


def test_designs_that_were_never_timed_are_counted_beside_the_scatter():
    plan = plans.feasible_plan()
    page = page_of(plan)
    timed = [v for v in plan.verdicts if Quantity.LATENCY_P50 in v.design.figures]
    assert len(Tags(page).having(class_="pt")) == len(timed) == len(Tags(page).having(class_="ln"))
    assert f"{len(plan.verdicts) - len(timed)} designs were never timed" in words(page)
    never = replace(plan, verdicts=tuple(v for v in plan.verdicts if v not in timed), choice=None, runner_up=None)
    assert "nothing to draw" in words(render([never], {}))


def test_estimated_marks_differ_from_measured_ones():
    def marks(plan: Plan) -> set[str]:
        return set(re.findall(r'<use href="#([me])" x="', page_of(plan)))

    assert marks(plans.feasible_plan()) == {"m"}
    assert marks(plans.estimated_plan()) == {"m", "e"}
    text = words(page_of(plans.estimated_plan()))
    for source in ("estimated, calibrated on nearest", "reported by the compiler vela", "published by", "declared in"):
        assert source in text


def test_no_verdict_and_no_mark_relies_on_colour_alone():
    page = page_of(plans.feasible_plan())
    badges = re.findall(r'<span class="badge[^"]*"><i aria-hidden="true">(.)</i>([a-z -]+)</span>', page)
    assert len(badges) == len(plans.feasible_plan().verdicts)
    assert {word for _, word in badges} == {"chosen", "runner-up", "fits", "misses", "failed", "not applicable"}


def test_axes_for_energy_and_price_appear_with_their_figures():
    def axes(plan: Plan) -> list[str | None]:
        return [a["data-title"] for a in Tags(page_of(plan)).having(class_="axis")]

    assert axes(plans.feasible_plan()) == ["p99", "accuracy", "Memory", "Flash"]
    assert axes(plans.estimated_plan()) == ["p99", "accuracy", "Memory", "Flash", "Energy", "Price"]


def test_an_error_metric_is_better_when_lower():
    plan = plans.feasible_plan()
    page = render([replace(plan, metric=Metric(name="mae", higher_is_better=False, against="labels"))], {})
    assert "mae ↓ better" in words(page)
    assert "≤ 0.982" in words(page)


def test_a_plan_without_a_budget_or_with_a_single_design_is_drawn():
    plan = plans.feasible_plan()
    free = replace(plan, site=replace(plan.site, budget=plans.Budget()))
    assert "no limits asked for" in render([free], {})
    first = plan.verdicts[:1]
    assert "No other design fits" in render([replace(plan, verdicts=first, runner_up=None)], {})
    assert "Edgewise plan" in render([], {})


def test_several_sites_share_one_page():
    both = [plans.feasible_plan(), plans.infeasible_plan()]
    tags = Tags(render(both, plans.logs_of(both[0])))
    identities = [a["id"] for _, a in tags.found if "id" in a]
    assert len(tags.having(class_="plan")) == 2
    assert {"p0", "p1"} <= set(identities)
    assert len({i for i in identities if i != "cap"}) == len([i for i in identities if i != "cap"])


# --- What it keeps out --------------------------------------------------------------------------


def test_nothing_is_loaded_from_the_network():
    page = page_of(plans.estimated_plan())
    links = [v for _, a in Tags(page).found for k, v in a.items() if k in ("src", "href", "xlink:href", "action")]
    assert links
    assert all(link.startswith("#") for link in links)
    assert not re.search(r"url\(|@import|<(?:link|iframe|img|object|embed|base)\b", page)
    policy = next(a["content"] for tag, a in Tags(page).found if a.get("http-equiv") == "Content-Security-Policy")
    assert policy == "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:"


def test_hostile_names_stay_text():
    page = page_of(plans.hostile_plan())
    tags = Tags(page)
    assert len([tag for tag, _ in tags.found if tag == "script"]) == 1
    assert page.count("</script") == 1
    assert not [tag for tag, _ in tags.found if tag == "img"]
    assert not [k for _, a in tags.found for k in a if k.startswith("on")]
    assert plans.HOSTILE in unescape(page)
    assert not re.search("[\x00-\x08\x0b-\x1f\u202a-\u202e]", page)


def test_lone_surrogates_can_be_written_to_a_file():
    plan = plans.feasible_plan()
    name = plan.verdicts[0].design.log
    page = render([plan], {name: "caf\udce9 \x1b[31mred\x1b[0m 10%\r 100%"})
    assert "caf\ufffd red 10%" not in page.encode().decode()
    assert " 100%" in page


# --- Size and sameness --------------------------------------------------------------------------


def test_sixty_designs_with_long_logs_stay_below_300_kb_and_say_what_is_cut():
    plan = plans.large_plan(60)
    page = render([plan], plans.logs_of(plan, lines=5000))
    assert len(page.encode()) < 300_000
    assert page.count("last line: finished") == 60
    assert "earlier lines are left out" in page


def test_markup_in_logs_does_not_break_the_size():
    plan = plans.large_plan(60)
    logs = dict.fromkeys(plans.logs_of(plan), "<&\"'>é" * 50_000)
    assert len(render([plan], logs).encode()) < 300_000


def test_same_plan_same_bytes_whatever_the_order_of_mappings():
    plan = plans.feasible_plan()

    def turned(mapping):
        return dict(reversed(mapping.items()))

    verdicts = []
    for verdict in plan.verdicts:
        design = verdict.design
        recipe = replace(design.recipe, settings=turned(design.recipe.settings))
        configuration = replace(design.configuration, options=turned(design.configuration.options))
        design = replace(design, recipe=recipe, configuration=configuration, figures=turned(design.figures))
        verdicts.append(replace(verdict, design=design))
    conditions = replace(plan.conditions, versions=turned(plan.conditions.versions))
    other = replace(plan, verdicts=tuple(verdicts), conditions=conditions, not_planned=turned(plan.not_planned))
    assert render([plan], plans.logs_of(plan)) == render([other], turned(plans.logs_of(plan)))


@given(st.text(), st.integers(0, 400))
def test_the_newest_end_fits_its_room(text, room):
    kept, left_out = newest(text, room)
    assert page_bytes(kept) <= room + 8
    assert 0 <= left_out <= text.count("\n") + 1
    if left_out == 0 and not kept.startswith("…"):
        assert kept == text


def test_a_log_is_shown_as_a_terminal_would_have_left_it():
    assert clean_log("\x1b[1;31merror\x1b[0m\r\n10%\r50%\r100%\n\x00\n") == "error\n100%\n\ufffd"


# --- Figures, scales and labels ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given_", "value", "interval"),
    [
        (figure(0.30512, 0.3012, 0.3091), "305 µs", "301–309"),
        (figure(1.02, 0.98, 1.06), "1.02 ms", "0.98–1.06"),
        (figure(98.4, 93.5, 103.3), "98 ms", "94–103"),
        (figure(13342.7, 13061.8, 13623.6, "/s"), "13,340 /s", "13,060–13,620"),
        (figure(0.0028, -0.0011, 0.0067, ""), "0.003", "−0.001 to 0.007"),
        (figure(-0.0002, -0.004, 0.0036, ""), "0.000", "−0.004 to 0.004"),
        (figure(7.9, 0.91, 804), "7.9 ms", "0.91–800"),
        (figure(64 * 2**20, 64 * 2**20, 64 * 2**20, "B"), "64.0 MiB", ""),
        (figure(0, 0, 0, ""), "0", ""),
    ],
)
def test_a_figure_has_the_digits_that_its_interval_supports(given_, value, interval):
    shown = figures.show(given_)
    assert shown.value.replace("\u00a0", " ") == value
    assert shown.interval == interval


def test_limits_have_no_trailing_zeros():
    assert figures.plain(10, "ms").replace("\u00a0", " ") == "10 ms"
    assert figures.plain(100 * 2**20, "B").replace("\u00a0", " ") == "100 MiB"
    assert figures.plain(0.01, "") == "0.01"


@given(
    st.floats(1e-9, 1e12).flatmap(lambda low: st.tuples(st.just(low), st.floats(low, low * 1e6))),
    st.booleans(),
)
def test_every_axis_has_round_ticks_within_its_ends(ends, log):
    scale = fit(list(ends), log=log)
    found = ticks(scale)
    assert 2 <= len(found) <= 12
    assert found == sorted(set(found))
    assert all(0 <= scale.at(tick) <= 1 for tick in found)
    assert scale.at(ends[0]) <= scale.at(ends[1])


def test_a_logarithmic_axis_has_ticks_at_one_two_five():
    assert ticks(Scale(low=0.9, high=120, log=True)) == [1, 3, 10, 30, 100]
    assert ticks(Scale(low=0.09, high=1.2, log=True)) == [0.1, 0.2, 0.5, 1]


def test_labels_go_where_nothing_lies():
    frame = Box(left=0, top=0, right=300, bottom=200)
    taken = [around(100, 100), around(130, 100)]
    placed = place("chosen", 100, 100, taken, [], frame)
    assert all(placed.box.overlap(other) == 0 for other in taken)
    edge = place("reference", 295, 100, [around(295, 100)], [placed.box], frame)
    assert edge.side == -1
