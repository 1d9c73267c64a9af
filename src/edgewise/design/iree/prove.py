"""Proofs that a model compiles, each made in a child process of its own and kept in the store.

The child is bounded in time and memory. What a bound or a crash ended is no verdict on the model: such a proof is
not `decided`, and is not kept, so that the next call tries again.
"""

import importlib.metadata
import os
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from edgewise import units
from edgewise.design import models
from edgewise.design.iree.compilation import Compilation, Compiled, Crashed, Refused, culprit
from edgewise.design.iree.targets import Target, targets_named
from edgewise.errors import BadModel, MissingDependency
from edgewise.nouns import Model, ModelFormat
from edgewise.progress import SILENT, Progress
from edgewise.store import steps
from edgewise.store.steps import Store

PACKAGE = "iree-base-compiler"
TIMEOUT_S = 300.0
MAX_MODEL_BYTES = 1 << 30
"""Larger models do not fit the importer, which holds them in one protobuf message of 2 GiB at most, twice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What the compiler said about one model and one target.

    Attributes:
        target: by name, a key of `targets.TARGETS`.
        compiles: a module was made.
        decided: False where a bound or a crash ended the compiler, so that nothing is proved either way.
        reason: why it does not compile, one sentence that names the operator and the node where the compiler
            does; "" where it compiles.
        seconds: wall time of importing and compiling, when it was done.
        size_bytes: of the module, weights included; None where there is none.
        tool: the compiler with its version.
    """

    target: str
    compiles: bool
    reason: str
    seconds: float
    size_bytes: int | None
    tool: str
    decided: bool = True


def version() -> str:
    """Version of IREE's compiler here; the one door to it.

    Raises:
        MissingDependency: it is not installed.
    """
    try:
        return importlib.metadata.version(PACKAGE)
    except importlib.metadata.PackageNotFoundError:
        raise MissingDependency("IREE's compiler is not installed", hint="pip install 'edgewise[iree]'") from None


def prove(
    model_path: Path,
    target: str,
    *,
    store: Store | None,
    timeout_s: float = TIMEOUT_S,
    memory_bytes: int | None = None,
) -> Proof:
    """`prove_all` for one target."""
    return prove_all(model_path, [target], store=store, timeout_s=timeout_s, memory_bytes=memory_bytes)[0]


def prove_all(
    model_path: Path,
    targets: Sequence[str],
    *,
    store: Store | None,
    timeout_s: float = TIMEOUT_S,
    memory_bytes: int | None = None,
    progress: Progress = SILENT,
) -> tuple[Proof, ...]:
    """Compile the ONNX file at `model_path` for each of `targets`; the proofs are in their order.

    Args:
        store: where proofs are kept, by the model's bytes, the target's flags and the compiler's version.
        timeout_s: of one compilation.
        memory_bytes: what one compilation may allocate; half of this machine's memory where None.

    Raises:
        EdgewiseError: there is no such target.
        MissingDependency: IREE is not installed.
        NotFound, BadModel: there is no model that can be read, or it is not ONNX.
    """
    wanted = targets_named(targets)
    tool = f"{PACKAGE} {version()}"
    model = models.read(model_path)
    if model.format is not ModelFormat.ONNX:
        raise BadModel(f"IREE compiles ONNX models here, and this one is {model.format}", hint="give the .onnx file")
    memory_bytes = memory_bytes or os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
    progress.stage("compiling with IREE", len(wanted))
    proofs = []
    for target in wanted:
        key = _key(model, target, tool)
        proof = _recall(store, key)
        if proof is None:
            proof = _too_large(model, target, tool) or _compile(
                Compilation(
                    source=model_path,
                    flags=target.flags,
                    timeout_s=timeout_s,
                    memory_bytes=memory_bytes,
                    scratch=None if store is None else store.scratch,
                ),
                target.name,
                tool,
            )
            if store is not None and proof.decided:
                store.record(key, asdict(proof))
        proofs.append(proof)
        progress.step(target.name)
    return tuple(proofs)


def _compile(compilation: Compilation, target: str, tool: str) -> Proof:
    started = time.monotonic()
    ended = compilation.run()
    if isinstance(ended, Crashed):
        ended = culprit(compilation) or ended
    return Proof(
        target=target,
        compiles=isinstance(ended, Compiled),
        reason="" if isinstance(ended, Compiled) else ended.reason,
        seconds=time.monotonic() - started,
        size_bytes=ended.size_bytes if isinstance(ended, Compiled) else None,
        tool=tool,
        decided=isinstance(ended, Compiled | Refused),
    )


def _too_large(model: Model, target: Target, tool: str) -> Proof | None:
    if model.size_bytes <= MAX_MODEL_BYTES:
        return None
    size, most = (units.show(amount, units.SIZE) for amount in (model.size_bytes, MAX_MODEL_BYTES))
    return Proof(
        target=target.name,
        compiles=False,
        reason=f"not tried: the model has {size}, and {most} is the most that is tried",
        seconds=0.0,
        size_bytes=None,
        tool=tool,
        decided=False,
    )


def _key(model: Model, target: Target, tool: str) -> str:
    files = {file.name: file.digest for file in model.files[1:]}
    return steps.key(
        "iree",
        model=model.digest,
        files=files,
        target=target.name,
        flags=list(target.flags),
        tool=tool,
        onnx=importlib.metadata.version("onnx"),  # infers the shapes
    )


def _recall(store: Store | None, key: str) -> Proof | None:
    known = None if store is None else store.recall(key)
    return None if known is None else Proof(**known)
