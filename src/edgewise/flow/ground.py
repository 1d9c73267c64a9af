"""What a plan stands on: model, data and machines read and checked, designs proposed, nothing tried yet."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from edgewise.design import data as design_data
from edgewise.design import models
from edgewise.design.device import Device
from edgewise.design.variants.recipes import Situation
from edgewise.design.variants.recipes import propose as propose_designs
from edgewise.errors import BadModel
from edgewise.flow.edgefile import Project
from edgewise.hardware import catalogue
from edgewise.hardware.probe import probe
from edgewise.nouns import Design, Machine, MachineChoice, Model, Quantity, RuntimeName, Site
from edgewise.runtimes import protocol

THIS = "this"
DEFAULT_TOLERANCE = 0.005
"""Drop that accuracy-controlled recipes aim at where the budget names none; the paired test still decides."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Absent:
    """A candidate machine that is not here, with what the user declares about it."""

    machine: Machine
    choice: MachineChoice

    @property
    def runtimes(self) -> frozenset[RuntimeName]:
        """What its accelerators are compiled for."""
        known = {runtime.value: runtime for runtime in RuntimeName}
        names = (name for part in self.machine.accelerators for name in part.compilers)
        return frozenset(known[name] for name in names if name in known)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What a plan stands on.

    Attributes:
        here: the machine at hand, where everything is evaluated.
        choice: what the site says of it, None where it is none of the site's machines.
        absent: the site's other machines.
        models: the model and its other formats; the first is the reference.
        designs: for the machine at hand.
        folders: with the user's own catalogue and calibration files.
    """

    here: Machine
    choice: MachineChoice | None
    absent: tuple[Absent, ...]
    models: tuple[Model, ...]
    data: design_data.Data
    designs: tuple[Design, ...]
    folders: tuple[Path, ...] = ()


def read(project: Project, site: Site, machines: Sequence[Path] = (), *, device: Device | None = None) -> Ground:
    """Read and check everything that a plan of `site` needs.

    Args:
        machines: folders with the user's own catalogue files.
        device: stands for the machine at hand, where it measures.

    Raises:
        UnknownMachine: a machine that the catalogue does not have.
        BadModel, BadData, NotFound: what the project names cannot be used.
    """
    choice, absent = candidates(site, machines)
    here = probe(bandwidth=False) if device is None else device.machine
    found = tuple(models.read(path) for path in project.model_paths)
    for other, path in zip(found[1:], project.model_paths[1:], strict=True):
        _check_same(found[0], other, path)
    data = design_data.load(project.data, found[0], seed=project.seed, folder=project.path.resolve().parent)
    limit = site.budget.limit(Quantity.DROP)
    situation = Situation(
        model=replace(found[0], name=project.name),
        further=found[1:],
        machine=here,
        versions=protocol.versions() if device is None else device.versions,
        threads=(choice and choice.threads) or tuple(sorted({1, here.cpu.cores or 1})),
        tolerance=DEFAULT_TOLERANCE if limit is None else limit.value,
        batched=data.batched,
    )
    designs = propose_designs(situation)
    return Ground(
        here=here,
        choice=choice,
        absent=absent,
        models=(situation.model, *found[1:]),
        data=data,
        designs=designs if choice else _worth_evaluating(designs, absent),
        folders=tuple(machines),
    )


def candidates(site: Site, machines: Sequence[Path] = ()) -> tuple[MachineChoice | None, tuple[Absent, ...]]:
    """What the site says of the machine at hand, and its machines that are elsewhere.

    Raises:
        UnknownMachine: a machine that the catalogue does not have.
    """
    absent = tuple(
        Absent(machine=catalogue.find(choice.name, machines), choice=choice)
        for choice in site.machines
        if choice.name != THIS
    )
    return next((choice for choice in site.machines if choice.name == THIS), None), absent


def _worth_evaluating(designs: Sequence[Design], absent: Sequence[Absent]) -> tuple[Design, ...]:
    """The designs that machines elsewhere could run too, and the reference; one thread each, for none runs here."""
    wanted = {runtime for machine in absent for runtime in machine.runtimes}
    reference = next((design.configuration.runtime for design in designs if not design.failure), None)
    kept = [design for design in designs if design.configuration.runtime in {*wanted, reference}]
    least = min(design.configuration.threads for design in designs)
    return tuple(design for design in kept if design.configuration.threads == least)


def _check_same(reference: Model, other: Model, path: Path) -> None:
    """See that `other` has the inputs and outputs of `reference`, whatever they are called."""
    for side in ("inputs", "outputs"):
        ours, theirs = getattr(reference.signature, side), getattr(other.signature, side)
        if len(ours) != len(theirs):
            raise BadModel(
                f"{path.name} has {len(theirs)} {side} and the first model has {len(ours)}",
                hint="model.file lists the same model in several formats",
            )
        for a, b in zip(ours, theirs, strict=True):
            if len(a.shape) != len(b.shape) or not all(
                isinstance(x, str) or isinstance(y, str) or x == y for x, y in zip(a.shape, b.shape, strict=True)
            ):
                raise BadModel(
                    f"{path.name} takes or gives {list(b.shape)} where the first model has {list(a.shape)}",
                    hint="model.file lists the same model in several formats, with the same layout of axes",
                )
