"""A float graph and calibrated ranges to a graph in int8, operator by operator.

TFLite's 8-bit specification says for each operator which inputs and outputs share a scale and which outputs have a
fixed one (https://ai.google.dev/edge/litert/models/quantization_spec). Where an operator needs its inputs alike and
they are not, they are converted by a QUANTIZE before it, or get the common scale in the first place where nothing
else reads them.
"""

from collections.abc import Mapping
from dataclasses import replace

from edgewise.design.tflite import scales
from edgewise.design.tflite.calibrate import Range
from edgewise.design.tflite.fuse import CHANNEL_AXIS
from edgewise.design.tflite.graph import Graph, Operation, Quantisation, Value
from edgewise.errors import RecipeNotApplicable

_FIXED = {
    "LOGISTIC": Quantisation(scale=(1 / 256,), zero=(-128,)),
    "SOFTMAX": Quantisation(scale=(1 / 256,), zero=(-128,)),
    "TANH": Quantisation(scale=(1 / 128,), zero=(0,)),
}
_PASSING = frozenset({
    "AVERAGE_POOL_2D", "MAX_POOL_2D", "MIRROR_PAD", "PAD", "PADV2", "RESHAPE", "RESIZE_BILINEAR",
    "RESIZE_NEAREST_NEIGHBOR", "SLICE", "TRANSPOSE",
})  # fmt: skip
_ALIKE = frozenset({"CONCATENATION", "MAXIMUM", "MINIMUM"})
_FREE = frozenset({
    "ADD", "BATCH_MATMUL", "ELU", "HARD_SWISH", "LEAKY_RELU", "MEAN", "MUL", "RELU", "RELU6", "SUB",
})  # fmt: skip


def quantise(graph: Graph, ranges: Mapping[str, Range], *, io: str) -> Graph:
    """`graph` in int8; inputs and outputs as `io` says, "int8" or "float32".

    Raises:
        RecipeNotApplicable: an operator has no int8 kernel, by name.
    """
    state = _Pass(graph, ranges)
    inputs = {name: state.enter(value, io=io) for name, value in graph.inputs.items()}
    for operation in graph.operations:
        state.take(operation)
    outputs = {name: state.leave(value, io=io) for name, value in graph.outputs.items()}
    return replace(graph, inputs=inputs, outputs=outputs, operations=tuple(state.operations))


class _Pass:
    def __init__(self, graph: Graph, ranges: Mapping[str, Range]) -> None:
        self.operations: list[Operation] = []
        self._made: dict[Value, Value] = {}
        self._converted: dict[tuple[Value, Quantisation], Value] = {}
        self._ranges = ranges
        self._wanted = _wanted(graph, ranges)

    def enter(self, value: Value, *, io: str) -> Value:
        """The graph's input in place of `value`."""
        inside = self._int8(value, scales.activation(self._range(value)))
        if io == "int8":
            return inside
        self.operations.append(Operation(kind="QUANTIZE", inputs=(value,), outputs=(inside,)))
        return value

    def leave(self, value: Value, *, io: str) -> Value:
        """The graph's output in place of `value`."""
        inside = self._made[value]
        if io == "int8":
            return inside
        self.operations.append(Operation(kind="DEQUANTIZE", inputs=(inside,), outputs=(value,)))
        return value

    def take(self, operation: Operation) -> None:
        """Append `operation` in int8."""
        match operation.kind:
            case kind if kind in CHANNEL_AXIS:
                self._weighted(operation)
            case kind if kind in _ALIKE:
                self._alike(operation)
            case kind if kind in _FIXED:
                self._append(operation, self._inputs(operation), _FIXED[kind])
            case kind if kind in _PASSING:
                own = self._scale(operation.inputs[0])
                self._append(operation, self._inputs(operation, own), own)
            case kind if kind in _FREE:
                self._append(operation, self._inputs(operation), self._own(operation.output))
            case kind:
                raise RecipeNotApplicable(f"{operation.node} becomes {kind}, which is not quantised to int8 here")

    def _weighted(self, operation: Operation) -> None:
        """Weights for each output channel, but for dense layers one scale for all, as the specification has it."""
        weights, bias = operation.inputs[1], operation.inputs[-1]
        image = next(value for value in operation.inputs if value.data is None)
        axis = None if operation.kind == "FULLY_CONNECTED" else CHANNEL_AXIS[operation.kind]
        own = scales.weights_and_bias(weights, bias, self._scale(image).scale[0], axis)
        swap = {weights: own[0], bias: own[1], image: self._made[image]}
        inputs = tuple(swap.get(value, value) for value in operation.inputs)
        self._append(operation, inputs, self._own(operation.output))

    def _alike(self, operation: Operation) -> None:
        moving = list(dict.fromkeys(self._scale(value) for value in operation.inputs if value.data is None))
        common = moving[0] if len(moving) == 1 else self._own(operation.output)
        inputs = tuple(self._as(value, common) for value in operation.inputs)
        self._append(operation, inputs, common)

    def _append(self, operation: Operation, inputs: tuple[Value, ...], out: Quantisation) -> None:
        outputs = tuple(self._int8(value, out) for value in operation.outputs)
        self.operations.append(replace(operation, inputs=inputs, outputs=outputs))

    def _inputs(self, operation: Operation, constants: Quantisation | None = None) -> tuple[Value, ...]:
        """Inputs in int8; constants by `constants` or by their own range, indices as they are."""
        return tuple(
            self._made[value] if value.data is None else self._constant(value, constants) for value in operation.inputs
        )

    def _constant(self, value: Value, given: Quantisation | None) -> Value:
        if value.data is None or value.data.dtype.kind != "f":
            return value
        bounds = (float(value.data.min()), float(value.data.max()))
        return scales.as_int8(value, given or scales.activation(bounds))

    def _as(self, value: Value, wanted: Quantisation) -> Value:
        """`value` with the scale `wanted`."""
        if value.data is not None:
            return self._constant(value, wanted)
        made = self._made[value]
        if made.quantisation == wanted:
            return made
        if (made, wanted) not in self._converted:
            out = replace(made, quantisation=wanted)
            self._converted[made, wanted] = out
            self.operations.append(Operation(kind="QUANTIZE", inputs=(made,), outputs=(out,)))
        return self._converted[made, wanted]

    def _int8(self, value: Value, quantisation: Quantisation) -> Value:
        self._made[value] = Value(shape=value.shape, dtype="int8", origin=value.origin, quantisation=quantisation)
        return self._made[value]

    def _scale(self, value: Value) -> Quantisation:
        quantisation = self._made[value].quantisation
        assert quantisation is not None
        return quantisation

    def _own(self, value: Value) -> Quantisation:
        """The scale of an output that may have any."""
        return scales.activation(self._wanted.get(value) or self._range(value))

    def _range(self, value: Value) -> Range:
        return self._ranges[value.origin]


def _wanted(graph: Graph, ranges: Mapping[str, Range]) -> dict[Value, Range]:
    """Ranges that values should have for the sake of the one operator that reads them.

    What is joined gets the range of the whole; what is cut off by MAXIMUM and MINIMUM needs no range beyond, for
    int8 saturates there.
    """
    uses, wanted = graph.uses(), dict[Value, Range]()
    for operation in reversed(graph.operations):
        if operation.kind in _ALIKE:
            for value in operation.inputs:
                if value.data is None and uses[value] == 1:
                    wanted[value] = wanted.get(operation.output) or ranges[operation.output.origin]
    return wanted
