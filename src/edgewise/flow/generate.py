"""The files of a face, in a folder that is either whole or not there. What a face says stands in `build/nodes/`."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from uuid import uuid4

from edgewise.build.nodes.description import File
from edgewise.errors import NotFound
from edgewise.store import atomic

READABLE, EXECUTABLE = 0o644, 0o755


def write(files: Sequence[File], folder: Path) -> None:
    """Put `files` below `folder`, in place of what is there, by one rename of the whole folder.

    Raises:
        NotFound: there is something in `folder` that `write` has not put there.
        StoreFull, StoreUnusable: it cannot be written.
    """
    _check_ours(folder)
    beside = folder.resolve().parent / f"{atomic.TEMPORARY_PREFIX}{folder.name}-{uuid4().hex}"
    try:
        for one in files:
            path = beside / one.path
            atomic.write(path, one.content)
            path.chmod(EXECUTABLE if one.executable else READABLE)
        _mark(beside, files)
        if folder.exists():
            old = beside.with_name(f"{beside.name}-old")
            folder.rename(old)
            beside.rename(folder)
            shutil.rmtree(old)
        else:
            beside.rename(folder)
    except OSError as error:
        raise atomic.explain(error, folder) from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)


MARK = ".edgewise-generated"
"""Names every file of a folder that `write` made, so that nothing else is ever replaced with it."""


def _mark(folder: Path, files: Sequence[File]) -> None:
    atomic.write(folder / MARK, "".join(f"{one.path}\n" for one in files).encode())


def _check_ours(folder: Path) -> None:
    if not folder.exists():
        return
    mark = folder / MARK
    ours = set(mark.read_text().splitlines()) | {MARK} if mark.is_file() else set()
    there = (
        {str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir()} if folder.is_dir() else {""}
    )
    if strangers := sorted(there - ours):
        raise NotFound(
            f"{folder} holds what was not generated: {', '.join(strangers[:3]) or 'it is no folder'}",
            hint="name a new folder, or an empty one",
        )
