"""Mixed precision: int8 but for the most sensitive layers, found by measuring, not guessed.

Each block of layers is quantised alone and the output error against float is measured on the calibration
split. Blocks go back to float in the order of their error until the metric holds there.
"""

import os

os.environ["ORT_DISABLE_TELEMETRY"] = "1"

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort

from edgewise.design import metrics
from edgewise.design.variants.made import Array, Made, Material, Settings, reference_labels, rows
from edgewise.design.variants.onnx_int8 import NOTHING_TO_DO, compute_nodes, prepared, quantise
from edgewise.errors import RecipeNotApplicable
from edgewise.runtimes.samples import joined

MAX_BLOCKS = 16
MAX_SAMPLES = 48


def mixed(source: Path, folder: Path, settings: Settings, material: Material) -> Made:
    """Static int8 with as few blocks of layers in float as the metric needs.

    Settings as for `onnx_int8.static`, and `tolerance`: how much the metric may drop on the calibration
    split, `batched`: whether outputs have a batch axis.

    Raises:
        RecipeNotApplicable: nothing has to stay in float, or everything would have to.
    """
    float_model = prepared(source, material)
    nodes = compute_nodes(onnx.load(float_model, load_external_data=False))
    if not nodes:
        raise RecipeNotApplicable(NOTHING_TO_DO)
    blocks = [list(block) for block in np.array_split(np.array(nodes, dtype=object), min(len(nodes), MAX_BLOCKS))]
    batched = bool(settings["batched"])
    reference = joined(_run(float_model, material.samples), rows=rows(material, batched=batched))
    target = folder / "model.onnx"

    def drop(in_float: Sequence[str]) -> float:
        quantise(float_model, target, settings, material, in_float=in_float)
        outputs = joined(_run(target, material.samples), rows=rows(material, batched=batched))
        judge = metrics.find(material.metric, labelled=material.y is not None, folder=material.project)
        y = material.y if material.y is not None else reference_labels(reference, judge)
        return judge.drop(y, outputs, reference).value

    tolerance = float(settings["tolerance"])
    if drop([]) <= tolerance:
        raise RecipeNotApplicable("int8 throughout holds the metric on the calibration data, so no layer needs float")
    order = _by_sensitivity(float_model, blocks, target, settings, material)
    for count in range(1, len(order)):
        in_float = [node for index in order[:count] for node in blocks[index]]
        if drop(in_float) <= tolerance:
            return Made(files=(target,), notes=(f"left in float: {', '.join(in_float)}",))
    raise RecipeNotApplicable("every layer would have to stay in float to hold the metric on the calibration data")


def _by_sensitivity(
    float_model: Path, blocks: Sequence[Sequence[str]], target: Path, settings: Settings, material: Material
) -> list[int]:
    """Indices of `blocks`, the one whose quantisation alone disturbs the output most first."""
    samples = material.samples[:MAX_SAMPLES]
    exact = _run(float_model, samples)
    errors = []
    for index in range(len(blocks)):
        others = [node for other, block in enumerate(blocks) if other != index for node in block]
        quantise(float_model, target, settings, material, in_float=others)
        errors.append(_squared_error(exact, _run(target, samples)))
    return sorted(range(len(blocks)), key=lambda index: -errors[index])


def _squared_error(exact: Sequence[Sequence[Array]], other: Sequence[Sequence[Array]]) -> float:
    return float(np.mean([np.mean(np.square(a[0] - b[0])) for a, b in zip(exact, other, strict=True)]))


def _run(path: Path, samples: Sequence[Sequence[Array]]) -> list[list[Array]]:
    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.add_session_config_entry("session.x64quantprecision", "1")
    session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    names = [tensor.name for tensor in session.get_inputs()]
    return [session.run(None, dict(zip(names, sample, strict=True))) for sample in samples]
