"""A CSV file from outside: bounded, in UTF-8, every cell with the line it stands on.

Knows nothing of what the columns mean. Faults are gathered, not raised, so that all files of a folder are told at
once; whoever reads a folder ends with `refuse`.
"""

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgewise import units
from edgewise.documents import Fault
from edgewise.errors import BadDocument, NotFound

MAX_FILES = 500
MAX_BYTES = 1 << 20
MAX_ROWS = 10_000
MAX_CELL_CHARACTERS = 500

_UNUSABLE = re.compile("[\0-\x1f\x7f\ud800-\udfff]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One row of a table: `cells` in the order of the head, without blanks around them."""

    number: int
    cells: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A file that could be read as a table; `lines` have exactly as many cells as `heads`."""

    path: Path
    head_line: int
    heads: tuple[str, ...]
    lines: tuple[Line, ...]

    def fault(self, line: int, where: str, problem: str) -> Fault:
        """A fault of this file."""
        return Fault(file=str(self.path), line=line, where=where, problem=problem)


def read_folder(folder: Path, faults: list[Fault]) -> Iterator[Table]:
    """The tables of `folder`, by name; what cannot be read as one is told in `faults`.

    Raises:
        NotFound: a file cannot be read at all.
    """
    paths = sorted(folder.glob("*.csv"))
    if len(paths) > MAX_FILES:
        faults.append(_fault(folder, 1, f"found {len(paths)} files; at most {MAX_FILES} are allowed"))
        return
    for path in paths:
        table = _read(path, faults)
        if table is not None:
            yield table


def refuse(folder: Path, faults: Sequence[Fault], *, hint: str) -> None:
    """Raises what was found, if anything.

    Raises:
        BadDocument: with all of `faults`, by file and line.
    """
    if faults:
        ordered = sorted(faults, key=lambda fault: (fault.file, fault.line))
        files = len({fault.file for fault in faults})
        count = "one fault" if len(faults) == 1 else f"{len(faults)} faults"
        where = f"{ordered[0].file} has" if files == 1 else f"{files} files of {folder} have"
        raise BadDocument(f"{where} {count}", faults=ordered, hint=hint)


def _read(path: Path, faults: list[Fault]) -> Table | None:
    text = _text(path, faults)
    if text is None:
        return None
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    rows: list[tuple[int, list[str]]] = []
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                rows.append((reader.line_num, cells))
            if len(rows) > MAX_ROWS + 1:
                faults.append(_fault(path, reader.line_num, f"more than {MAX_ROWS} rows"))
                return None
    except csv.Error as error:
        faults.append(_fault(path, reader.line_num, f"not CSV: {error}"))
        return None
    if not rows:
        faults.append(_fault(path, 1, "the file is empty"))
        return None
    (head_line, heads), *body = rows
    return Table(
        path=path,
        head_line=head_line,
        heads=tuple(head.strip() for head in heads),
        lines=tuple(_usable(path, len(heads), body, faults)),
    )


def _usable(path: Path, width: int, body: Sequence[tuple[int, list[str]]], faults: list[Fault]) -> Iterator[Line]:
    for number, cells in body:
        if len(cells) != width:
            faults.append(_fault(path, number, f"found {len(cells)} cells; the head has {width}"))
            continue
        bad = [cell for cell in cells if _UNUSABLE.search(cell) or len(cell) > MAX_CELL_CHARACTERS]
        if bad:
            faults.append(_fault(path, number, f"found {units.quoted(bad[0])}; allowed is one short line of text"))
            continue
        yield Line(number=number, cells=tuple(cell.strip() for cell in cells))


def _text(path: Path, faults: list[Fault]) -> str | None:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        reason = error.strerror or str(error)
        raise NotFound(f"cannot read the calibration file {path}: {reason}", hint="check its permissions") from None
    if len(content) > MAX_BYTES:
        faults.append(_fault(path, 1, f"larger than {MAX_BYTES >> 20} MiB"))
        return None
    try:
        return content.decode("utf-8-sig")  # spreadsheets write a byte order mark
    except UnicodeDecodeError as error:
        faults.append(_fault(path, content.count(b"\n", 0, error.start) + 1, "not text in UTF-8"))
        return None


def _fault(path: Path, line: int, problem: str) -> Fault:
    return Fault(file=str(path), line=line, where="", problem=problem)
