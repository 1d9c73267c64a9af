"""What was computed once is not computed again.

A step is a function from digests to digests. Its key is the digest of everything that decides the result;
its record is a JSON document that may name blobs. A record is written after its blobs, so that a record
that can be read is whole.
"""

import hashlib
import json
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgewise.store import atomic
from edgewise.store.blobs import Blobs

SCRATCH = "tmp"
Json = Any
"""A JSON value: what `json.dumps` takes."""


def key(name: str, **parts: Json) -> str:
    """Name of a step's record: its own name and the digest of all that decides its result."""
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return f"{name}-{hashlib.sha256(text.encode()).hexdigest()}"


class Store:
    """A folder of blobs and of records of steps.

    Args:
        folder: made on first writing; several processes may use it at once.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.blobs = Blobs(folder)

    def scratch(self) -> tempfile.TemporaryDirectory[str]:
        """A temporary folder on the store's own file system, so that blobs can be linked into it."""
        parent = self.folder / SCRATCH
        try:
            parent.mkdir(parents=True, exist_ok=True)
            return tempfile.TemporaryDirectory(dir=parent, ignore_cleanup_errors=True)
        except OSError as error:
            raise atomic.explain(error, parent / "scratch") from error

    def sweep(self) -> None:
        """Remove what killed processes left behind. Only for who holds the store alone."""
        shutil.rmtree(self.folder / SCRATCH, ignore_errors=True)
        for leftover in self.folder.glob(f"*/**/{atomic.TEMPORARY_PREFIX}*"):
            leftover.unlink(missing_ok=True)

    def recall(self, step: str) -> Json | None:
        """The record of `step`; None where there is none, or where it or one of its blobs is damaged."""
        path = self._record(step)
        try:
            envelope = json.loads(path.read_bytes())
            record, wanted = envelope["record"], envelope["blobs"]
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError):
            path.unlink(missing_ok=True)
            return None
        except OSError as error:
            raise atomic.explain(error, path) from error
        return record if all(digest in self.blobs for digest in wanted) else None

    def record(self, step: str, record: Json, *, blobs: tuple[str, ...] = ()) -> None:
        """Remember `record` as the result of `step`; it needs `blobs`, which are there already."""
        envelope: Mapping[str, Json] = {"step": step, "blobs": list(blobs), "record": record}
        content = json.dumps(envelope, sort_keys=True, indent=1, allow_nan=False).encode()
        atomic.write(self._record(step), content)

    def _record(self, step: str) -> Path:
        return self.folder / "steps" / f"{step}.json"
