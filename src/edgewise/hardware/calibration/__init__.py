"""Published benchmark figures, and the layers of the networks that they speak of.

What an estimate for a machine that is not here may lean on. Every row keeps its source and its date; what a source
does not say is None, never a guess. The built-in rows are CSV files beside this module, one per publication; a user's
own folders add rows, and networks in a folder `networks` below. The format is in docs/reference/calibration.md.
"""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from functools import cache
from importlib import resources
from pathlib import Path

from edgewise.errors import NotFound
from edgewise.hardware.calibration import _networks, _rows
from edgewise.hardware.calibration._networks import Network
from edgewise.hardware.calibration._rows import Row

__all__ = ["Network", "Row", "network", "networks", "rows"]


def rows(folders: Sequence[Path] = ()) -> tuple[Row, ...]:
    """The built-in rows, then those of `folders`; a later row replaces one that says the same of the same source.

    A folder that does not exist adds nothing.

    Raises:
        BadDocument: files have faults; lists every one of all files, with file and line.
        NotFound: a file in a folder cannot be read.
    """
    found = {row.identity: row for row in _built_in_rows()}
    known = networks(folders)
    for folder in folders:
        found |= {row.identity: row for row in _rows.read(folder, frozenset(known))}
    return tuple(found.values())


def networks(folders: Sequence[Path] = ()) -> Mapping[str, Network]:
    """Networks by name: the built-in ones, then those of `folders`, a later one replacing by name.

    Raises:
        BadDocument, NotFound: as `rows`.
    """
    found = dict(_built_in_networks())
    for folder in folders:
        found |= _networks.read(folder / "networks")
    return found


def network(name: str, folders: Sequence[Path] = ()) -> Network:
    """The network called `name`, with its layers in the order in which they run.

    Raises:
        NotFound: nobody described it; the hint offers the nearest names.
        BadDocument: as `rows`.
    """
    known = networks(folders)
    if name in known:
        return known[name]
    near = get_close_matches(name[:80], sorted(known), n=3)
    hint = f"did you mean {' or '.join(near)}?" if near else f"known are {', '.join(sorted(known))}"
    raise NotFound(f"no network is called {name[:80]!r}", hint=hint)


@cache
def _built_in_networks() -> Mapping[str, Network]:
    with resources.as_file(resources.files(__name__)) as folder:
        return _networks.read(folder / "networks")


@cache
def _built_in_rows() -> tuple[Row, ...]:
    with resources.as_file(resources.files(__name__)) as folder:
        return _rows.read(folder, frozenset(_built_in_networks()))
