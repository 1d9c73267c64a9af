"""What a variant predicts on the evaluation split, in a process of its own, kept in the store."""

import datetime
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from edgewise.design.data import Data
from edgewise.errors import ChildFailed
from edgewise.nouns import Recipe, RuntimeConfiguration, Variant
from edgewise.runtimes.place import HERE, Place, Worker
from edgewise.runtimes.samples import Array, read_arrays, write_arrays
from edgewise.store import steps
from edgewise.store.steps import Store

LOAD_TIMEOUT_S = 300.0
PREDICT_TIMEOUT_S = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Predictions:
    """Outputs for every evaluation sample, [n, …] each, the runtime's log (a digest), and when they were made."""

    outputs: tuple[Array, ...]
    log: str
    date: str


def start(
    configuration: RuntimeConfiguration, recipe: Recipe, *, prefix: tuple[str, ...] = (), place: Place = HERE
) -> Worker:
    """A child that has imported the runtime and loaded nothing yet.

    Args:
        prefix: what to run Python under, e.g. an emulator of another CPU.
        place: where it runs.

    Raises:
        ChildFailed: it could not be started.
        DeviceLost: the device that it would run on is gone.
    """
    child = place.start(name=f"{configuration.runtime} with {recipe.name}", prefix=prefix)
    try:
        child.call("prepare", timeout_s=LOAD_TIMEOUT_S, runtime=configuration.runtime.value)
    except BaseException:
        child.close()
        raise
    return child


def load(
    child: Worker,
    variant: Variant,
    configuration: RuntimeConfiguration,
    inputs: Path,
    data: Data,
    store: Store,
    *,
    limit: int | None = None,
) -> float:
    """Load `variant` in `child` as `configuration` says; the milliseconds that loading took.

    Args:
        inputs: samples as `write_arrays` writes them; the variant's files are laid out in a folder of their own
            beside them: whatever is in that folder belongs to the model, and goes with it to a device.
        limit: at most so many samples.

    Raises:
        ChildFailed: the runtime cannot load the variant, with its own words.
    """
    folder = Path(tempfile.mkdtemp(dir=inputs.parent))
    for file in variant.files:
        target = folder / file.name
        target.parent.mkdir(parents=True, exist_ok=True)
        store.blobs.lay_out(file.digest, target)
    answer = child.call(
        "load",
        timeout_s=LOAD_TIMEOUT_S,
        runtime=configuration.runtime.value,
        path=str(folder / variant.files[0].name),
        threads=configuration.threads,
        options=dict(configuration.options),
        inputs=str(inputs),
        batched=data.batched,
        batch=data.batch,
        limit=limit,
        axes=dict(data.axes),
    )
    return float(answer["load_ms"])


def predict(
    variant: Variant,
    configuration: RuntimeConfiguration,
    data: Data,
    store: Store,
    *,
    machine: str,
    prefix: tuple[str, ...] = (),
    place: Place = HERE,
) -> Predictions:
    """Outputs of `variant` on the evaluation split.

    Args:
        machine: identity of the machine that `place` is: kernels, and so numerics, depend on it.
        prefix: as for `start`; part of the cache's key.
        place: where it runs.

    Raises:
        ChildFailed: the runtime failed or crashed; not remembered.
        DeviceLost: the device that it runs on is gone; not remembered.
    """
    key = steps.key(
        "predictions",
        files=[file.digest for file in variant.files],
        data=data.summary.digest,
        seed=data.summary.seed,
        evaluation=data.summary.evaluation,
        runtime=_numerics(configuration),
        machine=machine,
        prefix=prefix,
    )
    known = store.recall(key)
    with store.scratch() as folder:
        target = Path(folder) / "outputs.npz"
        if known is None:
            known = _run(variant, configuration, data, store, target, prefix, place)
            store.record(key, known, blobs=tuple(known[name] for name in ("outputs", "log") if name in known))
        elif "outputs" in known:
            store.blobs.lay_out(known["outputs"], target)
        if "failure" in known:
            raise ChildFailed(known["failure"], log=store.blobs.get(known["log"]).decode(), lasting=True)
        return Predictions(outputs=tuple(read_arrays(target)), log=known["log"], date=known["date"])


def _run(
    variant: Variant,
    configuration: RuntimeConfiguration,
    data: Data,
    store: Store,
    target: Path,
    prefix: tuple[str, ...],
    place: Place,
) -> dict[str, str]:
    """Record of running the evaluation split: its outputs (also written to `target`), or why it cannot run."""
    inputs = target.parent / "inputs.npz"
    write_arrays(inputs, data.evaluation.inputs)
    try:
        with start(configuration, variant.recipe, prefix=prefix, place=place) as child:
            load(child, variant, configuration, inputs, data, store)
            child.call("predict", timeout_s=PREDICT_TIMEOUT_S, outputs=str(target))
            log = store.blobs.put(child.log().encode())
    except ChildFailed as error:
        if not error.lasting:
            raise
        return {"failure": error.message, "log": store.blobs.put(error.log.encode())}
    date = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    return {"outputs": store.blobs.put_file(target), "log": log, "date": date}


def _numerics(configuration: RuntimeConfiguration) -> Mapping[str, object]:
    """What of a configuration may change an answer; the number of threads is tried in timing alone."""
    return {
        "runtime": configuration.runtime.value,
        "version": configuration.version,
        "options": dict(configuration.options),
    }
