"""What an Ethos-U design waits for, and the one change of configuration that helps most. Pure.

The compiler says how many cycles are arithmetic; the rest waits for a memory. What a change brings is not modelled:
it is read off the other configurations that were compiled.
"""

from collections.abc import Iterator, Sequence

from edgewise import units
from edgewise.design.ethosu.compiled import Compiled
from edgewise.design.ethosu.configuration import MemoryMode
from edgewise.nouns import Advice, Bottleneck

WORTH = 1.05
"""A change that speeds up by less is not worth a sentence."""
ARITHMETIC = 0.8
"""With this share of its cycles in arithmetic, a design is bound by it."""

_PLACES = {
    MemoryMode.SHARED_SRAM: "weights in flash",
    MemoryMode.SRAM_ONLY: "weights in SRAM",
    MemoryMode.DEDICATED_SRAM: "weights and feature maps in DRAM",
}


def advise(name: str, entry: Compiled, compiled: Sequence[Compiled]) -> Advice:
    """What binds `entry`, and the change that helps most.

    Args:
        name: of the design.
        compiled: the same model in other configurations of the same part.
    """
    binds, share, sentence = _binds(entry)
    moves = sorted(_moves(entry, compiled), key=lambda move: -move[0])
    speedup, move = moves[0] if moves and moves[0][0] >= WORTH else (1.0, "")
    useless = _useless(entry, compiled)
    if not move and moves:
        move = "no single change of memory, size or schedule makes it faster to speak of"
    return Advice(
        design=name,
        binds=binds,
        share=share,
        binds_sentence=sentence + (f"; {useless}" if useless else ""),
        move=move,
        speedup=speedup,
    )


def _binds(entry: Compiled) -> tuple[Bottleneck, float, str]:
    if entry.cpu_operators:
        count = len(entry.cpu_operators)
        return Bottleneck.FALLBACK, 1.0, f"{count} operators fall back to the CPU: {', '.join(entry.cpu_operators[:3])}"
    arithmetic = min(1.0, entry.npu_cycles / max(entry.cycles, 1))
    if arithmetic >= ARITHMETIC:
        return Bottleneck.MACS, arithmetic, f"{arithmetic:.0%} of its cycles are arithmetic: it is bound by its MACs"
    waits = 1.0 - arithmetic
    slowest = max(entry.traffic, key=lambda one: one.read_bytes + one.written_bytes, default=None)
    if entry.configuration.memory_mode is MemoryMode.SHARED_SRAM:
        flash = sum(one.read_bytes for one in entry.traffic if "Sram" not in one.memory)
        read = units.show(float(flash or entry.constant_bytes), units.SIZE)
        return Bottleneck.FLASH, waits, f"{waits:.0%} of its cycles wait for memory: {read} of weights come from flash"
    memory = slowest.memory if slowest else "memory"
    return Bottleneck.MEMORY, waits, f"{waits:.0%} of its cycles wait for memory, most of all {memory}"


def _moves(entry: Compiled, compiled: Sequence[Compiled]) -> Iterator[tuple[float, str]]:
    """Speed-up and sentence of the best alternative along each way that a configuration can change."""
    here = entry.configuration
    others = [other for other in compiled if not other.cpu_operators]
    for mode in MemoryMode:
        near = [
            o
            for o in others
            if o.configuration.npu == here.npu and mode is o.configuration.memory_mode is not here.memory_mode
        ]
        if near:
            best = min(near, key=lambda other: (other.cycles, other.sram_bytes))
            speedup = entry.cycles / best.cycles
            yield speedup, f"{_PLACES[mode]} would be {speedup:.1f} times as fast, {_sram(best, entry)}"
    sizes = sorted({other.configuration.npu.macs for other in others if other.configuration.npu.macs > here.npu.macs})
    for macs in sizes[:1]:
        near = [
            o for o in others if o.configuration.npu.macs == macs and o.configuration.memory_mode is here.memory_mode
        ]
        if near:
            best = min(near, key=lambda other: (other.cycles, other.sram_bytes))
            speedup = entry.cycles / best.cycles
            yield speedup, f"{macs} MACs instead of {here.npu.macs} would be {speedup:.1f} times as fast"
    same = [o for o in others if o.configuration.npu == here.npu and o.configuration.memory_mode is here.memory_mode]
    if same:
        best = min(same, key=lambda other: (other.cycles, other.sram_bytes))
        speedup = entry.cycles / best.cycles
        yield speedup, f"another schedule would be {speedup:.1f} times as fast, {_sram(best, entry)}"


def _sram(best: Compiled, entry: Compiled) -> str:
    more = best.sram_bytes - entry.sram_bytes
    return f"for {units.show(float(abs(more)), units.SIZE)} {'more' if more > 0 else 'less'} SRAM"


def _useless(entry: Compiled, compiled: Sequence[Compiled]) -> str:
    """That more MACs would not help, where they would not: the mistake that is made most often."""
    here = entry.configuration
    alike = [o for o in compiled if o.configuration.memory_mode is here.memory_mode and not o.cpu_operators]
    fewest = [o.cycles for o in alike if o.configuration.npu.macs < here.npu.macs]
    most = [o.cycles for o in alike if o.configuration.npu.macs > here.npu.macs]
    if most and entry.cycles / min(most) < WORTH:
        return f"more MACs would not help: {max(o.configuration.npu.macs for o in alike)} are as slow"
    if fewest and min(fewest) / entry.cycles < WORTH:
        return f"fewer MACs would do: {min(o.configuration.npu.macs for o in alike)} are as fast"
    return ""
