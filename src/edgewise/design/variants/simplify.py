"""fp32, simplified: constants folded, operators fused, dead ends cut (onnxslim)."""

from pathlib import Path

import onnx
import onnxslim

from edgewise.design.variants.made import Made, Material, Settings
from edgewise.errors import RecipeNotApplicable


def simplify(source: Path, folder: Path, settings: Settings, material: Material) -> Made:  # noqa: ARG001
    """The same function with a smaller graph.

    Raises:
        RecipeNotApplicable: onnxslim cannot read the model, or changed its signature.
    """
    model = onnx.load(source)
    before = len(model.graph.node)
    try:
        slim = onnxslim.slim(model)
    except Exception as error:
        raise RecipeNotApplicable(f"onnxslim cannot simplify it: {type(error).__name__}: {error}") from error
    if _names(slim) != _names(model):
        raise RecipeNotApplicable("onnxslim changed the model's inputs or outputs")
    target = folder / "model.onnx"
    onnx.save(slim, target)
    return Made(files=(target,), notes=(f"{before} nodes became {len(slim.graph.node)}",))


def _names(model: onnx.ModelProto) -> tuple[list[str], list[str]]:
    constants = {tensor.name for tensor in model.graph.initializer}
    return (
        [tensor.name for tensor in model.graph.input if tensor.name not in constants],
        [tensor.name for tensor in model.graph.output],
    )
