"""`edgewise inspect`: what is in a model file."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from edgewise import units
from edgewise.cli._figures import count, plain
from edgewise.cli.config import Output, settings
from edgewise.cli.options import OutputFlag
from edgewise.cli.output import Column, data, heading, names, sentence, table
from edgewise.design import models
from edgewise.nouns import Layer, Model, Tensor

Shape = tuple[int | str, ...]


def run(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="An .onnx or .tflite file.", dir_okay=False)],
    output: OutputFlag = None,
) -> None:
    """Show what is in a model file.

    Inputs, outputs, parameters, and multiply-accumulates (MACs) of one inference. Every layer: -o wide.
    """
    form = settings(output=output).output
    found = models.read(model)
    match form:
        case Output.TABLE | Output.WIDE:
            _show(found, wide=form is Output.WIDE)
        case Output.NAME:
            names([found.name])
        case _:
            data(document(found), form)


def document(model: Model) -> Mapping[str, object]:
    """The model as JSON holds it, with the sums that the noun computes."""
    fields = plain(model)
    assert isinstance(fields, dict)
    sums = {"parameters": model.parameters, "macs": model.macs, "size_bytes": model.size_bytes}
    return {"name": fields.pop("name"), **sums, **fields}


def _show(model: Model, *, wide: bool) -> None:
    dtypes = ", ".join(f"{count(number)} {dtype}" for dtype, number in model.parameters_by_dtype.items())
    opset = "" if model.opset is None else f", opset {model.opset}"
    dynamic = sorted({axis for tensor in model.signature.inputs for axis in tensor.shape if isinstance(axis, str)})
    facts = [
        ("name", model.name),
        ("format", f"{model.format}{opset}"),
        ("size", units.show(model.size_bytes, units.SIZE)),
        ("parameters", dtypes or "none"),
        ("MACs", count(model.macs)),
        ("layers", str(len(model.layers))),
        ("dynamic axes", ", ".join(dynamic) or "none"),
    ]
    columns: list[Column[tuple[str, str]]] = [
        Column(title="FACT", text=lambda fact: fact[0]),
        Column(title="VALUE", text=lambda fact: fact[1]),
    ]
    table(facts, columns, wide=wide)
    sentence(f"\ndigest: {model.digest}")
    heading("Signature")
    tensors = [("input", tensor) for tensor in model.signature.inputs]
    tensors += [("output", tensor) for tensor in model.signature.outputs]
    table(tensors, SIGNATURE_COLUMNS, wide=wide)
    if model.macs is None:
        missing = sum(layer.macs is None for layer in model.layers)
        sentence(f"\nThe MACs of {missing} of {len(model.layers)} layers are unknown: a shape is not in the file.")
    if wide:
        heading("Layers")
        table(model.layers, LAYER_COLUMNS, wide=True)


def shape(axes: Shape) -> str:
    """`[n, 3, 224, 224]`; a dynamic axis by its name."""
    return f"[{', '.join(str(axis) for axis in axes)}]"


SIGNATURE_COLUMNS: list[Column[tuple[str, Tensor]]] = [
    Column(title="KIND", text=lambda row: row[0]),
    Column(title="NAME", text=lambda row: row[1].name),
    Column(title="DTYPE", text=lambda row: row[1].dtype),
    Column(title="SHAPE", text=lambda row: shape(row[1].shape)),
]
LAYER_COLUMNS: list[Column[Layer]] = [
    Column(title="LAYER", text=lambda layer: layer.name),
    Column(title="OPERATOR", text=lambda layer: layer.operator),
    Column(title="OUTPUT", text=lambda layer: shape(layer.output_shape)),
    Column(title="PARAMETERS", text=lambda layer: count(layer.parameters), right=True),
    Column(title="MACS", text=lambda layer: count(layer.macs), right=True),
]
