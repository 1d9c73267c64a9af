"""Configurations of one accelerator side by side: latency against SRAM, a line for each size. Pure.

Each chart holds one variant on one family of NPU in one machine, for only there a difference is the
configuration's. The steps of a line lead through what nothing else of that size beats in both.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from edgewise.design import figure_text, words
from edgewise.design.ethosu.configuration import Configuration, MemoryMode, Npu, unlimited
from edgewise.design.ranking import place
from edgewise.design.report._forms import PLAIN, Form, Look, form
from edgewise.design.report._machines import axis, latency_of
from edgewise.design.report._marks import mark
from edgewise.design.report._panels import Item, Panel, panel
from edgewise.errors import BadConfiguration
from edgewise.nouns import Design, Plan, Quantity, RuntimeName, Verdict

_LEAST = 3
_MODES: Mapping[str, int] = {MemoryMode.SHARED_SRAM: 0, MemoryMode.SRAM_ONLY: 1, MemoryMode.DEDICATED_SRAM: 3}
_MODE_WORDS: Mapping[str, str] = {
    MemoryMode.SHARED_SRAM: "Shared_Sram: constants in flash",
    MemoryMode.SRAM_ONLY: "Sram_Only: constants in SRAM",
    MemoryMode.DEDICATED_SRAM: "Dedicated_Sram: SRAM as a cache",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Configurations:
    """The chart of one accelerator; `standards` says whether Vela's own defaults are among the designs."""

    title: str
    panel: Panel
    form: Form
    modes: tuple[tuple[Look, str], ...]
    sizes: tuple[tuple[int, str], ...]
    standards: bool
    sentence: str
    left_out: int


def configurations(plan: Plan, ids: Mapping[str, str]) -> tuple[Configurations, ...]:
    """One chart for each accelerator and variant with at least three configurations, the most first."""
    groups: dict[tuple[str, str, str], list[Verdict]] = {}
    for verdict in plan.verdicts:
        design = verdict.design
        if design.configuration.runtime is RuntimeName.VELA and Quantity.LATENCY_P50 in design.figures:
            key = (design.machine, _family(design), design.recipe.name)
            groups.setdefault(key, []).append(verdict)
    large = [(key, found) for key, found in groups.items() if len(found) >= _LEAST]
    charts = [_chart(*key, found, plan, ids) for key, found in sorted(large, key=lambda one: (-len(one[1]), one[0]))]
    return tuple(chart for chart in charts if chart)


def _chart(
    machine: str, family: str, recipe: str, found: Sequence[Verdict], plan: Plan, ids: Mapping[str, str]
) -> Configurations | None:
    sizes = sorted({_npu(verdict.design) for verdict in found}, key=lambda npu: (_macs(npu), npu))
    hues = {npu: number % 7 for number, npu in enumerate(sizes)}
    drawn = [verdict for verdict in found if Quantity.MEMORY in verdict.design.figures]
    latency = latency_of(plan)
    groups = [
        (hues[npu], _labelled([_item(v, plan, ids, hues[npu]) for v in drawn if _npu(v.design) == npu], npu, latency))
        for npu in sizes
    ]
    items = [item for _, group in groups for item in group]
    memory = replace(axis(Quantity.MEMORY, plan), title="SRAM")
    made = panel(items, memory, axis(latency, plan), groups=groups, title=f"{family} in {place(machine)}")
    if made is None:
        return None
    modes = {verdict.design.configuration.options.get("memory_mode", "") for verdict in drawn}
    return Configurations(
        title=f"{_written(family)} in {place(machine)}", panel=made, left_out=len(found) - len(drawn),
        form=form(items[0].figures[latency]),
        modes=tuple((Look(shape=shape, hue=0), _MODE_WORDS[mode]) for mode, shape in _MODES.items() if mode in modes),
        sizes=tuple((hues[npu], _size(npu) + _clock(npu, drawn)) for npu in sizes),
        standards=any(item.ring for item in items),
        sentence=f"{recipe}; every mark is one configuration of the compiler.",
    )  # fmt: skip


def _item(verdict: Verdict, plan: Plan, ids: Mapping[str, str], hue: int) -> Item:
    design = verdict.design
    shape = _MODES.get(design.configuration.options.get("memory_mode", ""), PLAIN.shape)
    standard = is_default(design)
    return Item(
        id=ids[design.name], name=design.name, figures=design.figures, look=Look(shape=shape, hue=hue), feasible=True,
        word=f"{mark(verdict, plan).word}, {_size(_npu(design))}{', the default of Vela' if standard else ''}",
        ring="default" if standard else "",
    )  # fmt: skip


def _labelled(group: Sequence[Item], npu: str, latency: Quantity) -> list[Item]:
    """The same items with their size written beside the fastest."""
    fastest = min((item.figures[latency].value for item in group), default=None)
    best = next((item.id for item in group if item.figures[latency].value == fastest), "")
    return [replace(item, lead=_size(npu) if item.id == best else "") for item in group]


def is_default(design: Design) -> bool:
    """True where a design is what Vela's command line makes of its NPU when nothing more is said."""
    options = design.configuration.options
    try:
        npu = Npu.named(options.get("npu", ""))
    except BadConfiguration:
        return False
    own = Configuration.default(npu)
    said = (options.get("memory_mode"), options.get("strategy"), options.get("disabled", ""))
    bound = options.get("arena_limit_bytes", str(unlimited(npu)))
    return said == (own.memory_mode, own.strategy, "") and bound == str(own.arena_limit_bytes)


def _npu(design: Design) -> str:
    return design.configuration.options.get("npu", "")


def _family(design: Design) -> str:
    return re.sub(r"-\d+$", "", _npu(design)) or words.THIS


def _macs(npu: str) -> int:
    found = re.search(r"-(\d{1,9})$", npu)
    return int(found[1]) if found else 0


def _size(npu: str) -> str:
    return f"{_macs(npu)} MACs" if _macs(npu) else npu


def _clock(npu: str, drawn: Sequence[Verdict]) -> str:
    """The clock of a size, where sizes differ in it: two sizes then differ in more than their MACs."""
    clocks = {_npu(v.design): v.design.configuration.options.get("clock_hz", "") for v in drawn}
    if len(set(clocks.values())) < 2 or not re.fullmatch(r"\d{1,12}", clocks.get(npu, "")):
        return ""
    return f" at {figure_text.plain(float(clocks[npu]), 'Hz')}"


def _written(family: str) -> str:
    """The family as Arm writes it: ethos-u55 is Ethos-U55."""
    return re.sub(r"^ethos-u", "Ethos-U", family)
