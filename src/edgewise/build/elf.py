"""Whether what is in an image fits together: every ELF file of the platform's machine, every library it needs there.

Reads headers alone and runs nothing, so that an arm64 image is checked on amd64. A library is looked for by its name
in the whole image: what search paths would say is not followed.
"""

import io
from collections.abc import Iterable, Iterator
from pathlib import Path

from elftools.common.exceptions import ELFError
from elftools.elf.dynamic import DynamicSection
from elftools.elf.elffile import ELFFile

from edgewise.build.content import read
from edgewise.build.layer import Entry, Kind
from edgewise.build.platforms import Platform
from edgewise.errors import BadImage

MAGIC = b"\x7fELF"


def check(entries: Iterable[Entry], platform: Platform) -> None:
    """Refuse entries, of all layers together, that the platform cannot run.

    Raises:
        BadImage: a file is for another machine, or needs a library that is not there.
    """
    found = list(entries)
    names = {entry.path.rpartition("/")[2] for entry in found}
    for entry, opened in _programs(found):
        _check_machine(entry, opened, platform)
        if absent := [name for name in needs(opened) if name not in names]:
            raise BadImage(f"/{entry.path} needs {', '.join(absent)}, and the image for {platform} has it not")


def check_machine(entries: Iterable[Entry], platform: Platform) -> None:
    """Refuse entries for another machine; for a layer whose base is not at hand.

    Raises:
        BadImage: a file is for another machine.
    """
    for entry, opened in _programs(entries):
        _check_machine(entry, opened, platform)


def needs(opened: ELFFile) -> list[str]:
    """Names of the libraries that an ELF file is linked with (DT_NEEDED)."""
    dynamic = opened.get_section_by_name(".dynamic")
    if not isinstance(dynamic, DynamicSection):
        return []
    return [str(tag.needed) for tag in dynamic.iter_tags("DT_NEEDED")]


def needs_of_file(path: Path) -> list[str]:
    """Names of the libraries that the program at `path` is linked with; none where it is no ELF file, or static.

    Raises:
        BadImage: it is a damaged ELF file.
    """
    try:
        with path.open("rb") as opened:
            return needs(ELFFile(opened)) if opened.read(len(MAGIC)) == MAGIC else []
    except ELFError as error:
        raise BadImage(f"{path} cannot be read as ELF: {error}") from error


def _programs(entries: Iterable[Entry]) -> Iterator[tuple[Entry, ELFFile]]:
    for entry in entries:
        if entry.kind is not Kind.FILE or next(entry.content.chunks(), b"")[: len(MAGIC)] != MAGIC:
            continue
        try:
            yield entry, ELFFile(io.BytesIO(read(entry.content)))
        except ELFError as error:
            raise BadImage(f"/{entry.path} is a damaged ELF file: {error}") from error


def _check_machine(entry: Entry, opened: ELFFile, platform: Platform) -> None:
    machine = str(opened["e_machine"])
    if machine != platform.elf_machine:
        raise BadImage(f"/{entry.path} is for {machine}, and the image for {platform} ({platform.elf_machine})")
