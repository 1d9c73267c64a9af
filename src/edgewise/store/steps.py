"""What was computed once is not computed again.

A step is a function from digests to digests. Its key is the digest of everything that decides the result;
its record is a JSON document that may name blobs. A record is written after its blobs and carries its own
digest, so that a record that can be read is whole.
"""

import contextlib
import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from edgewise.store import atomic
from edgewise.store.blobs import Blobs, digest_of

SCRATCH = ".edgewise-scratch"
"""A name that nobody else takes: `sweep` removes it, and a person may point the store at any folder."""
FORMAT = 1
"""Of records. A change of what any record holds raises it, and older records are computed anew."""
Json = Any
"""A JSON value: what `json.dumps` takes."""


def key(name: str, **parts: Json) -> str:
    """Name of a step's record: its own name and the digest of all that decides its result."""
    parts["format"] = FORMAT
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
        for ours in ("steps", "blobs/sha256"):
            for leftover in (self.folder / ours).glob(f"{atomic.TEMPORARY_PREFIX}*"):
                with contextlib.suppress(OSError):
                    leftover.unlink()

    def recall(self, step: str) -> Json | None:
        """The record of `step`; None where there is none, or where it or one of its blobs is damaged."""
        path = self._record(step)
        try:
            envelope = _whole(path.read_bytes(), step)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise atomic.explain(error, path) from error
        if envelope is None:
            with contextlib.suppress(OSError):
                path.unlink()
            return None
        return envelope["record"] if all(digest in self.blobs for digest in envelope["blobs"]) else None

    def record(self, step: str, record: Json, *, blobs: tuple[str, ...] = ()) -> None:
        """Remember `record` as the result of `step`; it needs `blobs`, which are there already."""
        envelope: dict[str, Json] = {"step": step, "blobs": list(blobs), "record": record}
        envelope = json.loads(json.dumps(envelope, allow_nan=False))  # as it will be read
        envelope["digest"] = _digest(envelope)
        atomic.write(self._record(step), json.dumps(envelope, sort_keys=True, indent=1).encode())

    def records(self) -> Iterator[tuple[str, frozenset[str] | None]]:
        """Every step that has a record, with the digests of its blobs, or None where it is damaged. Removes nothing."""
        for path in sorted((self.folder / "steps").glob("*.json")):
            try:
                envelope = _whole(path.read_bytes(), path.stem)
            except FileNotFoundError:  # another process removed it just now
                continue
            except OSError as error:
                raise atomic.explain(error, path) from error
            yield path.stem, frozenset(envelope["blobs"]) if envelope else None

    def forget(self) -> int:
        """Remove all records, so that every step is computed anew; how many there were."""
        found = list((self.folder / "steps").glob("*.json"))
        for path in found:
            with contextlib.suppress(OSError):
                path.unlink()
        return len(found)

    def _record(self, step: str) -> Path:
        return self.folder / "steps" / f"{step}.json"


def _whole(content: bytes, step: str) -> dict[str, Json] | None:
    """The envelope of the record of `step`; None where it is damaged."""
    try:
        envelope: dict[str, Json] = json.loads(content)
        whole = envelope.pop("digest") == _digest(envelope) and envelope["step"] == step
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    return envelope if whole else None


def _digest(envelope: Mapping[str, Json]) -> str:
    return digest_of(json.dumps(envelope, sort_keys=True, separators=(",", ":")).encode())
