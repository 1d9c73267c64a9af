"""What a server costs, with all processes that it started: CPU seconds, memory, descriptors, threads, from /proc."""

import os
from collections.abc import Iterator
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
PROC = Path("/proc")


def tree(pid: int) -> list[int]:
    """`pid` and its descendants."""
    children: dict[int, list[int]] = {}
    for one, fields in _all():
        children.setdefault(int(fields[1]), []).append(one)
    found, pending = [], [pid]
    while pending:
        now = pending.pop()
        found.append(now)
        pending += children.get(now, [])
    return found


def cpu_s(pid: int) -> float:
    """User and system time of the tree of `pid`, of processes that have ended too."""
    return sum(sum(int(fields[number]) for number in (11, 12, 13, 14)) for fields in _stats(pid)) / TICKS


def rss_bytes(pid: int) -> int:
    """Resident memory of the tree; what its processes share is counted for each."""
    return sum(int(fields[21]) for fields in _stats(pid)) * os.sysconf("SC_PAGE_SIZE")


def descriptors(pid: int) -> int:
    """Open descriptors of the tree."""
    return sum(len(list((PROC / str(one) / "fd").iterdir())) for one in tree(pid))


def threads(pid: int) -> int:
    """Threads of the tree."""
    return sum(int(fields[17]) for fields in _stats(pid))


def _stats(pid: int) -> Iterator[list[str]]:
    for one in tree(pid):
        fields = _fields(one)
        if fields:
            yield fields


def _all() -> Iterator[tuple[int, list[str]]]:
    for path in PROC.iterdir():
        if path.name.isdigit():
            fields = _fields(int(path.name))
            if fields:
                yield int(path.name), fields


def _fields(pid: int) -> list[str]:
    """Fields of /proc/PID/stat from the third on; empty where the process has ended."""
    try:
        return (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []
