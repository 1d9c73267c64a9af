"""Which models there are: model folders, and repositories `<root>/<name>/<version>/model.json`.

Only model.json is read here; files are verified when a model is loaded.
"""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from edgewise.edge.serve.models import folder
from edgewise.edge.serve.models.folder import Folder
from edgewise.errors import BadModel, EdgewiseError, NotFound
from edgewise.runtimes import served

LIMIT_MODELS = 1024


class Catalogue:
    """Models by name and version, and what could not be read."""

    def __init__(self) -> None:
        self.folders: dict[str, dict[str, Folder]] = {}
        self.faults: list[tuple[Path, EdgewiseError]] = []

    def newest(self, name: str) -> Folder:
        """The newest version of the model called `name`.

        Raises:
            KeyError: there is none.
        """
        versions = self.folders[name]
        return versions[max(versions, key=age)]


def age(version: str) -> tuple[int, int, str]:
    """Orders versions: numbers by their value, after all names."""
    return (1, int(version), version) if version.isascii() and version.isdigit() else (0, 0, version)


def scan(places: Sequence[Path], *, digest: str = "") -> Catalogue:
    """What lies in `places`, each a model folder or a repository of them.

    Args:
        digest: what the one model.json must have; "" for any.

    Raises:
        NotFound: a place is not there, or there is no model in it.
        BadModel: two folders hold the same version of the same model.
        WrongBytes: the digest is another.
    """
    found = Catalogue()
    for place in places:
        if not place.is_dir():
            raise NotFound(f"there is no model folder at {place}", hint="name a folder that holds model.json")
        if (place / served.NAME).exists():
            _add(found, folder.read(place, digest=digest))
            continue
        count = len(found.folders) + len(found.faults)
        for path in _versions(place):
            try:
                _add(found, folder.read(path, digest=digest))
            except (BadModel, NotFound) as error:
                found.faults.append((path, error))
        if len(found.folders) + len(found.faults) == count:
            raise NotFound(
                f"{place} holds neither {served.NAME} nor folders NAME/VERSION with one",
                hint="edgewise build makes one",
            )
    return found


def _versions(root: Path) -> Iterator[Path]:
    count = 0
    for name in sorted(entry.path for entry in os.scandir(root) if entry.is_dir()):
        for path in sorted(entry.path for entry in os.scandir(name) if entry.is_dir()):
            if (Path(path) / served.NAME).exists():
                count += 1
                if count > LIMIT_MODELS:
                    raise BadModel(
                        f"{root} holds more than {LIMIT_MODELS} models", hint="serve them from several places"
                    )
                yield Path(path)


def _add(found: Catalogue, one: Folder) -> None:
    versions = found.folders.setdefault(one.model.name, {})
    other = versions.setdefault(one.model.version, one)
    if other is not one and other.digest != one.digest:
        raise BadModel(
            f"{other.path} and {one.path} both hold version {one.model.version} of {one.model.name}, and they differ",
            hint="give one of them another version",
        )
