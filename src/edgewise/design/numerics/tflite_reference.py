"""An int8 TFLite model in the integer arithmetic of TFLite's reference kernels, which microcontrollers follow.

How accumulators are rounded depends on the kernels (`Kernels`), and a model with thin margins feels it. Only models
whose weights and activations are int8 are covered, with zero point 0 for weights, as TFLite's quantisation
specification demands.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from edgewise.design.numerics._tflite_graph import Graph, Operand, Operation, read
from edgewise.design.numerics._tflite_operators import OPERATORS, Call, Kernels
from edgewise.errors import BadModel
from edgewise.runtimes.samples import joined

Array = npt.NDArray[Any]

BLOCK = 64
"""Inferences computed at once, so that memory does not grow with their number."""


def predict_tflite_reference(
    model: bytes, samples: Sequence[Sequence[Array]], *, rows: int | None = 1, kernels: Kernels = Kernels.REFERENCE
) -> list[Array]:
    """Outputs of `model` in TFLite's reference arithmetic.

    Args:
        model: bytes of a .tflite file.
        samples: one list of arrays for each inference, all of the same shapes; float data is quantised by the
            input's scale.
        rows: samples in one inference, None where inputs have no batch axis; as for `runtimes.samples.joined`.
        kernels: whose arithmetic; they differ in the last bit.

    Returns:
        One array an output, [n, …]; quantised outputs as float32.

    Raises:
        BadModel: the file is damaged, or has an operator or a type that is not emulated.
    """
    graph = read(model)
    _refuse_unknown(graph)
    results: list[list[Array]] = []
    for start in range(0, len(samples), BLOCK):
        columns = zip(*samples[start : start + BLOCK], strict=True)
        inputs = [
            _quantised(np.stack(column), graph.operands[index])
            for column, index in zip(columns, graph.inputs, strict=True)
        ]
        values = run(graph, inputs, kernels=kernels)
        outputs = [_dequantised(values[index], graph.operands[index]) for index in graph.outputs]
        results.extend([list(one) for one in zip(*outputs, strict=True)])
    return joined(results, rows=rows)


def run(graph: Graph, inputs: Sequence[Array], *, kernels: Kernels = Kernels.REFERENCE) -> Mapping[int, Array]:
    """Every value that `graph` computes, [n, …] by its tensor's position, in the tensors' own dtypes.

    Args:
        inputs: [n, …] each, in the dtypes of the graph's inputs.
    """
    values = dict(zip(graph.inputs, inputs, strict=True))
    for operation in graph.operations:
        found = [_value(graph, values, index) for index in operation.inputs]
        operands = [graph.operands[index] if index >= 0 else None for index in operation.inputs]
        output = graph.operands[operation.outputs[0]]
        call = Call(operation=operation, inputs=operands, output=output, values=found, kernels=kernels)
        values[operation.outputs[0]] = OPERATORS[operation.name](call)
    return values


def _value(graph: Graph, values: Mapping[int, Array], index: int) -> Array | None:
    if index < 0:
        return None
    return values[index] if index in values else graph.operands[index].data


def _refuse_unknown(graph: Graph) -> None:
    for operation in graph.operations:
        if operation.name not in OPERATORS:
            raise BadModel(f"TFLite's {operation.name} is not emulated", hint="measure on the target instead")
        if any(graph.operands[index].dtype in (np.uint8, np.int16) for index in operation.inputs if index >= 0):
            raise BadModel(f"{operation.name} is not int8", hint="only int8 models are emulated")
        _refuse_float(graph, operation)
        _refuse_asymmetric(graph, operation)


def _refuse_asymmetric(graph: Graph, operation: Operation) -> None:
    multiplies = operation.name in ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
    if multiplies and graph.operands[operation.inputs[1]].zeros.any():
        raise BadModel(f"{operation.name} has weights with a zero point", hint="quantise weights symmetrically")


def _refuse_float(graph: Graph, operation: Operation) -> None:
    if operation.name in ("QUANTIZE", "DEQUANTIZE"):
        return
    if not graph.operands[operation.inputs[0]].quantised or not graph.operands[operation.outputs[0]].quantised:
        raise BadModel(f"{operation.name} computes in floating point", hint="only int8 models are emulated")


def _quantised(array: Array, operand: Operand) -> Array:
    """As `runtimes.litert` does, which stands between the same data and the real kernels."""
    if array.dtype == operand.dtype or not operand.quantised:
        return array.astype(operand.dtype, copy=False)
    limits = np.iinfo(operand.dtype)
    codes: Array = np.clip(np.rint(array / operand.scale) + operand.zero, limits.min, limits.max)
    return codes.astype(operand.dtype)


def _dequantised(array: Array, operand: Operand) -> Array:
    if array.dtype.kind == "f" or not operand.quantised:
        return array
    real: Array = (array.astype(np.float32) - operand.zero) * operand.scale
    return real
