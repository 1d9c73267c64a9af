"""One version of a model in memory: verified, loaded, warmed, proven, probed, in this order."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from edgewise.edge.serve.models import folder as folders
from edgewise.edge.serve.models.curve import ROWS
from edgewise.edge.serve.models.folder import Folder, Staged
from edgewise.edge.serve.models.probe import Near, batched, probed
from edgewise.edge.serve.models.rows import Rows
from edgewise.edge.serve.models.sessions import Sessions, Shapes
from edgewise.errors import BadModel
from edgewise.nouns import RuntimeName, Signature, Tensor
from edgewise.runtimes import golden
from edgewise.runtimes.golden import Examples
from edgewise.runtimes.samples import Array

PLATFORMS = {
    RuntimeName.ONNXRUNTIME: "onnxruntime_onnx",
    RuntimeName.OPENVINO: "openvino_openvino",
    RuntimeName.LITERT: "litert_tflite",
}
WARM_RUNS = 3
UNKNOWN_RANK = ("...",)


@dataclass(slots=True, kw_only=True)
class LoadedModel:
    """What the core runs; see `edge.serve.contract.Loaded`.

    Attributes:
        digest: of its model.json.
        why: why rows run together or do not, one sentence.
        load_s: how long it took to load, warm, prove and probe.
        memory_bytes: by how much the process grew meanwhile; an estimate.
    """

    name: str
    version: str
    signature: Signature
    platform: str
    digest: str
    call: Callable[[Sequence[Array]], Sequence[Array]]
    batch_limit: int = 1
    run_s: Sequence[float] = field(default_factory=tuple)
    delay_bound_s: float = 0.0
    inline: bool = False
    threads: int = 1
    why: str = ""
    load_s: float = 0.0
    memory_bytes: int = 0
    staged: Staged | None = None

    def run(self, inputs: Sequence[Array]) -> Sequence[Array]:
        """Outputs for `inputs`, in the signature's order."""
        return self.call(inputs)

    def close(self) -> None:
        """Let go of sessions and files. Nobody runs it any more."""
        self.call = _unloaded
        if self.staged is not None:
            self.staged.remove()


def load(folder: Folder) -> LoadedModel:
    """Verify, load, warm and prove the model of `folder`. Blocks; for a thread of its own.

    Raises:
        NotFound, WrongBytes: its files are not what model.json says.
        MissingDependency: its runtime is not installed.
        BadModel: it does not load, or does not run.
        GoldenMissed: this machine does not reproduce the golden.
    """
    started = time.perf_counter()
    staged = folders.stage(folder)
    try:
        loaded = _loaded(folder, staged)
    except BaseException:
        staged.remove()
        raise
    loaded.load_s = time.perf_counter() - started
    return loaded


def _loaded(folder: Folder, staged: Staged) -> LoadedModel:
    model = folder.model
    examples = None if model.golden is None else golden.read(staged.folder / model.golden.file.name)
    shapes = first_shapes(model.signature, examples)
    first = sample(model.signature, shapes, examples)
    sessions = Sessions(staged.folder / model.files[0].name, model.configuration, model.signature, shapes)
    warm(sessions.run, first, staged.folder / model.files[0].name)
    sessions.bind(first)
    near = Near()
    if model.golden is not None and examples is not None:
        golden.prove(sessions.run, examples, model.golden, model.signature)
        near = Near(absolute=model.golden.absolute, relative=model.golden.relative)
    delay_bound_s = model.delay_bound_ms / 1e3
    curve = probed(sessions.run, first, model.signature, delay_bound_s=delay_bound_s, examples=examples, near=near)
    sessions.keep(ROWS[: len(curve.run_s)])
    inside = any(isinstance(axis, str) for tensor in model.signature.inputs for axis in tensor.shape[1:])
    return LoadedModel(
        name=model.name,
        version=model.version,
        signature=outward(model.signature),
        platform=PLATFORMS[model.configuration.runtime],
        digest=folder.digest,
        call=Rows(sessions.run, curve).run
        if batched(model.signature) and curve.apart and not sessions.free
        else sessions.run,
        batch_limit=curve.limit,
        run_s=curve.run_s,
        inline=curve.inline and (sessions.free or not inside),
        why=curve.why,
        delay_bound_s=delay_bound_s,
        threads=model.configuration.threads,
        staged=staged,
    )


def warm(run: Callable[[Sequence[Array]], Sequence[Array]], inputs: Sequence[Array], path: Path) -> None:
    """Run it a few times, so that what is made on the first call is made.

    Raises:
        BadModel: it does not run.
    """
    try:
        for _ in range(WARM_RUNS):
            run(inputs)
    except Exception as error:  # runtimes raise what they like
        raise BadModel(f"{path.name} loads and does not run: {error}", hint="build the model folder again") from error


def outward(signature: Signature) -> Signature:
    """As clients see it: a quantised tensor is real numbers, for the runtime converts."""
    return Signature(
        inputs=tuple(_real(tensor) for tensor in signature.inputs),
        outputs=tuple(_real(tensor) for tensor in signature.outputs),
    )


def _real(tensor: Tensor) -> Tensor:
    return replace(tensor, dtype="float32") if tensor.quantised else tensor


def first_shapes(signature: Signature, examples: Examples | None) -> Shapes:
    """Shapes of one inference: those of an example where there are some, else 1 for every axis with a name."""
    if examples is not None:
        _, inputs, _ = next(golden.single(examples, signature))
        return tuple(array.shape for array in inputs)
    return tuple(
        () if tensor.shape == UNKNOWN_RANK else tuple(1 if isinstance(axis, str) else axis for axis in tensor.shape)
        for tensor in signature.inputs
    )


def sample(signature: Signature, shapes: Shapes, examples: Examples | None) -> list[Array]:
    """Inputs of one inference: the first example, or zeros."""
    if examples is not None:
        return next(golden.single(examples, signature))[1]
    return [
        np.full(shape, b"", object) if tensor.dtype in ("object", "bytes", "str") else np.zeros(shape, tensor.dtype)
        for tensor, shape in zip(outward(signature).inputs, shapes, strict=True)
    ]


def _unloaded(_: Sequence[Array]) -> Sequence[Array]:
    raise RuntimeError("the model was unloaded")
