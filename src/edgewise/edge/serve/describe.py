"""What both skins say about the server and its models, as plain values."""

from dataclasses import dataclass

import numpy as np

from edgewise import __version__
from edgewise.edge.serve.contract import Loaded, Models
from edgewise.edge.serve.tensors import DATATYPES
from edgewise.served_nouns import Tensor

SERVER = "edgewise"
VERSION = __version__
EXTENSIONS = ("binary_tensor_data", "model_repository", "model_repository(unload_dependents)")
ANY_SIZE = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorMetadata:
    """A tensor as the protocol describes it; -1 stands for an axis of any size."""

    name: str
    datatype: str
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelMetadata:
    """A model as the protocol describes it."""

    name: str
    versions: tuple[str, ...]
    platform: str
    inputs: tuple[TensorMetadata, ...]
    outputs: tuple[TensorMetadata, ...]


def model(loaded: Loaded) -> ModelMetadata:
    """The metadata of one version of a model."""
    signature = loaded.signature
    return ModelMetadata(
        name=loaded.name,
        versions=(loaded.version,),
        platform=loaded.platform,
        inputs=tuple(map(_tensor, signature.inputs)),
        outputs=tuple(map(_tensor, signature.outputs)),
    )


def datatype(tensor: Tensor) -> str:
    """The protocol's datatype of a tensor of a model."""
    if tensor.dtype == "bfloat16":
        return "BF16"
    if tensor.dtype in ("object", "bytes", "str", "string"):
        return "BYTES"
    return DATATYPES[np.dtype(tensor.dtype)]


def _tensor(tensor: Tensor) -> TensorMetadata:
    shape = tuple(size if isinstance(size, int) else ANY_SIZE for size in tensor.shape)
    return TensorMetadata(name=tensor.name, datatype=datatype(tensor), shape=shape)


def versions(models: Models, found: ModelMetadata) -> tuple[str, ...]:
    """All versions of the model that are ready, or the one at hand."""
    ready = tuple(one.version for one in models.index() if one.name == found.name and one.state == "READY")
    return ready or found.versions


def configuration(loaded: Loaded) -> dict[str, object]:
    """What Triton's model configuration extension says of a model, as far as it applies here."""
    found = model(loaded)
    batched = loaded.batch_limit > 1
    return {
        "name": found.name,
        "platform": found.platform,
        "backend": found.platform.partition("_")[0],
        "max_batch_size": loaded.batch_limit if batched else 0,
        "input": [_configured(one, batched=batched) for one in found.inputs],
        "output": [_configured(one, batched=batched) for one in found.outputs],
    }


def _configured(tensor: TensorMetadata, *, batched: bool) -> dict[str, object]:
    kind = "STRING" if tensor.datatype == "BYTES" else tensor.datatype
    return {"name": tensor.name, "data_type": f"TYPE_{kind}", "dims": tensor.shape[1:] if batched else tensor.shape}
