"""Machines and configurations side by side: what the page says, draws and never drops."""

import re
from dataclasses import replace

import pytest

from edgewise.design.report import render
from edgewise.design.report._configurations import is_default
from edgewise.design.report._forms import FORMS, look
from edgewise.design.report._panels import HEIGHT, Axis, Item, panel
from edgewise.nouns import Design, Measurement, Plan, ProvenanceKind, Quantity
from fakes import plans
from fakes.pages import Tags, page_of, words
from fakes.several_machines import DECLARED, compiled, several_machines_plan, structures


def part(page: str, name: str) -> str:
    """The section of class `name`."""
    found = re.search(rf'<section class="{name}".*?(?=<section class="(?:advice|configured|designs|machines)"|<div class="charts">)', page, re.DOTALL)  # fmt: skip  # noqa: E501
    assert found, name
    return found[0]


def without(plan: Plan, *quantities: Quantity) -> Plan:
    """The same plan with those figures missing everywhere."""

    def bare(design: Design) -> Design:
        return replace(design, figures={q: f for q, f in design.figures.items() if q not in quantities})

    return replace(plan, verdicts=tuple(replace(v, design=bare(v.design)) for v in plan.verdicts))


def test_a_plan_for_one_machine_has_none_of_it():
    page = page_of(plans.feasible_plan())
    for name in ("machines", "configured", "advice", "trials"):
        assert f'<section class="{name}"' not in page
    assert "--hue0" not in page


def test_every_machine_is_there_with_its_best_design_or_the_reason():
    plan = several_machines_plan()
    text = words(part(page_of(plan), "machines"))
    for machine in plan.machines:
        assert machine.title in text
    assert plan.choice in text
    assert "its compiler is not here, and nothing is published for this network" in text
    assert "price: no figure, 200 USD allowed" in text


def test_every_provenance_has_a_form_and_the_legend_says_which():
    section = part(page_of(several_machines_plan()), "machines")
    drawn = set(re.findall(r"\bf-(\w+)", section))
    assert drawn == {kind.value for kind in ProvenanceKind}
    for form in FORMS.values():
        assert form.word in words(section)
    assert len({(form.inside, form.kind == "measured") for form in FORMS.values()}) == len(FORMS)


def test_each_design_with_a_latency_is_in_both_panels_known_or_not():
    plan = several_machines_plan()
    section = part(page_of(plan), "machines")
    timed = [v for v in plan.verdicts if Quantity.LATENCY_P50 in v.design.figures]
    points = [a["data-d"] for a in Tags(section).having(class_="pt")]
    assert len(points) == 2 * len(timed)
    assert all(points.count(one) == 2 for one in points)
    unknown = sum(Quantity.ENERGY not in v.design.figures for v in timed)
    assert len(re.findall(r'aria-label="[^"]*Energy per inference unknown"', section)) == unknown > 0
    assert f"{len(plan.verdicts) - len(timed)} designs have no latency" in words(section)


def test_overlap_is_said_and_no_metric_is_ranked_that_cannot_be():
    text = words(part(page_of(several_machines_plan()), "machines"))
    assert "cannot be told apart" in text
    assert "No two of these 8 machines can be told apart" in text
    assert "Not known for coral-dev-board and arm-corstone-300-u55" in text


def test_bars_of_a_column_share_a_scale():
    """The two machines whose intervals overlap do so in the picture too, and those that lie apart do not."""
    section = part(page_of(several_machines_plan()), "machines")
    spans = {}
    for row in re.findall(r"<tr><th.*?</tr>", section, re.DOTALL):
        name = re.search(r"<small><bdi>([\w-]+)", row)
        bar = re.search(r'data-l="Latency p50".*?class="span" x1="([\d.]+)%" x2="([\d.]+)%"', row, re.DOTALL)
        if name and bar:
            spans[name[1]] = (float(bar[1]), float(bar[2]))
    jetson, alif, here = spans["jetson-orin-nano"], spans["alif-ensemble-e3"], spans["this"]
    assert jetson[0] <= alif[1]
    assert alif[0] <= jetson[1]
    assert here[1] < alif[0]


@pytest.mark.parametrize(
    "missing",
    [
        (Quantity.PRICE,), (Quantity.ENERGY,), (Quantity.PRICE, Quantity.ENERGY), (Quantity.MEMORY,),
        (Quantity.LATENCY_P99,), (Quantity.METRIC,), (Quantity.METRIC, Quantity.DROP, Quantity.MEMORY, Quantity.FLASH),
    ],
)  # fmt: skip
def test_no_missing_figure_breaks_the_page(missing):
    plan = without(several_machines_plan(), *missing)
    text = words(render([plan], {}))
    assert "Machine by machine" in text
    if Quantity.PRICE in missing:
        assert "The price of no machine is known" in text


def test_nothing_timed_anywhere_is_no_reason_to_fail():
    latencies = [q for q in Quantity if q.value.startswith("latency")]
    plan = replace(without(several_machines_plan(), *latencies), choice=None, runner_up=None)
    assert words(render([plan], {})).count("No latency is known") == len(plan.machines)


def test_configurations_have_a_line_for_each_size_and_the_default_of_vela_is_ringed():
    section = part(page_of(several_machines_plan()), "configured")
    text = words(section)
    assert "Ethos-U55 in arm-corstone-300-u55" in text
    for size in (32, 64, 128, 256):
        assert f"{size} MACs" in text
    first = section.partition("</figure>")[0]
    assert first.count('class="size') == 8  # four lines, four keys
    assert first.count('class="ring" cx') == 4
    assert "Sram_Only" in text
    assert "Vela’s own default" in text


def test_the_default_of_vela_is_known_by_all_its_settings():
    assert is_default(compiled("m", 128, "Shared_Sram", ms=1, kib=50))
    assert not is_default(compiled("m", 128, "Sram_Only", ms=1, kib=50))
    assert not is_default(compiled("m", 128, "Shared_Sram", ms=1, kib=50, strategy="Size"))
    assert not is_default(compiled("m", 128, "Shared_Sram", ms=1, kib=50, arena_limit_bytes="41488"))
    assert not is_default(compiled("m", 128, "Shared_Sram", ms=1, kib=50, disabled="Cascading"))
    assert not is_default(compiled("m", 100, "Shared_Sram", ms=1, kib=50))


def test_configurations_without_a_figure_for_sram_are_counted():
    plan = several_machines_plan()
    first = next(v for v in plan.verdicts if v.design.machine == "arm-corstone-300-u55")
    bare = without(replace(plan, verdicts=(first,)), Quantity.MEMORY).verdicts[0]
    plan = replace(plan, verdicts=tuple(bare if v is first else v for v in plan.verdicts))
    assert "1 design without a figure for SRAM is not drawn" in words(page_of(plan))


def test_advice_says_what_binds_the_move_and_the_speed_up():
    plan = several_machines_plan()
    text = words(part(page_of(plan), "advice"))
    for one in plan.advice:
        assert one.design in text
        assert one.binds_sentence in text
    assert "1.35 times as fast" in text
    assert "No single move is known" in text


def test_structures_are_listed_and_the_trained_ones_drawn():
    page = page_of(replace(several_machines_plan(), trials=structures()))
    text = words(part(page, "trials"))
    for trial in structures():
        assert trial.name in text
        assert trial.failure in text
    assert "6 tried, 3 trained" in text
    assert len(Tags(page).having(class_="one")) == 3
    rows = {a["id"] for tag, a in Tags(page).found if tag == "tr" and "id" in a}
    assert {(a["href"] or "")[1:] for a in Tags(page).having(class_="one")} <= rows


def test_nothing_is_loaded_ids_are_unique_and_sameness_holds():
    plan = replace(several_machines_plan(), trials=structures())
    page = render([plan, plan], {})
    assert page == render([plan, plan], {})
    assert not re.search(r"url\(|@import|<(?:link|iframe|img|object|embed|base)\b", page)
    identities = [a["id"] for _, a in Tags(page).found if "id" in a and a["id"] != "cap"]
    assert len(set(identities)) == len(identities)


def test_hostile_names_of_machines_stay_text():
    plan = several_machines_plan()
    machines = tuple(replace(machine, title=plans.HOSTILE, name=machine.name) for machine in plan.machines)
    advice = tuple(replace(one, design=plans.HOSTILE, binds_sentence=plans.HOSTILE) for one in plan.advice)
    page = render([replace(plan, machines=machines, advice=advice)], {})
    assert page.count("</script") == 1
    assert "<img" not in page


# --- Panels -------------------------------------------------------------------------------------


def item(name: str, ms: float, usd: float | None = None, *, low: float | None = None) -> Item:
    latency = Measurement(value=ms, low=low or ms, high=ms * 2 - (low or ms), unit="ms", n=1, provenance=DECLARED)
    figures = {Quantity.LATENCY_P50: latency}
    if usd is not None:
        figures[Quantity.PRICE] = Measurement.exact(usd, "USD", DECLARED)
    return Item(id=name, name=name, figures=figures, look=look(0), feasible=True, word="fits")


PRICE = Axis(quantity=Quantity.PRICE, title="Price")
LATENCY = Axis(quantity=Quantity.LATENCY_P50, title="Latency", log=True)


def test_what_nobody_knows_lies_beyond_all_that_is_known():
    made = panel([item("a", 1, 10), item("b", 2, 300), item("c", 3)], PRICE, LATENCY, title="")
    assert made is not None
    at = {spot.name: float(spot.x.rstrip("%")) for spot in made.spots}
    assert at["a"] < at["b"] <= float(made.known.rstrip("%")) < float(made.strip.rstrip("%")) < at["c"] <= 100


def test_a_panel_of_unknowns_is_a_strip_alone_and_none_of_nothing():
    made = panel([item("a", 1), item("b", 2)], PRICE, LATENCY, title="")
    assert made is not None
    assert (made.known, made.strip, made.x_ticks) == ("0%", "0%", ())
    assert panel([], PRICE, LATENCY, title="") is None


def test_the_side_beyond_a_limit_is_shaded():
    limits = {limit.quantity: limit for limit in several_machines_plan().site.budget.limits}
    price, time = limits[Quantity.PRICE], limits[Quantity.LATENCY_P99]
    made = panel(
        [item("a", 0.5, 100), item("b", 2, 300)],
        replace(PRICE, limit=price, limit_text="x"), replace(LATENCY, limit=time, limit_text="y"), title="",
    )  # fmt: skip
    assert made is not None
    assert made.across is not None
    assert made.up is not None
    a, b = made.spots[0], made.spots[1]
    edge = float(made.across.start.rstrip("%"))
    assert float(a.x.rstrip("%")) < edge < float(b.x.rstrip("%"))
    assert float(b.y) < float(made.up.extent) < float(a.y) < HEIGHT


def test_a_limit_that_nothing_meets_shades_all():
    limit = several_machines_plan().site.budget.limits[0]
    made = panel([item("a", 1e4), item("b", 2e4)], PRICE, replace(LATENCY, limit=limit, limit_text="y"), title="")
    assert made is not None
    assert made.up is not None
    assert (made.up.at, made.up.start, made.up.extent) == (None, "0", "320")
