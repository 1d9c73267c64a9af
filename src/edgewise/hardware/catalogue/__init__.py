"""The hardware catalogue: machines that one may plan for without having them at hand.

The built-in entries are YAML files beside this module, one per family; a user's own folders add machines
and override by name. Every figure carries its source: what nobody publishes is None, never a guess.
"""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from functools import cache
from importlib import resources
from pathlib import Path

from edgewise.documents import load
from edgewise.errors import UnknownMachine
from edgewise.hardware.catalogue._document import CatalogueDocument, to_machines
from edgewise.nouns import Machine

__all__ = ["find", "machines"]


def machines(folders: Sequence[Path] = ()) -> Mapping[str, Machine]:
    """Machines by name: the built-in ones, then those of `folders`, a later one overriding by name.

    A folder that does not exist adds nothing.

    Raises:
        BadDocument: a file in a folder has faults; lists all of that file's.
        NotFound: a file in a folder cannot be read.
    """
    found = dict(_built_in())
    for folder in folders:
        found |= _read(folder)
    return found


def find(name: str, folders: Sequence[Path] = ()) -> Machine:
    """The machine called `name`.

    Raises:
        UnknownMachine: the catalogue does not have it; the hint offers the nearest names.
        BadDocument, NotFound: as `machines`.
    """
    known = machines(folders)
    if name in known:
        return known[name]
    near = _nearest(name, sorted(known))
    hint = f"did you mean {' or '.join(near)}?" if near else f"the catalogue has {', '.join(sorted(known))}"
    raise UnknownMachine(f"the catalogue has no machine {name[:80]!r}", hint=hint)


def _nearest(name: str, known: Sequence[str]) -> list[str]:
    """At most three: close in spelling, or with all the words that were given ("orin-nano")."""
    wanted = set(name[:80].lower().replace("_", "-").split("-"))
    close = get_close_matches(name[:80].lower(), known, n=3, cutoff=0.6)
    holding = [candidate for candidate in known if wanted <= set(candidate.split("-"))]
    return list(dict.fromkeys([*holding, *close]))[:3]


@cache
def _built_in() -> Mapping[str, Machine]:
    with resources.as_file(resources.files(__name__)) as folder:
        return _read(folder)


def _read(folder: Path) -> dict[str, Machine]:
    found: dict[str, Machine] = {}
    for path in sorted([*folder.glob("*.yaml"), *folder.glob("*.yml")]):
        found |= to_machines(load(path, CatalogueDocument, what="catalogue file"))
    return found
