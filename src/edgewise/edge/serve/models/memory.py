"""How much memory the process has, and whom to unload for whom (deciding is pure).

What a model takes is estimated: by how much the resident memory grew while it was loaded, warmed and probed. Requests
that are answered meanwhile are counted too, and what the allocator already held is not. Before a model was ever loaded,
the size of its files stands for it.
"""

import ctypes
import gc
import mmap
import os
from collections.abc import Sequence
from dataclasses import dataclass

_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True, kw_only=True)
class Resident:
    """A model in memory, as the ceiling sees it. `used_s`: when a request last asked for it."""

    key: tuple[str, str]
    memory_bytes: int
    used_s: float


def rss_bytes() -> int:
    """Resident memory of this process."""
    with open("/proc/self/statm", "rb") as file:  # noqa: PTH123 - a virtual file, read often
        return int(file.read().split()[1]) * _PAGE


def give_back() -> None:
    """Collect what is no longer used and let the allocator return it to the kernel."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc has it, musl does not
    if trim is not None:
        trim(0)
    _drop_code()


def _drop_code() -> None:
    """Unmap the pages of programs' code from this process: what ran once, at the start or to load, is most of them.

    They stay in the kernel's cache of files, and come back by themselves, sixteen at a time, where they run again.
    Only code is dropped: data of the same files has been written to by the linker.
    """
    advise = ctypes.CDLL(None, use_errno=True).madvise
    advise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    with open("/proc/self/maps", "rb") as file:  # noqa: PTH123 - a virtual file
        lines = file.read().splitlines()
    for line in lines:
        fields = line.split(maxsplit=5)
        if fields[1] == b"r-xp" and len(fields) == 6 and fields[5].startswith(b"/"):
            begin, _, end = fields[0].partition(b"-")
            advise(int(begin, 16), int(end, 16) - int(begin, 16), mmap.MADV_DONTNEED)  # what fails drops nothing


def victims(resident: Sequence[Resident], *, need_bytes: int, free_bytes: int) -> list[tuple[str, str]] | None:
    """Models to unload so that `need_bytes` fit, least recently used first; None where all of them are not enough."""
    chosen = []
    for one in sorted(resident, key=lambda one: one.used_s):
        if free_bytes >= need_bytes:
            break
        chosen.append(one.key)
        free_bytes += one.memory_bytes
    return chosen if free_bytes >= need_bytes else None
