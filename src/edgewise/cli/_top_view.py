"""How a server looks that is watched: a line about it and a table of its models, drawn in place on a terminal."""

import contextlib
import datetime
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import cast

from rich.console import Group, RenderableType
from rich.live import Live
from rich.text import Text

from edgewise.cli import output as printing
from edgewise.cli._figures import count, plain, value
from edgewise.cli._say import clean, note
from edgewise.cli.config import Output
from edgewise.cli.output import Column, Json
from edgewise.edge.top.figures import Figures, ModelFigures
from edgewise.edge.top.source import Gone, Source
from edgewise.edge.top.watch import Watch
from edgewise.errors import NoMetrics

_START = "is it running, and is this its REST address?"


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What is shown: the figures of the last look that succeeded, and why the one after it did not, if it did not."""

    address: str
    figures: Figures | None = None
    gone: str = ""
    gone_at: str = ""


def once(source: Source, every_s: float, output: Output) -> None:
    """Print what the server does within `every_s` from now.

    Raises:
        NoMetrics: it does not answer, or has none.
    """
    try:
        watched = Watch(source)
        time.sleep(every_s)
        seen = Seen(address=source.title, figures=watched.look())
    except Gone as why:
        raise NoMetrics(f"{source.title} does not answer: {why}", hint=_START) from why
    _print(seen, output)


def again_and_again(
    source: Source,
    every_s: float,
    output: Output,
    *,
    until: Callable[[], bool] = lambda: False,
    wait: Callable[[float], None] = time.sleep,
) -> None:
    """Show what the server does, every `every_s`, until `until` or Ctrl-C; one that goes away is waited for.

    Raises:
        NoMetrics: it does not answer at the first look, or what answers has none.
    """
    with contextlib.suppress(KeyboardInterrupt):
        try:
            watched = Watch(source)
        except Gone as why:
            raise NoMetrics(f"{source.title} does not answer: {why}", hint=_START) from why
        seen = Seen(address=source.title)
        with _shower(output) as show:
            show(seen)
            while not until():
                wait(every_s)
                seen = _next(watched, seen)
                show(seen)


def _next(watched: Watch, seen: Seen) -> Seen:
    """What is to be shown after `seen`."""
    try:
        return Seen(address=seen.address, figures=watched.look())
    except Gone as why:
        at = seen.gone_at or _clock(time.time())
        return Seen(address=seen.address, figures=seen.figures, gone=str(why), gone_at=at)


@contextlib.contextmanager
def _shower(output: Output) -> Iterator[Callable[[Seen], None]]:
    screen = printing.console()
    if output not in (Output.TABLE, Output.WIDE) or not screen.is_terminal:
        yield _Printer(output)
        return
    with Live(console=screen, auto_refresh=False) as live:
        yield lambda seen: live.update(drawing(seen, screen.width, wide=output is Output.WIDE), refresh=True)


class _Printer:
    """One table, or document, after the other; that a server has gone, and that it is back, is said once."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._gone = False

    def __call__(self, seen: Seen) -> None:
        if seen.gone and not self._gone:
            note(_absence(seen))
        elif self._gone and not seen.gone:
            note(f"{seen.address} answers again")
        self._gone = bool(seen.gone)
        if not seen.gone:
            _print(seen, self._output)


def _print(seen: Seen, output: Output) -> None:
    figures = seen.figures
    if figures is None:
        return
    match output:
        case Output.TABLE | Output.WIDE:
            printing.sentence(about(seen.address, figures))
            printing.table(figures.models, columns(figures), wide=output is Output.WIDE)
        case Output.JSON | Output.YAML:
            printing.data(document(seen.address, figures), output)
        case Output.NAME:
            printing.names([f"{one.name}/{one.version}" for one in figures.models])


def document(address: str, figures: Figures) -> Json:
    """As JSON and YAML have it."""
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
    return {"address": address, "at": now, **cast(dict[str, object], plain(figures))}


def drawing(seen: Seen, width: int, *, wide: bool) -> RenderableType:
    """The whole view; grey where it is of a moment that has passed."""
    figures = seen.figures
    if figures is None:
        return Text(clean(_absence(seen) if seen.gone else f"{seen.address}: looking…"))
    fitted = printing.drawn(figures.models, columns(figures), width, wide=wide)
    lines: list[RenderableType] = [Text(clean(about(seen.address, figures)))]
    if seen.gone:
        lines.append(Text(clean(_absence(seen)), style="bold red"))
        fitted.table.style = "dim"
    return Group(*lines, fitted.table)


def about(address: str, figures: Figures) -> str:
    """The server and its process, in one line."""
    parts = [f"memory {value(figures.rss_bytes, 'B')}" if figures.rss_bytes is not None else ""]
    parts += [f"CPU {figures.cpu:.0%}" if figures.cpu is not None else ""]
    parts += [f"{count(figures.descriptors)} descriptors" if figures.descriptors is not None else ""]
    parts += [f"{count(figures.under_way)} under way" if figures.under_way is not None else ""]
    parts += [f"{rate(figures.faults_per_s)} faults/s" if figures.faults_per_s else ""]
    name = f"Edgewise {figures.edgewise}" if figures.edgewise else "a server"
    since = f" since {_clock(figures.started_s)}" if figures.started_s is not None else ""
    anew = ", STARTED ANEW" if figures.restarted else ""
    told = ", ".join(part for part in parts if part)
    return f"{address}: {name}{since}{anew}" + (f"; {told}" if told else "")


def columns(figures: Figures) -> list[Column[ModelFigures]]:
    """Those of energy stand only where there is a meter."""
    metered = any(one.meter for one in figures.models)
    return [*_COLUMNS, *(_METERED if metered else [])]


def rate(number: float | None) -> str:
    """A rate: whole from 100 on; "-" where there is none."""
    if number is None:
        return "-"
    return f"{number:,.0f}" if number >= 100 or number == 0 else f"{number:.3g}"


def _absence(seen: Seen) -> str:
    return f"{seen.address} does not answer since {seen.gone_at}: {seen.gone}; waiting for it"


def _clock(at_s: float) -> str:
    return datetime.datetime.fromtimestamp(at_s, datetime.UTC).strftime("%H:%M:%S UTC")


def _time(milliseconds: float | None) -> str:
    return "-" if milliseconds is None else value(milliseconds, "ms")


def _energy(one: ModelFigures) -> str:
    if one.energy_mj is None:
        return "-"
    return ("~" if one.declared else "") + value(one.energy_mj, "mJ")


def _power(one: ModelFigures) -> str:
    if one.power_watts is None:
        return "-"
    return ("~" if one.declared else "") + value(one.power_watts, "W")


def _ready(one: ModelFigures) -> str:
    return "-" if one.ready is None else "yes" if one.ready else "no"


_COLUMNS: list[Column[ModelFigures]] = [
    Column(title="MODEL", text=lambda one: one.name),
    Column(title="VERSION", text=lambda one: one.version, drop=3),
    Column(title="READY", text=_ready, drop=4),
    Column(title="REQ/S", text=lambda one: rate(one.requests_per_s), right=True),
    Column(title="FAIL/S", text=lambda one: rate(one.failures_per_s), right=True),
    Column(title="P50", text=lambda one: _time(one.p50_ms), right=True),
    Column(title="P99", text=lambda one: _time(one.p99_ms), right=True),
    Column(title="QUEUE", text=lambda one: _time(one.queue_ms), right=True, drop=1),
    Column(title="BATCH", text=lambda one: rate(one.mean_batch), right=True, drop=1),
    Column(title="BUSY", text=lambda one: "-" if one.busy is None else f"{one.busy:.0%}", right=True, drop=2),
    Column(title="WAITING", text=lambda one: "-" if one.waiting is None else count(one.waiting), right=True, wide=True),
    Column(title="ROWS/S", text=lambda one: rate(one.rows_per_s), right=True, wide=True),
]
_METERED: list[Column[ModelFigures]] = [
    Column(title="ENERGY", text=_energy, right=True, drop=1),
    Column(title="POWER", text=_power, right=True, wide=True),
    Column(title="METER", text=lambda one: one.meter or "-", wide=True),
]
