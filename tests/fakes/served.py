"""Model folders as a server takes them, small and quickly made."""

import hashlib
import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from edgewise.nouns import (
    Golden,
    ModelFile,
    ModelFormat,
    RuntimeConfiguration,
    RuntimeName,
    ServedModel,
    Signature,
    Tensor,
)
from edgewise.runtimes import served
from fakes import linear

FORMAT = {
    RuntimeName.ONNXRUNTIME: ModelFormat.ONNX,
    RuntimeName.OPENVINO: ModelFormat.ONNX,
    RuntimeName.LITERT: ModelFormat.TFLITE,
}


def file(path: Path, folder: Path) -> ModelFile:
    """`path` as model.json names it."""
    content = path.read_bytes()
    return ModelFile(
        name=str(path.relative_to(folder)),
        digest=f"sha256:{hashlib.sha256(content).hexdigest()}",
        size_bytes=len(content),
    )


def golden(folder: Path, inputs: list[Any], outputs: list[Any], **tolerances: float) -> Golden:
    """golden.npz in `folder`."""
    content = io.BytesIO()
    np.savez(content, **{f"x{i}": x for i, x in enumerate(inputs)}, **{f"y{i}": y for i, y in enumerate(outputs)})
    path = folder / "golden.npz"
    path.write_bytes(content.getvalue())
    return Golden(
        file=file(path, folder),
        absolute=tolerances.get("absolute", 1e-4),
        relative=tolerances.get("relative", 1e-4),
    )


def linear_folder(
    folder: Path,
    *,
    name: str = "line",
    version: str = "1",
    runtime: RuntimeName = RuntimeName.ONNXRUNTIME,
    kind: linear.Kind = "dynamic",
    with_golden: bool = True,
    **changes: Any,
) -> Path:
    """A model folder with the linear fake: y = x @ W.T + b for x [batch, 6], or y = x * s for "plain"."""
    folder.mkdir(parents=True, exist_ok=True)
    path = linear.write(folder, FORMAT[runtime], kind)
    first: tuple[int | str, ...] = {"dynamic": ("batch",), "four": (4,), "plain": ()}[kind]
    x = np.random.default_rng(5).standard_normal((8, linear.FEATURES)).astype(np.float32)
    y = linear.expected(kind, x)
    model = ServedModel(
        name=name,
        version=version,
        design="as given",
        configuration=RuntimeConfiguration(runtime=runtime, version="", threads=1),
        files=(file(path, folder),),
        signature=Signature(
            inputs=(Tensor(name="x", dtype="float32", shape=(*first, linear.FEATURES)),),
            outputs=(Tensor(name="y", dtype="float32", shape=(*first, y.shape[-1])),),
        ),
        golden=golden(folder, [x], [y]) if with_golden else None,
    )
    return written(folder, replace(model, **changes))


def written(folder: Path, model: ServedModel) -> Path:
    """`folder` with model.json for `model`."""
    (folder / served.NAME).write_bytes(served.written(model))
    return folder
