"""The words of what is served: a model, its signature, and the settings that it was measured with.

They are apart from the other nouns, which take them in, because a device that serves needs these alone: every frozen
dataclass costs a millisecond of start-up.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class ModelFormat(StrEnum):
    """File formats that a runtime can load. ONNX is the hub."""

    ONNX = "onnx"
    TFLITE = "tflite"
    OPENVINO = "openvino"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tensor:
    """An input or output: `dtype` by numpy's name; a dynamic axis of `shape` is its name, a str.

    A tensor of unknown rank has the shape ("...",). `quantised` means that its integers stand for real numbers
    by a scale that the file states: the runtime converts, so that float data is as welcome as integers.
    """

    name: str
    dtype: str
    shape: tuple[int | str, ...]
    quantised: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """What goes in and what comes out, in the model's own order."""

    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFile:
    """A file that belongs to a model: its name beside the others and the digest of its bytes."""

    name: str
    digest: str
    size_bytes: int


class RuntimeName(StrEnum):
    """What runs a compiled model, by the name that the catalogue's `compilers` have.

    The first three can run here: the value is the name of their file in `runtimes/`. The others belong to machines
    that are not here; what runs on those is compiled or estimated.
    """

    ONNXRUNTIME = "onnxruntime"
    OPENVINO = "openvino"
    LITERT = "litert"
    TFLITE_MICRO = "tflite-micro"
    VELA = "vela"
    EDGETPU = "edgetpu-compiler"
    TENSORRT = "tensorrt"
    VITIS_AI = "vitis-ai"
    NEUTRON = "neutron-converter"
    TIM_VX = "tim-vx"
    MIGRAPHX = "migraphx"
    HAILO = "hailo-dataflow-compiler"


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeConfiguration:
    """A runtime with everything that was set when it was measured; serving uses exactly this."""

    runtime: RuntimeName
    version: str
    threads: int
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Golden:
    """Inputs with expected outputs and tolerances: what a machine must reproduce before the model may serve.

    Attributes:
        file: an .npz with arrays "x0", "x1", … and "y0", "y1", …, in the model's order; rows along the first axis.
        absolute, relative: an output y is reproduced where |y - expected| <= absolute + relative * |expected|.
    """

    file: ModelFile
    absolute: float
    relative: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedStep:
    """One step of a pipeline: a model, or a Python function from a file that travels with it.

    Attributes:
        run: name of the file that a runtime loads, or `file.py:function`.
        signature: what the step itself takes and gives, in its own order and by its own names.
        takes, gives: the pipeline's names of these values; inputs of the pipeline and what earlier steps gave.
        configuration: of the runtime; None for a Python function.
    """

    run: str
    signature: Signature
    takes: tuple[str, ...]
    gives: tuple[str, ...]
    configuration: RuntimeConfiguration | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedModel:
    """A model as a server takes it: the files of a design, and exactly the settings that it was measured with.

    Attributes:
        version: of the model, as the Open Inference Protocol names versions: "1".
        design: name of the design that it comes from.
        files: what the runtime loads first; names are relative to the folder of the description.
        signature: with the batch axis as a name where the model has one.
        delay_bound_ms: how long a request may wait for others to run with it; 0 for not at all.
        steps: of a pipeline, whose signature is then the model's as clients see it; empty for a model alone. The golden
            is that of the step that runs the first of `files`.
    """

    name: str
    version: str
    design: str
    configuration: RuntimeConfiguration
    files: tuple[ModelFile, ...]
    signature: Signature
    golden: Golden | None = None
    delay_bound_ms: float = 0.0
    steps: tuple[ServedStep, ...] = ()
