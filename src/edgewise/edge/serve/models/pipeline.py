"""A pipeline: models and Python functions one after the other, values passed on by name.

Types are held against each other when it is loaded, and what a Python function gives when it runs. No code but that of
the files that model.json names is run, and these were verified.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from edgewise.edge.serve.models.folder import Staged
from edgewise.errors import BadModel
from edgewise.runtimes import step as steps
from edgewise.runtimes.samples import Array
from edgewise.served_nouns import ServedModel, ServedStep, Tensor

Run = Callable[[Sequence[Array]], Sequence[Array]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One step, ready to run."""

    run: Run
    takes: tuple[str, ...]
    gives: tuple[str, ...]


class Pipeline:
    """Runs stages one after the other."""

    def __init__(self, model: ServedModel, stages: Sequence[Stage]) -> None:
        self._inputs = [tensor.name for tensor in model.signature.inputs]
        self._outputs = [tensor.name for tensor in model.signature.outputs]
        self._stages = stages

    def run(self, inputs: Sequence[Array]) -> Sequence[Array]:
        """Outputs of the pipeline for its inputs."""
        values = dict(zip(self._inputs, inputs, strict=True))
        for stage in self._stages:
            values.update(zip(stage.gives, stage.run([values[name] for name in stage.takes]), strict=True))
        return [values[name] for name in self._outputs]


def function(step: ServedStep, staged: Staged) -> Run:
    """What runs a Python step.

    Raises:
        BadModel: the file has no such function, or it takes and gives something else than model.json says.
    """
    file, _, name = step.run.partition(":")
    made = steps.imported((staged.folder / file).read_bytes(), file, name)
    if steps.signature_of(made, step.run) != step.signature:
        raise BadModel(f"the step {step.run} takes or gives something else than it did", hint="build the folder again")
    return lambda inputs: steps.called(made, list(inputs), step.signature, step.run)


def check_types(model: ServedModel) -> None:
    """Hold every value against whoever takes it.

    Raises:
        BadModel: two steps do not fit together.
    """
    values = {tensor.name: tensor for tensor in model.signature.inputs}
    for step in model.steps:
        for name, wanted in zip(step.takes, step.signature.inputs, strict=True):
            _check(name, values[name], wanted, f"the step {step.run}")
        values.update(zip(step.gives, step.signature.outputs, strict=True))
    for tensor in model.signature.outputs:
        _check(tensor.name, values[tensor.name], tensor, f"the output {tensor.name}")


def _check(name: str, value: Tensor, wanted: Tensor, where: str) -> None:
    if value.dtype != wanted.dtype or not steps.fits(value.shape, wanted.shape):
        raise BadModel(
            f"{where} takes {steps.shown(wanted)}, and {name} is {steps.shown(value)}",
            hint="change one of the two so that they fit",
        )
