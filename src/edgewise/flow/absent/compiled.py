"""Designs for an Arm Ethos-U that is not here, compiled by Vela: exact in memory, near in cycles.

Of all that the search compiles, what people choose from is kept: Vela's own default, the fastest, the one that needs
least SRAM at hardly more cycles, and the smallest that the site's budget allows.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from edgewise import units
from edgewise.design import figures
from edgewise.design.ethosu import frontier
from edgewise.design.ethosu.advice import advise
from edgewise.design.ethosu.compile import artifact
from edgewise.design.ethosu.compiled import Compiled
from edgewise.design.ethosu.configuration import KIB, Configuration, Feature, MemoryMode, Npu, Strategy, unlimited
from edgewise.design.ethosu.figures import STEADY, of_compiled
from edgewise.design.ethosu.frontier import Goal, Limits
from edgewise.design.ethosu.search import Found, search, sizes
from edgewise.errors import BadModel, ChildFailed, MissingDependency
from edgewise.flow.absent.sources import Source
from edgewise.flow.candidates import Work
from edgewise.flow.ground import Absent
from edgewise.nouns import (
    Accelerator,
    Advice,
    Budget,
    Design,
    ModelFile,
    Rejection,
    RuntimeConfiguration,
    RuntimeName,
    Stage,
    Variant,
)
from edgewise.progress import Progress

FEW_MACS = 50_000_000
"""A model with more is compiled with fewer arena limits, for each compilation takes long."""
POINTS, FEW_POINTS = 12, 4
DEFAULT = "Vela's own default"


class _Steps:
    """The search's steps as those of one stage: people wait for a machine, not for the search's rounds."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    def stage(self, name: str, total: int | None) -> None:
        """The caller's stage goes on."""

    def step(self, note: str = "", *, amount: int = 1) -> None:
        self._progress.step(note, amount=amount)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Designs for one part, and what binds each of them."""

    designs: tuple[Design, ...]
    advice: tuple[Advice, ...] = ()


def designs(source: Source, absent: Absent, part: Accelerator, budget: Budget, work: Work) -> Outcome:
    """What is worth choosing from on `part`; where nothing compiles, one design with the reason."""
    try:
        work.progress.stage(f"compiling for {part.name} of {absent.machine.name}", None)
        found = search(
            work.store.blobs.get(source.variant.files[0].digest),
            part,
            clock_hz=part.clock.value if part.clock else None,
            points=POINTS if (source.model.macs or 0) <= FEW_MACS else FEW_POINTS,
            progress=_Steps(work.progress),
            store=work.store,
        )
    except (BadModel, ChildFailed, MissingDependency) as error:
        return Outcome(designs=(_failed(source, absent, part.name, error.message),))
    pairs = [pair for npu in sizes(part) for pair in _of_npu(npu, found, source, absent, part, budget)]
    reasons = {failure.configuration.npu: failure.reason for failure in found.failures}
    failed = [
        _failed(source, absent, str(npu), reasons.get(npu, "Vela compiles it in no configuration"))
        for npu in sizes(part)
        if npu not in found.defaults
    ]
    advice = (advise(design.name, entry, found.compiled) for design, entry in pairs)
    return Outcome(designs=(*(design for design, _ in pairs), *failed), advice=tuple(advice))


def _of_npu(
    npu: Npu, found: Found, source: Source, absent: Absent, part: Accelerator, budget: Budget
) -> Iterator[tuple[Design, Compiled]]:
    default = found.defaults.get(npu)
    if default is None:
        return
    for entry in _picked(found.of(npu), default, budget):
        caveats = [*source.caveats, STEADY]
        if part.clock is None:
            clock = units.show(entry.configuration.clock_hz, units.FREQUENCY)
            caveats.append(f"its clock is not published: {clock} is that of Arm's reference system")
        if entry == default:
            caveats.append(f"this is {DEFAULT}")
        known = dict(source.figures) | of_compiled(entry) | figures.of_machine(absent.machine, absent.choice)
        design = Design(
            name=_name(source, entry.configuration, absent.machine.name),
            machine=absent.machine.name,
            recipe=source.variant.recipe,
            configuration=_configuration(entry),
            stage=Stage.TIMED,
            variant=source.variant,
            figures=known | figures.of_power(known),
            caveats=tuple(caveats),
        )
        yield (_fallen_back(design, entry) if entry.cpu_operators else design), entry


def _picked(compiled: Sequence[Compiled], default: Compiled, budget: Budget) -> list[Compiled]:
    """At most four, the default last."""
    clock_hz = default.configuration.clock_hz
    wanted = [
        frontier.best(compiled, default=default, limits=Limits(), goal=Goal.CYCLES),
        frontier.best(compiled, default=default),
        frontier.best(compiled, default=default, limits=Limits.of(budget, clock_hz)),
        default,
    ]
    return list(dict.fromkeys(entry for entry in wanted if entry is not None))


def _fallen_back(design: Design, entry: Compiled) -> Design:
    count = len(entry.cpu_operators)
    shown = ", ".join(entry.cpu_operators[:3]) + (f" and {count - 3} more" if count > 3 else "")
    return replace(
        design,
        stage=Stage.EVALUATED,
        failure=f"{count} operators fall back to the CPU, and how long they take there is not known: {shown}",
        rejection=Rejection.RULED_OUT,
    )


def _failed(source: Source, absent: Absent, what: str, reason: str) -> Design:
    configuration = RuntimeConfiguration(runtime=RuntimeName.VELA, version="", threads=1, options={"npu": what})
    return Design(
        name=f"{RuntimeName.VELA}/{source.variant.recipe.name}+{what}@{absent.machine.name}",
        machine=absent.machine.name,
        recipe=source.variant.recipe,
        configuration=configuration,
        stage=Stage.EVALUATED,
        variant=source.variant,
        figures=source.figures,
        failure=reason,
        rejection=Rejection.FAILED,
    )


def _configuration(entry: Compiled) -> RuntimeConfiguration:
    configuration = entry.configuration
    options = {
        "npu": str(configuration.npu),
        "memory_mode": configuration.memory_mode.value,
        "strategy": configuration.strategy.value,
        "arena_limit_bytes": str(configuration.arena_limit_bytes),
        "system": configuration.system,
        "clock_hz": f"{configuration.clock_hz:.0f}",
        "disabled": ",".join(configuration.disabled),
    }
    return RuntimeConfiguration(runtime=RuntimeName.VELA, version=entry.tool, threads=1, options=options)


def _name(source: Source, configuration: Configuration, machine: str) -> str:
    """`vela/recipe+npu+memory-mode+strategy+limit@machine`; whatever is as Vela has it is left out."""
    parts = [str(configuration.npu).removeprefix("ethos-"), configuration.memory_mode.value.lower().replace("_", "-")]
    default = Configuration.default(configuration.npu, configuration.memory_mode)
    if configuration.strategy is not default.strategy:
        parts.append(configuration.strategy.value.lower())
    parts += [f"no-{feature.value.lower()}" for feature in configuration.disabled]
    limit = configuration.arena_limit_bytes
    if limit not in (default.arena_limit_bytes, unlimited(configuration.npu)):
        parts.append(f"{limit / KIB:.4g}KiB")
    return f"{RuntimeName.VELA}/{source.variant.recipe.name}+{'+'.join(parts)}@{machine}"


def finished(design: Design, work: Work) -> Design:
    """`design` with the compiled model as its variant, the file that a device would be given.

    Raises:
        ChildFailed: the compiler fails now, though it did not before.
    """
    if design.variant is None:
        return design
    content = artifact(work.store.blobs.get(design.variant.files[0].digest), _chosen(design.configuration))
    file = ModelFile(name="model_vela.tflite", digest=work.store.blobs.put(content), size_bytes=len(content))
    return replace(design, variant=Variant(recipe=design.recipe, files=(file,), notes=design.variant.notes))


def _chosen(configuration: RuntimeConfiguration) -> Configuration:
    options = configuration.options
    return Configuration(
        npu=Npu.named(options["npu"]),
        memory_mode=MemoryMode(options["memory_mode"]),
        strategy=Strategy(options["strategy"]),
        arena_limit_bytes=int(options["arena_limit_bytes"]),
        system=options["system"],
        clock_hz=float(options["clock_hz"]),
        disabled=tuple(Feature(name) for name in options["disabled"].split(",") if name),
    )
