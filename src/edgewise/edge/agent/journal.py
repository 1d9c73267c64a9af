"""The journal: a line for everything that was decided, each with the whole state, readable with `cat`.

    {"at":1764187200,"event":"proven","release":"sha256:…","reason":"","state":{…},"sum":"4f1c…"}

`sum` is the first 16 digits of the SHA-256 of the rest. A line is written and on the disk before anything that
follows from it is begun. The last line whose sum is right is the state; what stands after it is what a power cut left,
and is written over. When the file is long, its newest lines take its place by one rename.
"""

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgewise.edge.agent import state as states
from edgewise.edge.agent.state import Event, State
from edgewise.errors import BadMessage
from edgewise.store import atomic

LIMIT_BYTES = 1 << 20
KEPT_LINES = 100
LONGEST_LINE = 256 << 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line."""

    at_s: int
    event: str
    release: str
    reason: str
    state: State


class Journal:
    """The journal at `path`; one process writes it.

    Attributes:
        state: of the last good line; a new state where there is none.
        lost: a journal was there, and no line of it was good.
    """

    def __init__(self, path: Path, *, now_s: Callable[[], float] = time.time) -> None:
        self._path, self._now_s = path, now_s
        entries, self._good = _read(path)
        self.state = entries[-1].state if entries else State()
        self.lost = not entries and path.exists() and path.stat().st_size > 0

    def write(self, event: Event, state: State) -> None:
        """Keep that `event` led to `state`.

        Raises:
            StoreFull, StoreUnusable: it is not kept, and the state is as it was.
        """
        line = _line(int(self._now_s()), event, state)
        if self._good + len(line) > LIMIT_BYTES:
            content = b"".join(_lines(self._path.read_bytes()[: self._good])[-KEPT_LINES:]) + line
            atomic.write(self._path, content)
            self._good = len(content)
        else:
            atomic.append(self._path, line, at=self._good)
            self._good += len(line)
        self.state = state


def entries(path: Path) -> list[Entry]:
    """All good lines of the journal at `path`, oldest first."""
    return _read(path)[0]


def _line(at_s: int, event: Event, state: State) -> bytes:
    document = {
        "at": at_s,
        "event": event.kind.value,
        "release": event.release,
        "reason": event.reason,
        "state": states.document(state),
    }
    return json.dumps({**document, "sum": _sum(document)}, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"


def _sum(document: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(document, sort_keys=True, ensure_ascii=False).encode()).hexdigest()[:16]


def _lines(content: bytes) -> list[bytes]:
    return content.splitlines(keepends=True)


def _read(path: Path) -> tuple[list[Entry], int]:
    """The good lines from the beginning, and how many bytes they take."""
    try:
        content = path.read_bytes()[: 2 * LIMIT_BYTES]
    except OSError:
        return [], 0
    found, good = [], 0
    for line in _lines(content):
        entry = _entry(line)
        if entry is None:
            break
        found.append(entry)
        good += len(line)
    return found, good


def _entry(line: bytes) -> Entry | None:
    if not line.endswith(b"\n") or len(line) > LONGEST_LINE:
        return None
    try:
        document = json.loads(line)
        told = document.pop("sum")
        if told != _sum(document):
            return None
        return Entry(
            at_s=int(document["at"]),
            event=str(document["event"]),
            release=str(document["release"]),
            reason=str(document["reason"]),
            state=states.read(document["state"]),
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, BadMessage):
        return None
