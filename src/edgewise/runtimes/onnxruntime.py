"""ONNX Runtime on the CPU.

Options:
    graph: "all" (default), "extended", "basic" or "off": level of graph optimisation.
    precise_int8: "1" keeps 8-bit products from saturating on x86 CPUs without VNNI
        (`session.x64quantprecision`). It costs speed on every x86 CPU, with VNNI too.

Telemetry is on in the Linux wheel unless the variable is set before the import, hence the first lines.
"""

import os

os.environ["ORT_DISABLE_TELEMETRY"] = "1"

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import onnxruntime as ort

from edgewise.runtimes.protocol import Fixed, NotText
from edgewise.runtimes.samples import Array

_LEVELS = {
    "all": ort.GraphOptimizationLevel.ORT_ENABLE_ALL,
    "extended": ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED,
    "basic": ort.GraphOptimizationLevel.ORT_ENABLE_BASIC,
    "off": ort.GraphOptimizationLevel.ORT_DISABLE_ALL,
}
_LOG_WARNINGS = 2


class _Session:
    def __init__(self, session: ort.InferenceSession) -> None:
        self._session = session
        self._inputs = [tensor.name for tensor in session.get_inputs()]
        self._outputs = [tensor.name for tensor in session.get_outputs()]
        self._texts = [tensor.name for tensor in session.get_inputs() if tensor.type == "tensor(string)"]

    def run(self, inputs: Sequence[Array]) -> list[Array]:
        feed = dict(zip(self._inputs, inputs, strict=True))
        for name in self._texts:
            feed[name] = _text(feed[name], name)
        outputs: list[Array] = self._session.run(self._outputs, feed)
        return outputs

    def bound(self, inputs: Sequence[Array]) -> Callable[[Sequence[Array]], list[Array]]:
        """As `run`, for inputs of exactly these shapes and dtypes, through memory that is bound once.

        Saves some microseconds a call. Raises whatever the runtime raises where outputs have other shapes each time.
        """
        if self._texts:
            raise TypeError("text has no memory of its own that could be bound")
        session, binding = self._session, self._session.io_binding()
        given = [ort.OrtValue.ortvalue_from_numpy(np.array(array)) for array in inputs]
        made = [ort.OrtValue.ortvalue_from_numpy(np.array(array)) for array in self.run(inputs)]
        for name, value in zip(self._inputs, given, strict=True):
            binding.bind_ortvalue_input(name, value)
        for name, value in zip(self._outputs, made, strict=True):
            binding.bind_ortvalue_output(name, value)
        views = [value.numpy() for value in made]

        def run(inputs: Sequence[Array]) -> list[Array]:
            for value, array in zip(given, inputs, strict=True):
                value.update_inplace(array)
            session.run_with_iobinding(binding)
            return [view.copy() for view in views]

        return run


def _text(array: Array, name: str) -> Array:
    """`array` with str for bytes: of bytes ONNX Runtime would make the text that Python shows of them."""
    made = np.empty(array.shape, np.object_)
    for index, element in enumerate(array.flat):
        try:
            made.flat[index] = element.decode() if isinstance(element, bytes) else element
        except UnicodeDecodeError as error:
            raise NotText(f"element {index} of the text input {name} is not UTF-8: {error.reason}") from error
    return made


def load(path: Path, *, threads: int, options: Mapping[str, str], fixed: Fixed) -> _Session:
    """A session on `path` with `threads` intra-op threads; dynamic axes are fixed."""
    settings = ort.SessionOptions()
    settings.intra_op_num_threads = threads
    settings.inter_op_num_threads = 1
    settings.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    settings.graph_optimization_level = _LEVELS[options.get("graph", "all")]
    settings.log_severity_level = _LOG_WARNINGS
    if options.get("precise_int8") == "1":
        settings.add_session_config_entry("session.x64quantprecision", "1")
    for axis, size in fixed.axes.items():
        settings.add_free_dimension_override_by_name(axis, size)
    return _Session(ort.InferenceSession(str(path), settings, providers=["CPUExecutionProvider"]))
