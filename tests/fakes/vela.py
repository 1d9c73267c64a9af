"""Stands in for Vela's child, so that a test can say what it does; run as `python -m fakes.vela`.

The arena limit in the options decides: CRASH aborts, REFUSED raises, anything else is compiled, in as many cycles.
"""

import os

from edgewise.runtimes.answer import serve

CRASH, REFUSED, STARVED = 13, 14, 15


def read(source: str) -> str:
    return "[ini]\n"


def compile_(title: str, system: str, options: str, target: str) -> dict[str, object]:
    limit = int(options.partition("arena_size_limit=")[2].split()[0])
    if limit == CRASH:
        os.abort()
    if limit == REFUSED:
        raise ValueError("Invalid System Config")
    if limit == STARVED:
        raise MemoryError
    counts = {"cycles": limit, "npu_cycles": 1, "sram_bytes": 1, "dram_bytes": 0, "flash_bytes": 1}
    return counts | {
        "constant_bytes": 1, "traffic": [], "npu_operators": 1, "cpu_operators": [], "macs": 1, "tool": "fake 1",
    }  # fmt: skip


if __name__ == "__main__":
    serve({"read": read, "compile": compile_})
