"""What `plan` would compile or estimate for the machines that are not here, without doing any of it. Pure."""

from collections.abc import Iterator, Sequence

from edgewise.flow.absent.estimated import DYNAMIC, INTEGER, name, taken_from, takes_half
from edgewise.flow.ground import Absent
from edgewise.nouns import Accelerator, Design, ModelFormat, Recipe, RuntimeConfiguration, RuntimeName, Stage

INT8 = Recipe(name="tflite-int8io", method="tflite-int8", format=ModelFormat.TFLITE, precision="int8")
FP16 = Recipe(name="fp16", method="half", format=ModelFormat.ONNX, precision="fp16")


def designs(here: Sequence[Design], absent: Sequence[Absent]) -> tuple[Design, ...]:
    """One design for each accelerator, runtime and precision; which calibration or schedule it gets is found later.

    Args:
        here: the designs that would be tried on the machine at hand.
    """
    return tuple(
        design for machine in absent for part in machine.machine.accelerators for design in _of(part, machine, here)
    )


def _of(part: Accelerator, absent: Absent, here: Sequence[Design]) -> Iterator[Design]:
    known = {runtime.value: runtime for runtime in RuntimeName}
    for runtime in (known[compiler] for compiler in part.compilers if compiler in known):
        for recipe in _recipes(runtime, part, here):
            yield Design(
                name=name(recipe.name, runtime, part, absent.machine.name),
                machine=absent.machine.name,
                recipe=recipe,
                configuration=RuntimeConfiguration(
                    runtime=runtime, version="", threads=1, options={"accelerator": part.name}
                ),
                stage=Stage.PROPOSED,
            )


def _recipes(runtime: RuntimeName, part: Accelerator, here: Sequence[Design]) -> Iterator[Recipe]:
    if runtime is RuntimeName.VELA or runtime in INTEGER:
        yield INT8
        return
    if takes_half(runtime, part):
        yield FP16
    source, precisions = taken_from(runtime, part)
    for precision in sorted(precisions):
        alike = [
            d.recipe
            for d in here
            if d.configuration.runtime is source and d.recipe.precision == precision and d.recipe.method != DYNAMIC
        ]
        yield from alike[:1]
