"""What a variant would answer on an x86 CPU without VNNI, kept in the store."""

from pathlib import Path

from edgewise.design.data import Data
from edgewise.nouns import Variant
from edgewise.runtimes.child import Child
from edgewise.runtimes.samples import Array, read_arrays, write_arrays
from edgewise.store import steps
from edgewise.store.steps import Store

SAMPLES = 200
TIMEOUT_S = 300.0


def answers_without_vnni(variant: Variant, data: Data, store: Store, *, version: str) -> list[Array]:
    """Outputs for the first `SAMPLES` evaluation samples, [n, …] each.

    Args:
        variant: an ONNX file.
        version: of ONNX Runtime, whose kernels are emulated.

    Raises:
        ChildFailed: the emulator does not know an operator, or failed.
    """
    key = steps.key(
        "without-vnni",
        files=[file.digest for file in variant.files],
        data=data.summary.digest,
        seed=data.summary.seed,
        version=version,
    )
    known = store.recall(key)
    with store.scratch() as folder:
        inputs, outputs = Path(folder) / "inputs.npz", Path(folder) / "outputs.npz"
        if known is None:
            count = max(data.batch, SAMPLES // data.batch * data.batch)
            write_arrays(inputs, [array[:count] for array in data.evaluation.inputs])
            with Child("edgewise.design.numerics._worker", name=f"the emulation of {variant.recipe.name}") as child:
                child.call(
                    "without_vnni",
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
