"""What a variant would answer on machines that are not here, emulated in a child and kept in the store."""

from pathlib import Path
from typing import Literal

from edgewise.design.data import Data
from edgewise.nouns import Variant
from edgewise.runtimes.child import Child
from edgewise.runtimes.samples import Array, read_arrays, write_arrays
from edgewise.store import steps
from edgewise.store.steps import Store

SAMPLES = 200
TIMEOUT_S = 600.0
MACS = 2e10
"""Multiply-accumulates that the emulation of TFLite's kernels may spend: about twenty seconds."""
FEWEST = 100


def answers_without_vnni(variant: Variant, data: Data, store: Store, *, version: str) -> list[Array]:
    """Outputs on an x86 CPU without VNNI for the first `SAMPLES` evaluation samples, [n, …] each.

    Args:
        variant: an ONNX file.
        version: of ONNX Runtime, whose kernels are emulated.

    Raises:
        ChildFailed: the emulator does not know an operator, or failed.
    """
    return _answers("without_vnni", variant, data, store, version=version, samples=SAMPLES)


def answers_in_tflite_reference(variant: Variant, data: Data, store: Store, *, macs: int | None) -> list[Array]:
    """Outputs in the integer arithmetic of TFLite's reference kernels, which microcontrollers and NPUs follow.

    For as many evaluation samples as `MACS` allow, in their order, [n, …] each.

    Args:
        variant: a TFLite file with int8 weights and activations.
        macs: of one inference.

    Raises:
        ChildFailed: the emulator does not know an operator, or failed.
    """
    samples = max(FEWEST, int(MACS / max(macs or 1, 1)))
    return _answers("tflite_reference", variant, data, store, version="", samples=samples)


def _answers(
    emulation: Literal["without_vnni", "tflite_reference"],
    variant: Variant,
    data: Data,
    store: Store,
    *,
    version: str,
    samples: int,
) -> list[Array]:
    count = min(max(data.batch, samples // data.batch * data.batch), len(data.evaluation.inputs[0]))
    key = steps.key(
        emulation.replace("_", "-"),
        files=[file.digest for file in variant.files],
        data=data.summary.digest,
        seed=data.summary.seed,
        version=version,
        samples=count,
    )
    known = store.recall(key)
    with store.scratch() as folder:
        inputs, outputs = Path(folder) / "inputs.npz", Path(folder) / "outputs.npz"
        if known is None:
            write_arrays(inputs, [array[:count] for array in data.evaluation.inputs])
            with Child("edgewise.design.numerics._worker", name=f"the emulation of {variant.recipe.name}") as child:
                child.call(
                    emulation,
                    timeout_s=TIMEOUT_S,
                    path=str(store.blobs.path(variant.files[0].digest)),
                    inputs=str(inputs),
                    outputs=str(outputs),
                    batched=data.batched,
                    batch=data.batch,
                )
            known = {"outputs": store.blobs.put_file(outputs)}
            store.record(key, known, blobs=(known["outputs"],))
        else:
            store.blobs.lay_out(known["outputs"], outputs)
        return read_arrays(outputs)
