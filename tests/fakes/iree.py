"""Stands in for the child that compiles with IREE, so that a test can say what it does; run as `python -m fakes.iree`.

The target decides: aarch64 compiles, vulkan is refused by the compiler, x86_64 by the importer, riscv64 crashes, and
so does the second operator on its own; cuda-sm_80 crashes and no operator does; cuda-sm_86 hangs; cuda-sm_87 gets no
memory; cuda-sm_89 is interrupted by the disk.
"""

import os
import time
from collections.abc import Sequence
from pathlib import Path

from edgewise.design.iree.diagnosis import label
from edgewise.runtimes.answer import serve

SIZE_BYTES = 4321
OPERATORS = (("Relu", "first"), ("Unique", "second"), ("Gemm", "third"))
DETAIL = "operand and result must have the same size"


def compile_(
    *, source: str, folder: str, flags: Sequence[str], memory_bytes: int, node: int | None = None
) -> dict[str, object]:
    text = " ".join(flags)
    if "vulkan" in text:
        error = f'<unknown>:0: error: loc("{label("Unique", "second")}"): {DETAIL}\n'
        Path(folder, "diagnostics.txt").write_text("warning: nothing\n" + error)
        return {"size_bytes": None}
    if "x86_64" in text:
        return {"refusal": "bad type", "where": label("Unique", "second")}
    if "riscv64" in text and node in (None, 1):
        os.abort()
    if "sm_80" in text and node is None:
        os.abort()
    if "sm_86" in text:
        time.sleep(60)
    if "sm_87" in text:
        Path(folder, "diagnostics.txt").write_text("LLVM ERROR: out of memory\n")
        os.abort()
    if "sm_89" in text:
        raise OSError(28, "No space left on device")
    return {"size_bytes": SIZE_BYTES}


def operators(*, source: str) -> list[dict[str, object]]:
    return [{"index": index, "label": label(*entry)} for index, entry in enumerate(OPERATORS)]


if __name__ == "__main__":
    serve({"compile": compile_, "operators": operators})
