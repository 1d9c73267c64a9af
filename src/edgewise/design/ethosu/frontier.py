"""Which compiled configurations are worth having, and which one to take. Pure.

A figure is lower where it is better, throughout. Dominance looks at every figure at once, the operators that fall
back to the CPU included, so that no cost hides behind a saving.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from edgewise.design.ethosu.compiled import MS_PER_S, Compiled
from edgewise.design.ethosu.figures import CYCLE_ERROR
from edgewise.nouns import Budget, Quantity


class Goal(StrEnum):
    """What is wanted least of, within the limits."""

    SRAM = "sram"
    CYCLES = "cycles"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What must be kept within; None is free."""

    cycles: float | None = None
    sram_bytes: float | None = None
    flash_bytes: float | None = None

    @classmethod
    def near(cls, default: Compiled, slack: float = 0.02) -> Self:
        """At most `slack` more cycles than `default`, as a share of them."""
        return cls(cycles=default.cycles * (1 + slack))

    @classmethod
    def of(cls, budget: Budget, clock_hz: float) -> Self:
        """What `budget` allows at `clock_hz`: the whole interval of the latency has to fit, so cycles are fewer.

        Memory is SRAM: a budget of a microcontroller speaks of nothing else.
        """
        latencies = [budget.limit(quantity) for quantity in (Quantity.LATENCY_P50, Quantity.LATENCY_MIN)]
        times_ms = [limit.value for limit in latencies if limit is not None]
        throughput, memory, flash = map(budget.limit, (Quantity.THROUGHPUT, Quantity.MEMORY, Quantity.FLASH))
        if throughput is not None:
            times_ms.append(MS_PER_S / throughput.value)
        return cls(
            cycles=min(times_ms) / MS_PER_S * clock_hz / (1 + CYCLE_ERROR) if times_ms else None,
            sram_bytes=None if memory is None else memory.value,
            flash_bytes=None if flash is None else flash.value,
        )

    def admit(self, compiled: Compiled) -> bool:
        """True where `compiled` is within every limit."""
        pairs = (
            (compiled.cycles, self.cycles),
            (compiled.sram_bytes, self.sram_bytes),
            (compiled.flash_bytes, self.flash_bytes),
        )
        return all(limit is None or value <= limit for value, limit in pairs)


def costs(compiled: Compiled) -> tuple[int, ...]:
    """Cycles, SRAM, flash, DRAM, operators on the CPU."""
    return (
        compiled.cycles,
        compiled.sram_bytes,
        compiled.flash_bytes,
        compiled.dram_bytes,
        len(compiled.cpu_operators),
    )


def dominates(one: Compiled, other: Compiled) -> bool:
    """True where `one` is nowhere worse than `other` and somewhere better."""
    ours, theirs = costs(one), costs(other)
    return ours != theirs and all(mine <= its for mine, its in zip(ours, theirs, strict=True))


def frontier(compiled: Sequence[Compiled]) -> tuple[Compiled, ...]:
    """Those that no other dominates, fastest first; of equal ones the first."""
    distinct = {costs(entry): entry for entry in reversed(compiled)}
    kept: list[Compiled] = []
    for _, entry in sorted(distinct.items(), key=lambda item: item[0]):  # whoever dominates comes earlier
        if not any(dominates(better, entry) for better in kept):
            kept.append(entry)
    return tuple(kept)


def best(
    compiled: Sequence[Compiled], *, default: Compiled, limits: Limits | None = None, goal: Goal = Goal.SRAM
) -> Compiled | None:
    """The one of `compiled` and `default` that needs least of `goal` within `limits`; None where nothing fits.

    Never worse than `default`: it is among the candidates, and what it dominates is not.

    Args:
        limits: at most 2 % more cycles than `default`, where None.
    """
    allowed = limits or Limits.near(default)
    fitting = [entry for entry in frontier([default, *compiled]) if allowed.admit(entry)]
    if goal is Goal.SRAM:
        return min(fitting, key=lambda entry: (entry.sram_bytes, *costs(entry)), default=None)
    return min(fitting, key=costs, default=None)
