"""Where a tree lies, for who writes it: a folder, a bucket, a web root. One protocol, and three promises.

- `create` never changes a file that is there.
- `swap` puts a file in force at once, whole, and only if it is still what was read.
- What was created before a `swap` is there for everybody who sees what was swapped in.

The first two decide between two who publish at once: one of them is refused and reads again.
"""

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Protocol

from edgewise.errors import PublishedMeanwhile
from edgewise.store import atomic, lock

LOCK = ".edgewise-publishing"
TAG_S = 2
"""Between the times of two files at one path: FAT knows no odd seconds."""


class Web(Protocol):
    """A place with files, by their path in the tree."""

    def read(self, path: str) -> bytes | None:
        """What stands at `path`; None where nothing does."""

    def create(self, path: str, content: bytes) -> bool:
        """Put `content` at `path`, whole; False where something else is there already."""

    def swap(self, path: str, old: bytes | None, new: bytes) -> None:
        """Put `new` at `path` in the place of `old`, whole.

        Raises:
            PublishedMeanwhile: it is not `old` any more.
        """

    def held(self) -> contextlib.AbstractContextManager[None]:
        """As long as the block lasts, nobody else writes, where the place knows locks."""


class Folder:
    """A folder that a web server shows, or that rsync carries to one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __str__(self) -> str:
        return str(self.folder)

    def read(self, path: str) -> bytes | None:
        """See `Web`."""
        place = self.folder / path
        try:
            return place.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise atomic.explain(error, place) from error

    def create(self, path: str, content: bytes) -> bool:
        """See `Web`. Others are kept out by `held`."""
        there = self.read(path)
        if there is None:
            atomic.write(self.folder / path, content)
        return there is None or there == content

    def swap(self, path: str, old: bytes | None, new: bytes) -> None:
        """See `Web`. Others are kept out by `held`."""
        if self.read(path) != old:
            raise meanwhile(self)
        with atomic.replacing(self.folder / path) as file:
            file.write(new)
            file.flush()
            _make_newer(file, self.folder / path)

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """See `Web`.

        Raises:
            Busy: another process publishes here.
        """
        with lock.alone(self.folder, LOCK, why="two would publish over each other"):
            yield


def _make_newer(file: BinaryIO, old: Path) -> None:
    """Let `file` be of another time than `old`: nginx's entity tags are no more than whole seconds and a length.

    Otherwise who polls between two who publish within a second would be told that nothing is new.
    """
    with contextlib.suppress(FileNotFoundError, PermissionError):
        time_s = max(time.time(), old.stat().st_mtime + TAG_S)
        os.utime(file.fileno(), (time_s, time_s))


def meanwhile(place: object) -> PublishedMeanwhile:
    """Somebody else was faster."""
    return PublishedMeanwhile(
        f"somebody else published to {place} at the same time", hint="run it again: it reads what is there first"
    )
