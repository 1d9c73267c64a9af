"""Geometry of a panel: one figure of many designs against another, with what nobody knows in a strip of its own.

Panels that share their vertical axis stand side by side: price against latency and energy against latency. They
were preferred over energy as the size of a mark, for areas are judged badly (Cleveland & McGill, "Graphical
perception", J. Am. Stat. Assoc. 79, 1984), and a size can carry neither an interval, nor a limit, nor "unknown". A
design lies at the same height in both panels, and the page lights it up in both.

A design without the horizontal figure is drawn in the strip, in its machine's lane; one without the vertical figure
is left to the table, and counted. Places as in `_charts.py`. Pure.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from edgewise.design import figure_text
from edgewise.design.report._charts import Tick
from edgewise.design.report._forms import Form, Look, form
from edgewise.design.report._labels import CHARACTER, Box, Placed, around, place
from edgewise.design.report._scale import Scale, aligned, fit, number, percent, reaching, ticks
from edgewise.nouns import Limit, Measurement, Quantity

HEIGHT = 320.0
_WIDTHS = {"wide": 480.0, "narrow": 280.0}
_TICKS_NARROW = 4
_RISES = (0.0, *(sign * rise for rise in range(18, 130, 8) for sign in (-1.0, 1.0)))
"""Many labels in little room: finer steps and farther ones than in the scatter."""
_GAP, _STRIP, _LANE, _STRIP_MOST = 0.03, 0.06, 0.055, 0.42
_LOG_FROM = 6.0
"""A horizontal axis that spans less than this factor is linear; latency is logarithmic in any case."""
_REACH, _REACH_LEADER = 3.0, 30.0
"""An interval widens an axis by at most this factor; what is beyond is cut at the plot's edge."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """A design, or a structure, to be drawn: `lead` is its label, "" for none; `lane` its place among the unknown."""

    id: str
    name: str
    figures: Mapping[Quantity, Measurement]
    look: Look
    feasible: bool
    word: str
    lead: str = ""
    ring: str = ""
    lane: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Spot:
    """One design in the panel."""

    id: str
    name: str
    label: str
    look: Look
    form: Form
    feasible: bool
    leads: bool
    ring: str
    x: str
    y: str
    left: str
    right: str
    top: str
    bottom: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    width: str
    x: str
    y: str
    placed: Placed


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """A limit: where its line lies, the side that it excludes, and where its text stands.

    `at` is None where the limit lies outside the plot; `start` and `extent` are of the excluded side, "" where none
    of it is in sight; `down` is the text's base line, in pixels.
    """

    at: str | None
    start: str
    extent: str
    text: str
    anchor: str
    down: str = "-6"


@dataclass(frozen=True, slots=True, kw_only=True)
class Path:
    """Steps along the best of a group, or all there is of it; x runs from 0 to 1000."""

    d: str
    hue: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    title: str
    x_title: str
    y_title: str
    x_log: bool
    y_log: bool
    y_up: bool
    spots: tuple[Spot, ...]
    labels: tuple[Label, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    paths: tuple[Path, ...]
    across: Bound | None
    up: Bound | None
    known: str
    strip: str
    strip_width: str
    linked: bool
    height: float = HEIGHT


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """What is drawn along one side.

    Attributes:
        up: more of it is better.
        log: logarithmic however little it spans.
    """

    quantity: Quantity
    title: str
    limit: Limit | None = None
    limit_text: str = ""
    up: bool = False
    log: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Frame:
    """Both scales of a panel; `known` is the share of the width that the horizontal one takes."""

    x: Axis
    y: Axis
    across: Scale
    upward: Scale
    known: float
    lanes: tuple[int, ...]

    def right(self, item: Item) -> float:
        """Share of the width at which an item lies."""
        figure = item.figures.get(self.x.quantity)
        if figure is not None:
            return self.along(figure.value)
        start = self.known + _GAP if self.known else 0.0
        return start + (1 - start) * (self.lanes.index(item.lane) + 0.5) / len(self.lanes)

    def along(self, value: float) -> float:
        return self.known * self.across.at(value)

    def down(self, value: float) -> float:
        return HEIGHT * (1 - self.upward.at(value))


def panel(
    items: Sequence[Item],
    x: Axis,
    y: Axis,
    *,
    title: str,
    groups: Sequence[tuple[int | None, Sequence[Item]]] = (),
    linked: bool = True,
) -> Panel | None:
    """The panel of all `items` that have a figure for `y`; None where none has.

    Args:
        groups: of each, the steps along its best are drawn; with a hue, or None for the soft line of a frontier.
        linked: the items are designs of the page's table, which the script lights up together with their marks.
    """
    drawn = sorted((item for item in items if y.quantity in item.figures), key=_over)
    if not drawn:
        return None
    frame = _frame(drawn, x, y)
    x_unit, y_unit = _unit(drawn, x.quantity), _unit(drawn, y.quantity)
    unknown = [item for item in drawn if x.quantity not in item.figures]
    start = frame.known + _GAP if frame.known else 0.0
    return Panel(
        title=title, x_title=_named(x.title, x_unit), y_title=_named(y.title, y_unit),
        x_log=frame.across.log, y_log=frame.upward.log, y_up=y.up,
        spots=tuple(_spot(item, frame) for item in drawn), labels=_labels(drawn, frame),
        x_ticks=_x_ticks(frame, x_unit, _base(drawn, x.quantity)) if frame.known else (),
        y_ticks=_y_ticks(frame, y_unit, _base(drawn, y.quantity)),
        paths=tuple(Path(d=d, hue=hue) for hue, group in groups if (d := _steps(group, frame))),
        across=_across(frame) if frame.known else None, up=_up(frame, drawn),
        known=percent(frame.known), strip=percent(start), strip_width=percent(1 - start) if unknown else "",
        linked=linked,
    )  # fmt: skip


def _over(item: Item) -> tuple[bool, bool, bool]:
    """What is drawn over what: leaders last, that nothing hides them."""
    return bool(item.ring), bool(item.lead), item.feasible


def _frame(drawn: Sequence[Item], x: Axis, y: Axis) -> _Frame:
    known = [item for item in drawn if x.quantity in item.figures]
    lanes = tuple(sorted({item.lane for item in drawn if x.quantity not in item.figures}))
    share = 1.0
    if lanes:
        share = 1 - min(_STRIP_MOST, _STRIP + _LANE * len(lanes)) - _GAP if known else 0.0
    return _Frame(x=x, y=y, across=_scale(known, x), upward=_scale(drawn, y), known=share, lanes=lanes)


def _scale(items: Sequence[Item], axis: Axis) -> Scale:
    figures = [(item.figures[axis.quantity], bool(item.lead)) for item in items]
    log = bool(figures) and min(figure.value for figure, _ in figures) > 0 and axis.quantity is not Quantity.METRIC
    values: list[float] = []
    for figure, leads in figures:
        reach = _REACH_LEADER if leads else _REACH
        values.append(figure.value)
        values += [max(figure.low, figure.value / reach), min(figure.high, figure.value * reach)] if log else []
    if not log and values:
        room = (max(values) - min(values)) or max(figure.high - figure.low for figure, _ in figures)
        low, high = min(values) - 1.5 * room, max(values) + 1.5 * room
        values += [max(figure.low, low) for figure, _ in figures] + [min(figure.high, high) for figure, _ in figures]
    held = reaching(values, axis.limit.value if axis.limit else None, log=log)
    return fit(held, log=log and (axis.log or max(held) > _LOG_FROM * min(held)), pad=0.08)


# --- Axes and limits --------------------------------------------------------------------------


def _base(drawn: Sequence[Item], quantity: Quantity) -> str:
    return next((i.figures[quantity].unit for i in drawn if quantity in i.figures), "")


def _unit(drawn: Sequence[Item], quantity: Quantity) -> str:
    values = [item.figures[quantity].value for item in drawn if quantity in item.figures]
    return figure_text.common_unit(values, _base(drawn, quantity))


def _named(title: str, unit: str) -> str:
    return f"{title}, {unit}" if unit else title


def _texts(scale: Scale, unit: str, base: str) -> list[tuple[float, str]]:
    """Round values in `unit`, with their text."""
    factor = figure_text.factor_of(unit, base) if unit else 1.0
    shown = Scale(low=scale.low / factor, high=scale.high / factor, log=scale.log)
    values = ticks(shown)
    written = [figure_text.plain(value, "", digits=2) for value in values] if scale.log else aligned(values)
    return [(value * factor, text) for value, text in zip(values, written, strict=True)]


def _x_ticks(frame: _Frame, unit: str, base: str) -> tuple[Tick, ...]:
    found = [one for one in _texts(frame.across, unit, base) if one[0] >= 0]
    every = -(-len(found) // _TICKS_NARROW)
    return tuple(
        Tick(at=percent(frame.along(value)), text=text, minor=bool(index % every))
        for index, (value, text) in enumerate(found)
    )


def _y_ticks(frame: _Frame, unit: str, base: str) -> tuple[Tick, ...]:
    return tuple(Tick(at=number(frame.down(value)), text=text) for value, text in _texts(frame.upward, unit, base))


def _across(frame: _Frame) -> Bound | None:
    limit, scale = frame.x.limit, frame.across
    if limit is None:
        return None
    at = frame.along(limit.value)
    text = frame.x.limit_text
    if limit.value > scale.high:
        return Bound(at=None, start="", extent="", text=f"{text} →", anchor="end")
    if limit.value < scale.low:
        return Bound(at=None, start="0%", extent=percent(frame.known), text=f"← {text}", anchor="start")
    anchor = "end" if at > 0.35 else "start"
    return Bound(at=percent(at), start=percent(at), extent=percent(frame.known - at), text=text, anchor=anchor)


def _up(frame: _Frame, drawn: Sequence[Item]) -> Bound | None:
    limit, scale, up = frame.y.limit, frame.upward, frame.y.up
    if limit is None:
        return None
    text, at = frame.y.limit_text, frame.down(limit.value)
    beyond, short = limit.value > scale.high, limit.value < scale.low
    if beyond or short:
        nothing_fits = beyond if up else short
        start, extent = ("0", number(HEIGHT)) if nothing_fits else ("", "")
        down, text = (14.0, f"↑ {text}") if beyond else (HEIGHT - 6, f"↓ {text}")
        line = None
    else:
        start, extent = (number(at), number(HEIGHT - at)) if up else ("0", number(at))
        down, line = at + (14 if at < 24 else -5), number(at)
    left = _crowd(frame, drawn, text, down, left=True) < _crowd(frame, drawn, text, down, left=False)
    return Bound(at=line, start=start, extent=extent, text=text, anchor="start" if left else "end", down=number(down))


def _text_box(frame: _Frame, text: str, down: float, width: float, *, left: bool) -> Box:
    """Where the text of the vertical axis's limit lies: at the left end or before the strip."""
    length = CHARACTER * len(text)
    end = length if left else (frame.known or 1.0) * width
    return Box(left=end - length, top=down - 12, right=end, bottom=down + 4)


def _crowd(frame: _Frame, drawn: Sequence[Item], text: str, down: float, *, left: bool) -> float:
    """How much of the marks a limit's text would lie on."""
    width = _WIDTHS["narrow"]
    box = _text_box(frame, text, down, width, left=left)
    return sum(box.overlap(around(frame.right(item) * width, frame.down(_value(item, frame)))) for item in drawn)


# --- Marks ------------------------------------------------------------------------------------


def _spot(item: Item, frame: _Frame) -> Spot:
    figures = item.figures
    high, wide = figures[frame.y.quantity], figures.get(frame.x.quantity)
    x = percent(frame.right(item))
    said = f"{figure_text.show(wide).value} {form(wide).word}" if wide else "unknown"
    return Spot(
        id=item.id, name=item.name, look=item.look, form=form(high), feasible=item.feasible,
        leads=bool(item.lead), ring=item.ring,
        label=f"{item.word}, {frame.y.title} {figure_text.show(high).value} {form(high).word}, {frame.x.title} {said}",
        x=x, y=number(frame.down(high.value)), top=number(frame.down(high.high)), bottom=number(frame.down(high.low)),
        left=percent(frame.along(wide.low)) if wide else x, right=percent(frame.along(wide.high)) if wide else x,
    )  # fmt: skip


def _labels(drawn: Sequence[Item], frame: _Frame) -> tuple[Label, ...]:
    """Placed for the narrowest width of each layout; at greater ones neighbours only move further apart."""
    labels = []
    for layout, width in _WIDTHS.items():
        room = Box(left=0, top=0, right=width, bottom=HEIGHT)
        spots = [(item, frame.right(item) * width, frame.down(_value(item, frame))) for item in drawn]
        marks, texts = [around(x, y) for _, x, y in spots], _limit_text(frame, drawn, width)
        texts += [around(x, y) for item, x, y in spots if item.lead]
        for item, x, y in spots:
            if item.lead:
                placed = place(item.lead, x, y, marks, texts, room, rises=_RISES)
                texts.append(replace(placed.box, top=placed.box.top - 2, bottom=placed.box.bottom + 2))
                labels.append(Label(width=layout, x=percent(x / width), y=number(y), placed=placed))
    return tuple(labels)


def _limit_text(frame: _Frame, drawn: Sequence[Item], width: float) -> list[Box]:
    bound = _up(frame, drawn)
    if bound is None:
        return []
    return [_text_box(frame, bound.text, float(bound.down), width, left=bound.anchor == "start")]


def _value(item: Item, frame: _Frame) -> float:
    figure: Measurement = item.figures[frame.y.quantity]
    return figure.value


def _steps(group: Sequence[Item], frame: _Frame) -> str:
    """Steps through what nothing else of the group beats in both figures; "" below two."""
    sign = -1 if frame.y.up else 1
    known = [item.figures for item in group if frame.x.quantity in item.figures]
    places = sorted(
        (f[frame.x.quantity].value, sign * f[frame.y.quantity].value) for f in known if frame.y.quantity in f
    )
    path, best, count = "", float("inf"), 0
    for value, loss in places:
        if loss < best:
            best = loss
            across, down = number(1000 * frame.along(value)), number(frame.down(sign * loss))
            path += f"H{across}V{down}" if path else f"M{across} {down}"
            count += 1
    return f"{path}H{number(1000 * frame.known)}" if count else ""
