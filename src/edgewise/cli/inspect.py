"""`edgewise inspect`: what is in a model file, and what it compiles for; what is in an image or an artifact."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer

from edgewise import units
from edgewise.cli import _image_view
from edgewise.cli._figures import count, plain
from edgewise.cli._references import PlainHttpFlag
from edgewise.cli.config import Output, settings
from edgewise.cli.options import OutputFlag, ProgressFlag, StoreFlag
from edgewise.cli.output import Column, data, heading, names, sentence, table
from edgewise.cli.progress import drawing
from edgewise.design import models
from edgewise.design.iree.prove import TIMEOUT_S, Proof, prove_all
from edgewise.design.iree.targets import TARGETS
from edgewise.nouns import Layer, Model, Tensor
from edgewise.store.steps import Store

Shape = tuple[int | str, ...]
MODELS = (".onnx", ".tflite")


def run(
    what: Annotated[
        str,
        typer.Argument(
            metavar="MODEL|IMAGE",
            help="An .onnx or .tflite file; or an image's name, in the store, a folder or a registry.",
        ),
    ],
    compile_for: Annotated[
        str | None,
        typer.Option(metavar="TARGET,...", help=f"Prove with IREE that it compiles for: {', '.join(TARGETS)}."),
    ] = None,
    timeout: Annotated[
        float, typer.Option(metavar="SECONDS", min=1.0, help="At most, for one compilation.")
    ] = TIMEOUT_S,
    key: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Of an image: check its signatures by this public key.", dir_okay=False),
    ] = None,
    plain_http: PlainHttpFlag = None,
    store: StoreFlag = None,
    progress: ProgressFlag = None,
    output: OutputFlag = None,
) -> None:
    """Show what is in a model file, an image or an artifact.

    Of a model: inputs, outputs, parameters, and multiply-accumulates (MACs) of one inference. Every layer: -o wide.

    With --compile-for, whether a compiler takes every operator of an ONNX model to a target that is not here. Nothing
    is run there, so it says nothing about speed or accuracy.

    Example: edgewise inspect model.onnx --compile-for aarch64,vulkan,cuda-sm_87

    Of an image or an artifact: layers and what they hold, how it runs, signatures, and the packages of its bill of
    materials. With --key, every signature is checked, and it is an error where none is by that key.

    Example: edgewise inspect meter-reader/press-line:1 --key edgewise.pub
    """
    chosen = settings(store=store, progress=progress, output=output)
    model = Path(what)
    if compile_for is None and model.suffix not in MODELS and not model.is_file():
        _image_view.inspect(what, chosen, key=key, plain_http=plain_http)
        return
    if key is not None:
        raise typer.BadParameter("--key belongs to an image")
    form = chosen.output
    found = models.read(model)
    proofs: Sequence[Proof] = ()
    if compile_for is not None:
        targets = [name.strip() for name in compile_for.split(",") if name.strip()]
        if not targets:
            raise typer.BadParameter(f"no target given: one or more of {', '.join(TARGETS)}")
        with drawing(chosen.progress) as listener:
            proofs = prove_all(model, targets, store=Store(chosen.store), timeout_s=timeout, progress=listener)
    match form:
        case Output.TABLE | Output.WIDE:
            _show(found, wide=form is Output.WIDE)
            if proofs:
                heading(f"Compiled with {proofs[0].tool}")
                table(proofs, PROOF_COLUMNS, wide=form is Output.WIDE)
        case Output.NAME:
            names([found.name])
        case _:
            compiled = {} if compile_for is None else {"compiled": plain(proofs)}
            data({**document(found), **compiled}, form)


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


def size(size_bytes: int | None) -> str:
    """Bytes as people read them; "-" where there are none."""
    return "-" if size_bytes is None else units.show(size_bytes, units.SIZE)


SIGNATURE_COLUMNS: list[Column[tuple[str, Tensor]]] = [
    Column(title="KIND", text=lambda row: row[0]),
    Column(title="NAME", text=lambda row: row[1].name),
    Column(title="DTYPE", text=lambda row: row[1].dtype),
    Column(title="SHAPE", text=lambda row: shape(row[1].shape)),
]
PROOF_COLUMNS: list[Column[Proof]] = [
    Column(title="TARGET", text=lambda proof: proof.target),
    Column(title="COMPILES", text=lambda proof: "yes" if proof.compiles else "no" if proof.decided else "unknown"),
    Column(title="TIME", text=lambda proof: units.show(proof.seconds * 1e3, units.TIME), right=True),
    Column(title="SIZE", text=lambda proof: size(proof.size_bytes), right=True),
    Column(title="WHY NOT", text=lambda proof: proof.reason or "-", least=24),
]
LAYER_COLUMNS: list[Column[Layer]] = [
    Column(title="LAYER", text=lambda layer: layer.name),
    Column(title="OPERATOR", text=lambda layer: layer.operator),
    Column(title="OUTPUT", text=lambda layer: shape(layer.output_shape)),
    Column(title="PARAMETERS", text=lambda layer: count(layer.parameters), right=True),
    Column(title="MACS", text=lambda layer: count(layer.macs), right=True),
]
