"""OpenVINO on the CPU; reads its own format, ONNX and TFLite.

Options:
    precision: arithmetic of what is not quantised: "f32" (default), "bf16" or "f16". Left to itself,
        OpenVINO takes bf16 where the CPU has it; a design says which.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import openvino as ov

from edgewise.runtimes.protocol import Fixed
from edgewise.runtimes.samples import Array


class _Session:
    def __init__(self, compiled: ov.CompiledModel) -> None:
        self._request = compiled.create_infer_request()
        self._outputs = [self._request.get_output_tensor(index) for index in range(len(compiled.outputs))]

    def run(self, inputs: Sequence[Array]) -> list[Array]:
        for index, array in enumerate(inputs):
            flags = array.flags
            own = array if flags.writeable and flags.aligned else array.copy()  # OpenVINO shares no other memory
            self._request.set_input_tensor(index, ov.Tensor(own, shared_memory=True))
        self._request.infer()
        return [tensor.data.copy() for tensor in self._outputs]


def load(path: Path, *, threads: int, options: Mapping[str, str], fixed: Fixed) -> _Session:
    """A session on `path` with `threads` threads and one stream, reshaped to `fixed.shapes`."""
    core = ov.Core()
    model = core.read_model(path)
    if any(parameter.partial_shape.is_dynamic for parameter in model.inputs):
        model.reshape(dict(zip(model.inputs, [list(shape) for shape in fixed.shapes], strict=True)))
    compiled = core.compile_model(
        model,
        "CPU",
        {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": threads,
            "NUM_STREAMS": 1,
            "INFERENCE_PRECISION_HINT": options.get("precision", "f32"),
        },
    )
    return _Session(compiled)
