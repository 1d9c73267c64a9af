"""An ONNX model as ONNX Runtime computes it on an x86 CPU with AVX2 and without VNNI.

ONNX Runtime itself fuses the graph, which does not depend on the CPU, and computes every node but those whose int8
kernel saturates without VNNI: these are emulated, for all inferences at once. What is computed in floating point may
differ from the target's in the last bit. x86 CPUs older than AVX2 are exact and need no emulation.

Not covered: the session option `session.x64quantprecision`, under which such a CPU takes other kernels.
"""

import os

os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime as ort
from onnx import helper, numpy_helper

from edgewise.design.numerics._int8_operators import OPERATORS
from edgewise.errors import BadModel
from edgewise.runtimes.samples import joined

Array = npt.NDArray[Any]

BLOCK = 64
"""Inferences computed at once, so that memory does not grow with their number."""

UNKNOWN_ARITHMETIC = ("QAttention", "DynamicQuantizeLSTM")
_ERRORS_ONLY = 3


def predict_without_vnni(
    model: onnx.ModelProto, samples: Sequence[Sequence[Array]], *, rows: int | None = 1
) -> list[Array]:
    """Outputs of `model` as an x86 CPU without VNNI computes them.

    Args:
        model: any ONNX model that ONNX Runtime runs, weights inside; int8 in QDQ or operator form.
        samples: one list of arrays for each inference, in the order of the model's inputs, all of the same shapes;
            at least one.
        rows: samples in one inference, None where inputs have no batch axis; as for `runtimes.samples.joined`.

    Returns:
        One array an output, [n, …].

    Raises:
        BadModel: ONNX Runtime refuses the model, or int8 arithmetic in it is not known here.
    """
    network = _Network(model, samples[0])
    results: list[list[Array]] = []
    for start in range(0, len(samples), BLOCK):
        outputs = network.run([np.stack(column) for column in zip(*samples[start : start + BLOCK], strict=True)])
        results.extend([list(one) for one in zip(*outputs, strict=True)])
    return joined(results, rows=rows)


def fused(model: onnx.ModelProto, inputs: Sequence[Array]) -> onnx.ModelProto:
    """`model` after ONNX Runtime's graph optimisations, with the named axes fixed as in `inputs`.

    Raises:
        BadModel: ONNX Runtime refuses it.
    """
    with tempfile.TemporaryDirectory() as folder:
        options = _options(ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED)
        target = Path(folder) / "fused.onnx"
        options.optimized_model_filepath = str(target)
        for tensor, array in zip(_inputs(model), inputs, strict=True):
            for axis, size in zip(tensor.type.tensor_type.shape.dim, array.shape, strict=False):
                if axis.dim_param:
                    options.add_free_dimension_override_by_name(axis.dim_param, size)
        _session(model, options)
        return onnx.load(target)


class _Network:
    """A fused graph, ready to run on stacks of inferences."""

    def __init__(self, model: onnx.ModelProto, inputs: Sequence[Array]) -> None:
        self._model = fused(model, inputs)
        graph = self._model.graph
        _refuse_unknown(graph)
        self._inputs = [tensor.name for tensor in _inputs(self._model)]
        self._constants: dict[str, onnx.TensorProto] = {tensor.name: tensor for tensor in graph.initializer}
        self._arrays = {name: numpy_helper.to_array(tensor) for name, tensor in self._constants.items()}
        self._sessions: dict[int, ort.InferenceSession] = {}

    def run(self, inputs: Sequence[Array]) -> list[Array]:
        """Outputs [n, …] for inputs [n, …]; a value is forgotten after its last use."""
        graph = self._model.graph
        uses = Counter(name for node in graph.node for name in node.input)
        uses.update(tensor.name for tensor in graph.output)
        count = len(inputs[0])
        values = dict(zip(self._inputs, inputs, strict=True))
        for index, node in enumerate(graph.node):
            emulated = node.op_type in OPERATORS
            results = [self._emulate(node, values, count)] if emulated else self._host(index, node, values, count)
            values.update(zip(node.output, results, strict=True))
            for name in node.input:
                uses[name] -= 1
                if not uses[name]:
                    values.pop(name, None)
        constants = self._arrays
        return [
            values[tensor.name] if tensor.name in values else np.stack([constants[tensor.name]] * count)
            for tensor in graph.output
        ]

    def _emulate(self, node: onnx.NodeProto, values: Mapping[str, Array], count: int) -> Array:
        operator, stacked = OPERATORS[node.op_type]
        attributes = {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
        found = [values.get(name, self._arrays.get(name)) for name in node.input]
        varying = [name in values for name in node.input]
        if varying[0] and not any(vary for place, vary in enumerate(varying) if place not in stacked):
            return operator(found, attributes)
        results = []
        for row in range(count):
            one = [
                array[row] if vary and array is not None else array for array, vary in zip(found, varying, strict=True)
            ]
            one = [
                array[None] if array is not None and place in stacked and (place == 0 or varying[place]) else array
                for place, array in enumerate(one)
            ]
            results.append(operator(one, attributes)[0])
        return np.stack(results)

    def _host(self, index: int, node: onnx.NodeProto, values: Mapping[str, Array], count: int) -> list[Array]:
        """One node on this machine, an inference at a time."""
        given = [name for name in dict.fromkeys(node.input) if name in values]
        if index not in self._sessions:
            self._sessions[index] = self._single(node, {name: values[name].dtype for name in given})
        session = self._sessions[index]
        names = [name for name in node.output if name]
        found = [session.run(names, {name: np.asarray(values[name][row]) for name in given}) for row in range(count)]
        columns = dict(zip(names, zip(*found, strict=True), strict=True))
        if any(len({np.shape(array) for array in column}) > 1 for column in columns.values()):
            raise BadModel(
                f"the shape of what {node.op_type} gives depends on the data, which is not emulated",
                hint="measure on the target",
            )
        return [np.stack(columns[name]) if name else np.empty(0) for name in node.output]

    def _single(self, node: onnx.NodeProto, given: Mapping[str, np.dtype[Any]]) -> ort.InferenceSession:
        inputs = [
            helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(dtype), None)
            for name, dtype in given.items()
        ]
        outputs = [onnx.ValueInfoProto(name=name) for name in node.output if name]
        constants = [self._constants[name] for name in dict.fromkeys(node.input) if name in self._constants]
        graph = helper.make_graph([node], "one", inputs, outputs, constants)
        model = helper.make_model(
            graph, opset_imports=self._model.opset_import, ir_version=self._model.ir_version, functions=[]
        )
        return _session(model, _options(ort.GraphOptimizationLevel.ORT_DISABLE_ALL))


def _refuse_unknown(graph: onnx.GraphProto) -> None:
    for node in graph.node:
        if node.op_type in UNKNOWN_ARITHMETIC:
            raise BadModel(
                f"the int8 arithmetic of {node.op_type} without VNNI is not known here",
                hint="measure on the target, or leave this operator in floating point",
            )
        if any(attribute.type == onnx.AttributeProto.GRAPH for attribute in node.attribute):
            raise BadModel(
                f"the model has control flow ({node.op_type}), which is not emulated", hint="measure on the target"
            )


def _inputs(model: onnx.ModelProto) -> list[onnx.ValueInfoProto]:
    constants = {tensor.name for tensor in model.graph.initializer}
    return [tensor for tensor in model.graph.input if tensor.name not in constants]


def _options(level: ort.GraphOptimizationLevel) -> ort.SessionOptions:
    options = ort.SessionOptions()
    options.graph_optimization_level = level
    options.intra_op_num_threads = 1
    options.log_severity_level = _ERRORS_ONLY
    return options


def _session(model: onnx.ModelProto, options: ort.SessionOptions) -> ort.InferenceSession:
    try:
        return ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # whatever ONNX Runtime raises has no common class
        sentence = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise BadModel(f"ONNX Runtime refuses the model: {sentence}", hint="check that it runs here at all") from error
