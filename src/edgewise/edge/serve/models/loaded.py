"""One version of a model in memory: verified, loaded, warmed, proven, probed, in this order."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from edgewise.edge.serve.models import folder as folders
from edgewise.edge.serve.models import pipeline
from edgewise.edge.serve.models.curve import ROWS, Curve
from edgewise.edge.serve.models.folder import Folder, Staged
from edgewise.edge.serve.models.pipeline import Pipeline, Stage
from edgewise.edge.serve.models.probe import Near, batched, probed
from edgewise.edge.serve.models.rows import Rows
from edgewise.edge.serve.models.sessions import Sessions, Shapes
from edgewise.errors import BadModel
from edgewise.runtimes import golden, protocol
from edgewise.runtimes.golden import Examples
from edgewise.runtimes.samples import Array
from edgewise.served_nouns import RuntimeName, ServedModel, Signature, Tensor

PLATFORMS = {
    RuntimeName.ONNXRUNTIME: "onnxruntime_onnx",
    RuntimeName.OPENVINO: "openvino_openvino",
    RuntimeName.LITERT: "litert_tflite",
}
Run = Callable[[Sequence[Array]], Sequence[Array]]
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
        caveat: what of it is not as it was measured, one sentence; "" where everything is.
    """

    name: str
    version: str
    signature: Signature
    platform: str
    digest: str
    call: Run
    batch_limit: int = 1
    run_s: Sequence[float] = field(default_factory=tuple)
    delay_bound_s: float = 0.0
    inline: bool = False
    threads: int = 1
    why: str = ""
    load_s: float = 0.0
    memory_bytes: int = 0
    caveat: str = ""
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
    part = _pipeline(model, staged) if model.steps else _part(model, staged)
    return LoadedModel(
        name=model.name,
        version=model.version,
        signature=outward(model.signature),
        platform="pipeline" if model.steps else PLATFORMS[model.configuration.runtime],
        digest=folder.digest,
        call=part.run,
        batch_limit=part.curve.limit,
        run_s=part.curve.run_s,
        inline=part.curve.inline and part.inline,
        why=part.curve.why,
        delay_bound_s=model.delay_bound_ms / 1e3,
        threads=part.threads,
        caveat=other_versions(model),
        staged=staged,
    )


def other_versions(model: ServedModel, in_use: Callable[[RuntimeName], str] = protocol.version_in_use) -> str:
    """A sentence where `model` runs by another version of a runtime than the one that was measured; else "".

    Args:
        in_use: the version of a runtime here, "" where nobody knows.
    """
    every = [step.configuration for step in model.steps if step.configuration is not None] or [model.configuration]
    pairs = {(one.runtime, one.version, in_use(one.runtime)) for one in every if one.version}
    told = [
        f"{runtime} {here}, measured was {runtime} {there}" for runtime, there, here in pairs if here not in ("", there)
    ]
    return f"it runs by {'; '.join(sorted(told))}" if told else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """A model, or a whole pipeline, that was loaded and probed. `inline`: no call of it loads anything."""

    run: Run
    curve: Curve
    inline: bool
    threads: int


def _part(model: ServedModel, staged: Staged) -> _Part:
    """Load, warm, prove and probe a model alone."""
    examples = None if model.golden is None else golden.read(staged.folder / model.golden.file.name)
    signature, name = model.signature, model.files[0].name
    shapes = first_shapes(signature, examples)
    first = sample(signature, shapes, examples)
    sessions = Sessions(staged.folder / name, model.configuration, signature, shapes)
    warm(sessions.run, first, name)
    sessions.bind(first)
    near = Near()
    if model.golden is not None and examples is not None:
        golden.prove(sessions.run, examples, model.golden, signature)
        near = Near(absolute=model.golden.absolute, relative=model.golden.relative)
    curve = probed(
        sessions.run, first, signature, delay_bound_s=model.delay_bound_ms / 1e3, examples=examples, near=near
    )
    sessions.keep(ROWS[: len(curve.run_s)])
    cut = batched(signature) and curve.apart and not sessions.free
    inside = any(isinstance(axis, str) for tensor in signature.inputs for axis in tensor.shape[1:])
    return _Part(
        run=Rows(sessions.run, curve).run if cut else sessions.run,
        curve=curve,
        inline=sessions.free or not inside,
        threads=model.configuration.threads,
    )


def _pipeline(model: ServedModel, staged: Staged) -> _Part:
    """Load every step, and probe the whole.

    A Python function may well fail on inputs that are made up; then nothing is known of its times, and nothing runs
    together.
    """
    pipeline.check_types(model)
    files = {file.name: file for file in model.files}
    stages, threads, inline = [], 1, True
    for step in model.steps:
        if step.configuration is None:
            run = pipeline.function(step, staged)
        else:
            proven = step.run == model.files[0].name
            part = _part(
                replace(
                    model,
                    configuration=step.configuration,
                    files=(files[step.run],),
                    signature=step.signature,
                    golden=model.golden if proven else None,
                    steps=(),
                ),
                staged,
            )
            run, threads, inline = part.run, max(threads, part.threads), inline and part.inline
        stages.append(Stage(run=run, takes=step.takes, gives=step.gives))
    whole = Pipeline(model, stages).run
    made_up = sample(model.signature, first_shapes(model.signature, None), None)
    try:
        whole(made_up)
        curve = probed(
            whole, made_up, model.signature, delay_bound_s=model.delay_bound_ms / 1e3, examples=None, near=Near()
        )
    except (Exception, SystemExit) as error:  # whatever a step makes of zeros
        curve = Curve(limit=1, run_s=(), inline=False, why=f"its steps refuse inputs that are made up: {error}")
    return _Part(run=whole, curve=curve, inline=inline, threads=threads)


def warm(run: Run, inputs: Sequence[Array], name: str) -> None:
    """Run it a few times, so that what is made on the first call is made.

    Raises:
        BadModel: it does not run.
    """
    try:
        for _ in range(WARM_RUNS):
            run(inputs)
    except Exception as error:  # runtimes raise what they like
        raise BadModel(f"{name} loads and does not run: {error}", hint="build the model folder again") from error


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
