"""The report in a real browser: it stands alone, links its parts, and fits every screen."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from edgewise.design.report import render
from edgewise.nouns import Plan
from fakes import plans
from fakes.several_machines import several_machines_plan, structures

POINT = "a.pt"
SHOWN_ROWS = "tbody tr[data-d]:visible"


class Report:
    """A page on disk, and whatever it did that it must not."""

    def __init__(self, page: "Page", file: Path) -> None:
        self.page, self.file = page, file
        self.complaints: list[str] = []
        page.on("console", lambda message: self.complaints.append(message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("dialog", lambda dialog: self.complaints.append(dialog.message))
        page.on("request", self._request)
        page.goto(file.as_uri())

    def _request(self, request) -> None:
        if request.url != self.file.as_uri():
            self.complaints.append(request.url)


@pytest.fixture
def show(chromium: "Browser", tmp_path: Path) -> Iterator:
    contexts = []

    def opened(plan: Plan, *, width: int = 1400, **settings) -> "Page":
        file = tmp_path / "report.html"
        file.write_text(render([plan], plans.logs_of(plan)), encoding="utf-8")
        context = chromium.new_context(viewport={"width": width, "height": 900}, **settings)
        contexts.append(Report(context.new_page(), file))
        return contexts[-1].page

    yield opened
    for report in contexts:
        report.page.context.close()
        assert report.complaints == []


@pytest.mark.parametrize("width", [380, 900, 1001, 1191, 1400])
@pytest.mark.parametrize("make", [plans.feasible_plan, plans.infeasible_plan, plans.estimated_plan, plans.hostile_plan])
def test_it_fits_every_width_without_a_horizontal_scroll(show, make, width):
    page = show(make(), width=width)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    box = page.locator(".scatter > svg").bounding_box()
    for point in page.locator(POINT).all():
        mark = point.locator("use").last.bounding_box()
        middle = (mark["x"] + mark["width"] / 2, mark["y"] + mark["height"] / 2)
        assert box["x"] - 1 <= middle[0] <= box["x"] + box["width"] + 1
        assert box["y"] - 1 <= middle[1] <= box["y"] + box["height"] + 1


def test_a_point_a_line_and_a_row_open_the_same_detail(show):
    page = show(plans.feasible_plan())
    for selector in (POINT + ".k-runner", "a.ln.k-runner", "tbody tr.k-runner th a"):
        page.locator(selector).dispatch_event("click")
        drawer = page.locator("dialog[open]")
        text = drawer.inner_text()
        for part in ("int8 NNCF mixed, OpenVINO, 2 threads", "quantize-nncf", "measured on this", "finished int8 NNCF"):
            assert part in text
        page.wait_for_url("**#p0-d1")
        page.keyboard.press("Escape")
        drawer.wait_for(state="detached")


def test_a_point_is_reached_with_the_mouse(show):
    page = show(plans.feasible_plan())
    page.locator(POINT + ".k-chosen use").last.click()
    assert "★" in page.locator("dialog[open] .mark").inner_text()


def test_an_address_with_a_design_opens_it_and_back_closes_it(show):
    page = show(plans.feasible_plan())
    page.locator("tbody tr.k-runner th a").click()
    page.get_by_role("button", name="Next design").click()
    page.wait_for_url("**#p0-d2")
    page.go_back()
    expect(page.locator("dialog[open]")).to_have_count(0)
    page.goto(page.url.partition("#")[0] + "#p0-d3")
    page.reload()
    expect(page.locator("dialog[open]")).to_have_count(1)


def test_dragging_along_an_axis_dims_rows_points_and_lines(show):
    page = show(plans.feasible_plan())
    grab = page.locator(".axis .grab").nth(2)
    grab.scroll_into_view_if_needed()
    box = grab.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"]
    page.mouse.move(x, y + 10)
    page.mouse.down()
    page.mouse.move(x, y + 120, steps=4)
    page.mouse.up()
    dimmed = page.locator("tr.dim").count()
    assert 0 < dimmed < 21
    assert page.locator("a.pt.dim").count() == page.locator("a.ln.dim").count() > 0
    assert "Memory from" in page.locator(".brushed").inner_text()
    page.get_by_role("button", name="Clear").click()
    expect(page.locator(".dim")).to_have_count(0)


def test_an_axis_is_brushed_with_the_keyboard(show):
    page = show(plans.feasible_plan())
    worst = page.get_by_role("slider", name="p99, worst value let through")
    worst.focus()
    for _ in range(4):
        page.keyboard.press("PageUp")
    assert page.locator("tr.dim").count() > 0
    assert "µs" in worst.get_attribute("aria-valuetext")
    page.keyboard.press("Escape")
    expect(page.locator("tr.dim")).to_have_count(0)


def test_columns_are_sorted_with_missing_figures_last(show):
    page = show(plans.feasible_plan())

    def column() -> list[str]:
        return page.locator("tbody tr[data-d] td:nth-child(7)").all_inner_texts()

    given = column()
    page.get_by_role("button", name="p99").click()
    up = [float(text.replace(",", "")) for text in column() if text != "–"]
    assert up == sorted(up)
    assert column()[-1] == "–"
    expect(page.locator("th[aria-sort=ascending]")).to_have_count(1)
    page.get_by_role("button", name="p99").click()
    down = [float(text.replace(",", "")) for text in column() if text != "–"]
    assert down == sorted(down, reverse=True)
    assert column()[-1] == "–"
    page.get_by_role("button", name="p99").click()
    assert column() == given


def test_rows_are_filtered_by_words_and_by_feasibility(show):
    page = show(plans.feasible_plan())
    page.get_by_role("searchbox").fill("litert int8")
    expect(page.locator(SHOWN_ROWS)).to_have_count(4)
    assert "4 of 21" in page.locator(".count").inner_text()
    page.get_by_role("searchbox").fill("")
    page.get_by_label("Feasible only").check()
    expect(page.locator(SHOWN_ROWS)).to_have_count(9)
    expect(page.locator("a.pt:not(.dim)")).to_have_count(9)


def test_a_row_under_the_pointer_marks_its_point_and_line(show):
    page = show(plans.feasible_plan())
    page.locator("tbody tr.k-runner").hover()
    assert page.locator("a.pt.on.k-runner").count() == page.locator("a.ln.on.k-runner").count() == 1
    page.locator("tbody tr.k-chosen th a").focus()
    assert page.locator("a.pt.on").get_attribute("data-d") == "p0-d0"


def test_points_are_walked_with_the_arrow_keys(show):
    page = show(plans.feasible_plan())
    expect(page.locator("a.pt[tabindex='0']")).to_have_count(1)
    page.locator("a.pt[tabindex='0']").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    expect(page.locator("dialog[open]")).to_have_count(1)


@pytest.mark.parametrize("width", [380, 1400])
@pytest.mark.parametrize("make", [plans.feasible_plan, plans.estimated_plan, plans.large_plan])
def test_labels_of_the_scatter_do_not_touch(show, make, width):
    page = show(make(), width=width)
    boxes = [label.bounding_box() for label in page.locator(".label text:visible").all()]
    assert len(boxes) == 3
    assert all(apart(one, other) for index, one in enumerate(boxes) for other in boxes[index + 1 :])


def apart(one: dict, other: dict, *, halo: float = 3.5) -> bool:
    """True where two texts share no point, the halo around each left aside."""

    def beside(start: str, size: str) -> bool:
        first, second = sorted((one, other), key=lambda box: box[start])
        return first[start] + first[size] - halo <= second[start]

    return beside("x", "width") or beside("y", "height")


def everything() -> Plan:
    """Several machines, configurations, advice and structures on one page."""
    return replace(several_machines_plan(), trials=structures())


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1030, 1280])
def test_machines_side_by_side_fit_every_width(show, width, scheme):
    page = show(everything(), width=width, color_scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for plot in page.locator(".panel > svg").all():
        box = plot.bounding_box()
        for mark in plot.locator("a use").all():
            at = mark.bounding_box()
            middle = (at["x"] + at["width"] / 2, at["y"] + at["height"] / 2)
            assert box["x"] - 1 <= middle[0] <= box["x"] + box["width"] + 1
            assert box["y"] - 1 <= middle[1] <= box["y"] + box["height"] + 1


@pytest.mark.parametrize("width", [390, 1280])
def test_labels_of_machines_do_not_touch_each_other_or_leave_the_page(show, width):
    page = show(everything(), width=width)
    for plot in page.locator(".panel").all():
        boxes = [label.bounding_box() for label in plot.locator(".label text:visible").all()]
        assert boxes
        assert all(box["x"] >= 0 and box["x"] + box["width"] <= width for box in boxes)
        assert all(apart(one, other) for index, one in enumerate(boxes) for other in boxes[index + 1 :])


def test_a_mark_of_a_machine_opens_its_design_and_lights_up_in_both_panels(show):
    page = show(everything())
    mark = page.locator(".machines a.pt.lead").first
    name = mark.get_attribute("data-d")
    mark.dispatch_event("pointerover")
    expect(page.locator(f".machines a.pt.on[data-d='{name}']")).to_have_count(2)
    mark.dispatch_event("click")
    page.wait_for_url("**#" + name)
    expect(page.locator("dialog[open]")).to_have_count(1)
    page.keyboard.press("Escape")
    page.locator(".compared .what a").first.click()
    expect(page.locator("dialog[open]")).to_have_count(1)


def test_each_panel_is_one_stop_of_the_tab_key(show):
    page = show(everything())
    for plot in page.locator(".machines .panel").all():
        expect(plot.locator("a.pt[tabindex='0']")).to_have_count(1)


def test_structures_are_hovered_and_followed_to_their_row(show):
    page = show(everything())
    one = page.locator(".trials a.one").first
    one.hover(force=True)
    one.dispatch_event("click")
    expect(page.locator("dialog[open]")).to_have_count(0)
    expect(page.locator(one.get_attribute("href"))).to_have_count(1)


TEXTS = ["body", ".lead", ".small", ".strip dd", ".note", ".badge.k-fits", ".badge.k-misses", ".badge.k-none", "h1 a"]
CONTRAST = """(selectors) => {
  const parse = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((v) => v / 255)
    .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const back = light(parse(getComputedStyle(document.body).backgroundColor));
  return selectors
    .map((selector) => light(parse(getComputedStyle(document.querySelector(selector)).color)))
    .map((front) => (Math.max(front, back) + 0.05) / (Math.min(front, back) + 0.05));
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_keeps_a_contrast_of_4_5_in_both_schemes(show, scheme):
    page = show(plans.feasible_plan(), color_scheme=scheme)
    assert min(page.evaluate(CONTRAST, TEXTS)) >= 4.5
    background = page.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)")
    assert (max(background) < 60) == (scheme == "dark")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_hues_of_machines_keep_a_contrast_of_3_in_both_schemes(show, scheme):
    page = show(everything(), color_scheme=scheme)
    selectors = [f".compared .key.hue{number}" for number in range(7)] + [".compared td", ".rankings li", ".faster"]
    assert min(page.evaluate(CONTRAST, selectors)) >= 3


def test_it_says_everything_without_javascript(show):
    page = show(plans.feasible_plan(), java_script_enabled=False)
    expect(page.locator("details")).to_have_count(21)
    expect(page.locator(POINT)).to_have_count(15)
    page.locator("details summary").first.click()
    assert "finished int8 NNCF" in page.locator("details[open]").inner_text()
    assert page.locator(".tools").is_hidden()
