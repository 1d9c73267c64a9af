"""Model folders in a store, without a plan: small, made up, and whole."""

from edgewise.build.strategies.model import ModelFolder
from edgewise.nouns import (
    Golden,
    ModelFile,
    RuntimeConfiguration,
    RuntimeName,
    ServedModel,
    Signature,
    Tensor,
)
from edgewise.runtimes import served
from edgewise.store.steps import Store

WEIGHTS = bytes(range(256)) * 40


def model_folder(store: Store, *, version: str = "1", weights: bytes = WEIGHTS, name: str = "meter") -> ModelFolder:
    """A model of two files and a golden, which nobody can run."""
    model = ServedModel(
        name=name,
        version=version,
        design="onnxruntime/given@1t",
        configuration=RuntimeConfiguration(runtime=RuntimeName.ONNXRUNTIME, version="1.0", threads=1),
        files=(kept(store, "model.onnx", weights), kept(store, "deep/weights.bin", weights[::-1])),
        signature=Signature(
            inputs=(Tensor(name="x", dtype="float32", shape=("n", 16)),),
            outputs=(Tensor(name="y", dtype="float32", shape=("n", 4)),),
        ),
        golden=Golden(file=kept(store, "golden.npz", b"golden" + weights[:10]), absolute=1e-5, relative=1e-5),
    )
    return ModelFolder(model=model, document=served.written(model), precision="fp32", parameters=26_122)


def kept(store: Store, name: str, content: bytes) -> ModelFile:
    return ModelFile(name=name, digest=store.blobs.put(content), size_bytes=len(content))
