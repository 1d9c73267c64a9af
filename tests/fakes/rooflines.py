"""Networks and rows of machines whose prices are known, because we made them."""

from collections.abc import Sequence
from dataclasses import replace

from edgewise.design.estimate.observations import Observation
from edgewise.hardware.calibration import Row
from edgewise.hardware.operators import Limits, OperatorTable
from edgewise.nouns import (
    Accelerator,
    AcceleratorKind,
    Convolution,
    Layer,
    Machine,
    Measurement,
    Model,
    ModelFile,
    ModelFormat,
    Provenance,
    ProvenanceKind,
    Signature,
)

SOURCE = Provenance(kind=ProvenanceKind.PUBLISHED, by="a data sheet", date="2026-01-01")


def convolution(
    name: str, *, size: int = 16, channels: int = 32, out: int = 32, kernel: int = 3, groups: int = 1
) -> Layer:
    """A convolution of stride 1 that keeps height and width."""
    shape = Convolution(
        input_height=size,
        input_width=size,
        input_channels=channels,
        output_height=size,
        output_width=size,
        output_channels=out,
        kernel_height=kernel,
        kernel_width=kernel,
        groups=groups,
    )
    return Layer(
        name=name,
        operator="CONV_2D" if groups == 1 else "DEPTHWISE_CONV_2D",
        output_shape=(1, size, size, out),
        parameters=kernel * kernel * channels // groups * out + out,
        macs=shape.macs,
        read_elements=size * size * channels,
        written_elements=size * size * out,
        convolution=shape,
    )


def plain(name: str, operator: str, elements: int = 1024) -> Layer:
    """An operator that moves data and multiplies nothing."""
    return Layer(
        name=name,
        operator=operator,
        output_shape=(1, elements),
        parameters=0,
        macs=0,
        read_elements=elements,
        written_elements=elements,
    )


def network(width: int, depth: int) -> tuple[Layer, ...]:
    """`depth` pairs of a depthwise and a dense convolution of `width` channels, then a softmax."""
    layers: list[Layer] = []
    for number in range(depth):
        layers.append(convolution(f"dw{number}", channels=width, out=width, groups=width))
        layers.append(convolution(f"conv{number}", channels=width, out=width, kernel=1 if number % 2 else 3))
    return (*layers, plain("softmax", "SOFTMAX"))


def model(layers: Sequence[Layer], format: ModelFormat = ModelFormat.TFLITE) -> Model:
    """A model of `layers`, without a file behind it."""
    file = ModelFile(name="made", digest="sha256:00", size_bytes=sum(layer.parameters for layer in layers))
    return Model(
        name="made",
        format=format,
        files=(file,),
        opset=None,
        signature=Signature(inputs=(), outputs=()),
        layers=tuple(layers),
        parameters_by_dtype={"int8": sum(layer.parameters for layer in layers)},
    )


def machine(
    name: str,
    *,
    kind: AcceleratorKind = AcceleratorKind.CPU,
    accelerator: str = "cpu",
    peak_int8: float | None = None,
    power_watt: float | None = None,
    compilers: tuple[str, ...] = (),
) -> Machine:
    """A machine with one accelerator beside its CPU, or its CPU alone."""
    cpu = Accelerator(name="cpu", kind=AcceleratorKind.CPU, title="a CPU", dtypes=("float32", "int8"))
    peak = {"int8": Measurement.exact(peak_int8, "op/s", SOURCE)} if peak_int8 else {}
    own = replace(cpu, name=accelerator, kind=kind, title="an engine", peak_rate=peak, compilers=compilers)
    return Machine(
        name=name,
        title=name,
        vendor="nobody",
        architecture="aarch64",
        accelerators=(replace(cpu, peak_rate=peak),) if kind is AcceleratorKind.CPU else (cpu, own),
        power_loaded=Measurement.exact(power_watt, "W", SOURCE) if power_watt else None,
    )


def row(
    machine: str,
    layers: Sequence[Layer],
    *,
    network: str,
    latency_ms: float | None = None,
    energy_uj: float | None = None,
    accelerator: str = "cpu",
    precision: str = "int8",
) -> Observation:
    """One published figure."""
    return Observation(
        row=Row(
            machine=machine,
            accelerator=accelerator,
            runtime="litert",
            network=network,
            precision=precision,
            latency_ms=latency_ms,
            energy_uj=energy_uj,
            source="https://example.org",
            date="2026-01-01",
        ),
        layers=tuple(layers),
    )


def table(
    operators: Sequence[str], *, mapping: str = "islands", conditions: str = "", kernel_max: int | None = None
) -> OperatorTable:
    """A vendor's table; `conditions` and `kernel_max` are CONV_2D's."""
    return OperatorTable(
        name="made",
        title="a compiler 1.0",
        format="tflite",
        precision=("int8",),
        mapping="prefix" if mapping == "prefix" else "islands",
        operators={name: conditions if name == "CONV_2D" else "" for name in operators},
        limits={"CONV_2D": Limits(kernel_max=kernel_max)} if kernel_max else {},
        compilers=("made",),
        kinds=(AcceleratorKind.NPU,),
        accelerators=(),
        pages=(),
        sources=("https://example.org",),
        date="2026-01-01",
    )
