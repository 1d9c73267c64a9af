"""Calibration rows: how fast and with how much energy a machine ran a network, as somebody published it.

A quantity's unit stands in its column head, `latency [ms]`; a head without one is refused, for a figure whose unit
was guessed is worth nothing.
"""

import datetime
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from edgewise import units
from edgewise.documents import Fault
from edgewise.hardware.calibration._table import Line, Table, read_folder, refuse


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One published figure, or two.

    Attributes:
        machine, accelerator: names of the hardware catalogue, or plain names of what it does not have.
        runtime: what ran the network.
        network: a name of `networks()`.
        precision: of the arithmetic: one of `PRECISIONS`.
        batch: inferences in one call.
        threads: CPU threads, None where the source does not say or the accelerator has none.
        latency_ms: mean or median time of one call, with the whole batch, in milliseconds; None where not published.
        energy_uj: energy of one inference in microjoules, None where not published.
        power_watt: power while it ran, None where not published.
        source: an address, or the user's own words.
        date: ISO 8601 day or month: of the publication, or of the day it was read where it has none.
    """

    machine: str
    accelerator: str
    runtime: str
    network: str
    precision: str
    batch: int = 1
    threads: int | None = None
    latency_ms: float | None = None
    energy_uj: float | None = None
    power_watt: float | None = None
    source: str
    date: str

    @property
    def identity(self) -> tuple[str | int | None, ...]:
        """What was measured, by whom: two rows of one identity contradict or repeat each other."""
        what = (self.machine, self.accelerator, self.runtime, self.network, self.precision, self.batch, self.threads)
        return (*what, self.source)


PRECISIONS = ("fp32", "fp16", "bf16", "int16", "int8", "int4", "mixed")

_TEXTS = ("machine", "accelerator", "runtime", "network", "precision", "batch", "threads", "source", "date")
_OPTIONAL = ("batch", "threads")
_QUANTITIES: Mapping[str, tuple[str, units.Dimension, float]] = {
    "latency": ("latency_ms", units.TIME, 1.0),
    "energy": ("energy_uj", units.ENERGY, 1e3),
    "power": ("power_watt", units.POWER, 1.0),
}
"""By head: the field of `Row`, the dimension, and the field's units in one base unit of the dimension."""

_MAX_VALUE = 1e12
_HEAD = re.compile(r"([^\[\]]+?)\s*(?:\[([^\[\]]*)\])?")
_NAME = re.compile(r"[a-z0-9]+(?:[.-][a-z0-9]+)*")
_COUNT = re.compile(r"[1-9][0-9]{0,5}")
_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_MONTH = re.compile(r"[0-9]{4}-(?:0[1-9]|1[0-2])")

HINT = (
    "allowed heads are machine, accelerator, runtime, network, precision, batch, threads, latency [ms], energy [uJ], "
    "power [W], source, date, with other units of time, energy and power where yours differ; "
    "the format is in docs/reference/calibration.md"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Column:
    """Where a field stands in a line, and what makes its value of the cell; ValueError says what is wrong."""

    index: int
    head: str
    field: str
    parse: Callable[[str], object]


def read(folder: Path, networks: frozenset[str]) -> tuple[Row, ...]:
    """The rows of all CSV files of `folder`, in the order of the files' names.

    Raises:
        BadDocument: with every fault of every file.
        NotFound: a file cannot be read.
    """
    faults: list[Fault] = []
    found: list[Row] = []
    for table in read_folder(folder, faults):
        columns = _columns(table, networks, faults)
        whole = all(head in columns for head in table.heads)
        lines: dict[tuple[str | int | None, ...], int] = {}
        for line in table.lines:
            row = _row(table, line, list(columns.values()), faults, whole=whole)
            if row is None:
                continue
            if row.identity in lines:
                problem = f"says the same of the same source as line {lines[row.identity]}"
                faults.append(table.fault(line.number, "", problem))
            else:
                lines[row.identity] = line.number
                found.append(row)
    refuse(folder, faults, hint=HINT)
    return tuple(found)


def _columns(table: Table, networks: frozenset[str], faults: list[Fault]) -> dict[str, _Column]:
    """The columns whose heads are right, by head."""
    columns: dict[str, _Column] = {}
    seen: set[str] = set()
    for index, head in enumerate(table.heads):
        match = _HEAD.fullmatch(head)
        name, unit = (match[1], match[2]) if match else (head, None)
        try:
            if name in seen:
                raise ValueError("this head stands here twice")
            column = _column(index, head, name, unit, networks)
        except ValueError as error:
            faults.append(table.fault(table.head_line, head, str(error)))
        else:
            columns[head] = column
        seen.add(name)
    missing = [name for name in _TEXTS if name not in seen and name not in _OPTIONAL]
    if missing:
        faults.append(table.fault(table.head_line, "", f"the head lacks {', '.join(missing)}"))
    if not seen & {"latency", "energy"}:
        faults.append(table.fault(table.head_line, "", "the head lacks a figure: latency [ms] or energy [uJ]"))
    return columns


def _column(index: int, head: str, name: str, unit: str | None, networks: frozenset[str]) -> _Column:
    if name in _QUANTITIES:
        field, dimension, scale = _QUANTITIES[name]
        factor = _factor(name, unit, dimension) * scale
        return _Column(index=index, head=head, field=field, parse=lambda cell: _figure(cell, factor))
    if name not in _TEXTS:
        known = [*_TEXTS, *_QUANTITIES]
        near = get_close_matches(name, known, n=1)
        raise ValueError(f"found an unknown head{f'; did you mean {near[0]}?' if near else ''}")
    if unit is not None:
        raise ValueError(f"found the unit {units.quoted(unit)}; this column takes none")
    parsers: Mapping[str, Callable[[str], object]] = {
        "machine": _name,
        "accelerator": _name,
        "network": lambda cell: _one_of(cell, sorted(networks), "a folder networks beside the file adds more"),
        "precision": lambda cell: _one_of(cell, PRECISIONS),
        "batch": lambda cell: _count(cell) if cell else 1,
        "threads": lambda cell: _count(cell) if cell else None,
        "date": _date,
    }
    return _Column(index=index, head=head, field=name, parse=parsers.get(name, _text))


def _factor(name: str, unit: str | None, dimension: units.Dimension) -> float:
    shown = ", ".join(f"{name} [{unit}]" for unit in dimension.shown)
    if unit is None or not unit.strip():
        raise ValueError(f"found a {dimension.name} without its unit; allowed are {shown}")
    known = dimension.units
    if unit not in known:
        near = [one for one in known if one.lower() == unit.lower()] or get_close_matches(unit, known, n=1, cutoff=0.4)
        raise ValueError(
            f"found the unit {units.quoted(unit)}; allowed are {shown}{f'; did you mean {near[0]}?' if near else ''}"
        )
    return known[unit]


def _row(table: Table, line: Line, columns: list[_Column], faults: list[Fault], *, whole: bool) -> Row | None:
    """The row of a line; None where it, or the head (not `whole`), has faults."""
    values: dict[str, Any] = {}
    before = len(faults)
    for column in columns:
        try:
            values[column.field] = column.parse(line.cells[column.index])
        except ValueError as error:
            faults.append(table.fault(line.number, column.head, str(error)))
    figures = [column for column in columns if column.field in ("latency_ms", "energy_uj")]
    if whole and figures and all(not line.cells[column.index] for column in figures):
        faults.append(table.fault(line.number, "", "no figure: neither latency nor energy"))
    complete = all(name in values for name in _TEXTS if name not in _OPTIONAL)
    return Row(**values) if whole and figures and complete and len(faults) == before else None


def _figure(cell: str, factor: float) -> float | None:
    if not cell:
        return None
    value = float(cell) * factor if _NUMBER.fullmatch(cell) else math.nan
    if not 0 < value < _MAX_VALUE:
        raise ValueError(f"found {units.quoted(cell)}; allowed is a positive number such as 2.4, or nothing")
    return value


def _count(cell: str) -> int:
    if not _COUNT.fullmatch(cell):
        raise ValueError(f"found {units.quoted(cell)}; allowed is a whole number from 1")
    return int(cell)


def _name(cell: str) -> str:
    if not _NAME.fullmatch(cell):
        raise ValueError(f"found {units.quoted(cell)}; allowed are lower-case letters, digits, dots and hyphens")
    return cell


def _text(cell: str) -> str:
    if not cell:
        raise ValueError("found nothing; this cell must not be empty")
    return cell


def _one_of(cell: str, allowed: tuple[str, ...] | list[str], more: str = "") -> str:
    if cell in allowed:
        return cell
    near = get_close_matches(cell[:80], allowed, n=3)
    shown = f"did you mean {' or '.join(near)}?" if near else f"allowed are {', '.join(allowed)}"
    raise ValueError("; ".join(part for part in (f"found {units.quoted(cell)}", shown, more) if part))


def _date(cell: str) -> str:
    if _MONTH.fullmatch(cell):
        return cell
    try:
        day = datetime.date.fromisoformat(cell)
    except ValueError:
        day = None
    if day is None or day.isoformat() != cell:
        raise ValueError(f"found {units.quoted(cell)}; allowed is a day such as 2024-12-17 or a month such as 2024-12")
    return cell
