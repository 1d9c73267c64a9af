"""What a listing looks like on stdout, in every format of `-o`.

A table fits the width of the terminal, 80 columns when piped: text wraps at spaces, and where the longest
words do not fit side by side, the least important columns are left out, which stderr mentions. A word is
never cut: where nothing can be left out, the table is broader than the terminal. `wide` has every column
and one line a row, however long.
"""

import json
import os
import sys
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import yaml
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from edgewise.cli._say import clean, note
from edgewise.cli.config import Output

T = TypeVar("T")
Json = Mapping[str, object] | Sequence[object]
PIPED_WIDTH = 80
GAP = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Column(Generic[T]):
    """A column of a table of `T`.

    Attributes:
        title: its heading.
        text: what stands in a row.
        wide: shown by `-o wide` alone.
        drop: where the table is too broad, the column with the largest is left out first; 0 never.
        right: aligned at the right, as numbers are, and never wrapped.
        least: narrower than this many signs it never gets; what is dropped makes room.
    """

    title: str
    text: Callable[[T], str]
    right: bool = False
    wide: bool = False
    drop: int = 0
    least: int = 0


def console() -> Console:
    """Where data is printed: the stdout of the moment, no markup, no guessing at colours."""
    screen = Console(highlight=False, markup=False, emoji=False)
    if not screen.is_terminal and "COLUMNS" not in os.environ:
        screen.width = PIPED_WIDTH
    return screen


def listing(
    items: Sequence[T],
    output: Output,
    *,
    columns: Sequence[Column[T]],
    document: Callable[[T], Json],
    name: Callable[[T], str],
) -> None:
    """Print `items` in the format `output`."""
    match output:
        case Output.TABLE | Output.WIDE:
            table(items, columns, wide=output is Output.WIDE)
        case Output.JSON | Output.YAML:
            data([document(item) for item in items], output)
        case Output.NAME:
            names([name(item) for item in items])


def data(document: Json, output: Output = Output.JSON) -> None:
    """Print `document` as JSON, or as YAML. Signs that are no print are escaped."""
    if output is Output.YAML:
        texts = (yaml.safe_dump(document, sort_keys=False, allow_unicode=raw, width=100) for raw in (True, False))
    else:
        texts = (json.dumps(document, indent=2, ensure_ascii=escaped) + "\n" for escaped in (False, True))
    text = next(texts)
    sys.stdout.write(text if text.replace("\n", "").isprintable() else next(texts))


def names(found: Sequence[str]) -> None:
    """Print one name a line."""
    sys.stdout.writelines(f"{clean(one)}\n" for one in found)


def sentence(text: str, style: str = "") -> None:
    """Print a sentence, wrapped at the terminal's width; a word that is longer stays whole."""
    screen = console()
    lines = [line for part in clean(text).split("\n") for line in _wrapped(part, screen.width) or [""]]
    screen.width = max(screen.width, *map(cell_len, lines))
    _print(screen, Text("\n".join(lines), style=style))


def bullet(text: str) -> None:
    """Print a sentence as a point of a list."""
    lines = _wrapped(clean(text), console().width - 2)
    sys.stdout.writelines(f"{'  ' if number else '- '}{line}\n" for number, line in enumerate(lines))


def _wrapped(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False)


def heading(text: str) -> None:
    """Print an empty line and a line that stands out."""
    sys.stdout.write("\n")
    sentence(text, "bold")


def table(items: Sequence[T], columns: Sequence[Column[T]], *, wide: bool = False) -> None:
    """Print `items` as a table."""
    screen = console()
    fitted = drawn(items, columns, screen.width, wide=wide)
    screen.width = max(screen.width, fitted.width)
    _print(screen, fitted.table)
    if fitted.dropped:
        sys.stdout.flush()
        note(f"left out for want of width: {', '.join(fitted.dropped)} (all columns: -o wide)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """A table as it fits a screen.

    Attributes:
        width: what it takes, which may be more than there is.
        dropped: titles of columns that were left out.
    """

    table: Table
    width: int
    dropped: Sequence[str]


def drawn(items: Sequence[T], columns: Sequence[Column[T]], width: int, *, wide: bool = False) -> Drawn:
    """`items` as a table for a screen of `width`."""
    laid_out = [_Laid.out(column, items) for column in columns if wide or not column.wide]
    dropped = []
    while not wide and _total(column.least for column in laid_out) > width:
        least = max(laid_out, key=lambda column: column.drop)
        if not least.drop:
            break
        laid_out.remove(least)
        dropped.append(least.title)
    widths = [column.most for column in laid_out] if wide else fit(laid_out, width)
    made = Table(box=None, padding=(0, GAP, 0, 0), pad_edge=False, header_style="bold")
    for column, given in zip(laid_out, widths, strict=True):
        made.add_column(column.title, justify="right" if column.right else "left", width=given)
    for row in zip(*(column.cells for column in laid_out), strict=True):
        made.add_row(*map(Text, row))
    return Drawn(table=made, width=_total(widths), dropped=dropped)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Laid:
    """A column with its cells and the widths that it can have."""

    title: str
    cells: list[str]
    right: bool
    drop: int
    least: int
    most: int

    @classmethod
    def out(cls, column: Column[T], items: Sequence[T]) -> "_Laid":
        cells = [clean(column.text(item)).replace("\t", " ").replace("\n", " ") for item in items]
        texts = [column.title, *cells]
        most = max(map(cell_len, texts))
        words = (cell_len(word) for text in texts for word in text.split())
        least = most if column.right else min(most, max([column.least, *words]))
        return cls(title=column.title, cells=cells, right=column.right, drop=column.drop, least=least, most=most)


def fit(columns: Sequence[_Laid], total: int) -> list[int]:
    """Widths that add up to `total` at most; what is to spare goes first where little is needed."""
    spare = max(0, total - _total(column.least for column in columns))
    widths = [column.least for column in columns]
    by_need = sorted(range(len(columns)), key=lambda index: columns[index].most - columns[index].least)
    for done, index in enumerate(by_need):
        given = min(columns[index].most - columns[index].least, spare // (len(columns) - done))
        widths[index] += given
        spare -= given
    return widths


def _total(widths: Iterable[int]) -> int:
    """Width of a table of columns of `widths`."""
    found = list(widths)
    return sum(found) + GAP * (len(found) - 1)


def _print(screen: Console, what: Table | Text) -> None:
    """Through rich, but with no blanks at the ends of lines, and with no word for a reader that has gone."""
    with screen.capture() as captured:
        screen.print(what)
    sys.stdout.writelines(f"{line.rstrip()}\n" for line in captured.get().splitlines())
