"""Files that a plan sends to the device: by digest, in pieces, never more than there is room for.

What arrives is appended to a partial file and becomes a blob when its digest is right, so that an upload that was
interrupted goes on. What was sent once stays for the next plan, as long as the disk has room.
"""

import contextlib
import errno
import os
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

from edgewise.errors import BadInput, NotFound, StoreFull
from edgewise.store import atomic
from edgewise.store.blobs import digest_of_file
from edgewise.store.steps import Store

CHUNK_BYTES = 1 << 20
RESERVE_BYTES = 256 << 20
"""Of the disk, for whatever else the device does."""


class OutOfStep(BadInput):
    """A piece does not begin where the partial file ends."""


class Files:
    """The files that were sent to this device.

    Args:
        store: the bench's own.
        reserve_bytes: of the disk, that stay free.
    """

    def __init__(self, store: Store, *, reserve_bytes: int = RESERVE_BYTES) -> None:
        self._store = store
        self._reserve_bytes = reserve_bytes
        self._lock = threading.Lock()
        self._partial = store.folder / "partial"

    def size(self, digest: str) -> int | None:
        """Bytes of the file; None where it is not here."""
        try:
            return self._store.blobs.path(digest).stat().st_size
        except OSError:
            return None

    def received(self, digest: str) -> int:
        """Bytes of the file that have arrived, of one that is not whole."""
        try:
            return self._part(digest).stat().st_size
        except OSError:
            return 0

    def receive(self, digest: str, read: Callable[[int], bytes], *, start: int, size: int, total: int) -> None:
        """Append a piece of the file.

        Args:
            read: up to so many bytes; none at the end of what the client sends.
            start: where the piece begins, which must be where the last one ended.
            size: of the piece.
            total: of the file.

        Raises:
            OutOfStep: the piece begins elsewhere.
            BadInput: the file is whole and its digest is another; it is removed.
            StoreFull: there is no room for it.
        """
        with self._lock:
            part = self._part(digest)
            if start != self.received(digest) or start + size > total:
                raise OutOfStep(f"{self.received(digest)} of {total} bytes are here, and the piece begins at {start}")
            self._make_room(2 * total - start)  # the whole file once as it arrives, once as a blob
            try:
                part.parent.mkdir(parents=True, exist_ok=True)
                with part.open("ab") as file:
                    while size > 0 and (chunk := read(min(CHUNK_BYTES, size))):
                        file.write(chunk)
                        size -= len(chunk)
            except OSError as error:
                if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                    raise
                part.unlink(missing_ok=True)
                raise atomic.explain(error, part) from error
            if self.received(digest) == total:
                self._complete(digest, part)

    def keep(self, path: Path) -> str:
        """Keep a file that was made here, for the client to fetch; its digest."""
        with self._lock:
            self._make_room(path.stat().st_size)
            return self._store.blobs.put_file(path)

    def path(self, digest: str) -> Path:
        """Where the file is.

        Raises:
            NotFound: it is not here.
        """
        path = self._store.blobs.path(digest)
        if not path.is_file():
            raise NotFound(f"the file {digest} is not on the device")
        return path

    def lay_out(self, digest: str, target: Path) -> None:
        """Put the file at `target`, checking its digest.

        Raises:
            NotFound: it is not here.
            StoreCorrupt: it was damaged on disk; removed, so that it is sent again.
        """
        path = self.path(digest)
        self._store.blobs.lay_out(digest, target)
        with contextlib.suppress(OSError):
            os.utime(path)  # the newest to be used is the last to go

    def forget_partial(self) -> None:
        """Remove what did not arrive whole."""
        shutil.rmtree(self._partial, ignore_errors=True)

    def _part(self, digest: str) -> Path:
        return self._partial / self._store.blobs.path(digest).name

    def _complete(self, digest: str, part: Path) -> None:
        try:
            if digest_of_file(part) != digest:
                raise BadInput("what arrived has another digest", hint="run the same command again")
            self._store.blobs.put_file(part)
        finally:
            part.unlink(missing_ok=True)

    def _make_room(self, wanted_bytes: int) -> None:
        """See that so many bytes fit, at the cost of the files that were used longest ago."""
        folder = self._store.blobs.path(f"sha256:{'0' * 64}").parent
        folder.mkdir(parents=True, exist_ok=True)
        known = sorted(folder.glob("[0-9a-f]*"), key=lambda path: path.stat().st_mtime)
        while shutil.disk_usage(folder).free < wanted_bytes + self._reserve_bytes:
            if not known:
                raise StoreFull(
                    f"the device has no room for a file of {wanted_bytes >> 20} MiB",
                    hint="free some space there, or start the agent with --store on a larger disk",
                )
            known.pop(0).unlink(missing_ok=True)
