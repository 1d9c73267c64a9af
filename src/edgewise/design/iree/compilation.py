"""One compilation in a child process of its own, bounded in time and memory, and how it ended.

A crash names no operator. Where one happens, the operators of the model are compiled one by one, each in a child: one
that crashes on its own, too, is what the compiler cannot do.
"""

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgewise import units
from edgewise.design.iree import diagnosis
from edgewise.errors import ChildFailed
from edgewise.runtimes.child import Child

WORKER = "edgewise.design.iree._worker"
MAX_DIAGNOSTICS = 256 << 10
CRASHES = ("SIGSEGV", "SIGABRT", "SIGBUS", "SIGILL", "SIGFPE")
SUSPECT_TIMEOUT_S = 20.0
CULPRIT_TIMEOUT_S = 60.0
CULPRIT_MEMORY_BYTES = 1 << 30
"""With less to allocate, a crash may be want of memory: one operator alone takes some 150 MB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Compiled:
    """A module was made, of `size_bytes`."""

    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """The compiler cannot: `reason` in a sentence."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopped:
    """A bound ended it, or something that is not the model's doing: `reason` in a sentence."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Crashed:
    """The compiler crashed: `reason` in a sentence."""

    reason: str


Ended = Compiled | Refused | Stopped | Crashed


@dataclass(frozen=True, slots=True, kw_only=True)
class Compilation:
    """What is compiled, and how much it may cost.

    Attributes:
        source: the ONNX file.
        flags: of iree-compile.
        timeout_s, memory_bytes: bounds of the child.
        scratch: makes the child's folder; the system's temporary folder where None.
    """

    source: Path
    flags: tuple[str, ...]
    timeout_s: float
    memory_bytes: int
    scratch: Callable[[], tempfile.TemporaryDirectory[str]] | None = None

    def run(self, node: int | None = None, *, timeout_s: float | None = None) -> Ended:
        """Compile all of the model, or one `node` alone, in a new child."""
        make = self.scratch or (lambda: tempfile.TemporaryDirectory(prefix="edgewise-"))
        with make() as folder, Child(WORKER, name="IREE") as child:
            try:
                answer = child.call(
                    "compile",
                    timeout_s=timeout_s or self.timeout_s,
                    source=str(self.source.resolve()),
                    folder=folder,
                    flags=self.flags,
                    memory_bytes=self.memory_bytes,
                    node=node,
                )
            except ChildFailed as error:
                return self._failed(error, _diagnostics(Path(folder)))
            return _answered(answer, Path(folder))

    def operators(self) -> list[dict[str, Any]]:
        """One node of each operator, by index and label, the rarest operator first.

        Raises:
            ChildFailed: the model cannot be taken apart.
        """
        with Child(WORKER, name="IREE") as child:
            found: list[dict[str, Any]] = child.call("operators", timeout_s=self.timeout_s, source=str(self.source))
            return found

    def _failed(self, error: ChildFailed, diagnostics: str) -> Ended:
        bound = units.show(self.memory_bytes, units.SIZE)
        if diagnosis.short_of_memory(f"{error.message}\n{diagnostics}"):
            return Stopped(reason=f"not proved: the compiler wants more memory than {bound}")
        if self.memory_bytes < CULPRIT_MEMORY_BYTES and "exit code" in error.message:
            return Stopped(reason=f"not proved: {error.message}; it may want more memory than {bound}")
        if error.message.endswith(CRASHES):
            return Crashed(reason=f"not proved: {error.message}, and no operator was found to do that on its own")
        return Stopped(reason=f"not proved: {error.message}")


def culprit(compilation: Compilation) -> Refused | None:
    """The operator that crashes the compiler on its own, too; None where none does, or time is up."""
    if compilation.memory_bytes < CULPRIT_MEMORY_BYTES:
        return None
    deadline = time.monotonic() + CULPRIT_TIMEOUT_S
    try:
        suspects = compilation.operators()
    except ChildFailed:
        return None
    for suspect in suspects:
        left = deadline - time.monotonic()
        if left <= 0:
            return None
        ended = compilation.run(suspect["index"], timeout_s=min(SUSPECT_TIMEOUT_S, left))
        if isinstance(ended, Crashed):
            return Refused(reason=f"{diagnosis.named(suspect['label'])} crashes the compiler")
    return None


def _answered(answer: dict[str, Any], folder: Path) -> Ended:
    if "refusal" in answer:
        return Refused(reason=diagnosis.import_reason(answer["refusal"], answer["where"]))
    if answer["size_bytes"] is None:
        return Refused(reason=diagnosis.reason(_diagnostics(folder)))
    return Compiled(size_bytes=answer["size_bytes"])


def _diagnostics(folder: Path) -> str:
    """The beginning of what the compiler wrote: its first error is the cause of the others."""
    try:
        with (folder / "diagnostics.txt").open("rb") as file:
            return file.read(MAX_DIAGNOSTICS).decode(errors="replace")
    except FileNotFoundError:
        return ""
