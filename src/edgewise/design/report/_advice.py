"""What binds a design and the one move that helps most, as the page says it. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from edgewise.design import words
from edgewise.nouns import Advice, Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class Counsel:
    """One piece of advice; `id` is of the design in the page, "" where it has none, `share` in per cent."""

    id: str
    design: str
    binds: str
    share: str
    sentence: str
    move: str
    speedup: str


def advice(plan: Plan, ids: Mapping[str, str]) -> tuple[Counsel, ...]:
    """All advice of a plan, in its order."""
    return tuple(_counsel(one, ids) for one in plan.advice)


def _counsel(one: Advice, ids: Mapping[str, str]) -> Counsel:
    return Counsel(
        id=ids.get(one.design, ""), design=one.design, binds=one.binds.value,
        share=f"{100 * min(1.0, max(0.0, one.share)):.0f}", sentence=_capital(one.binds_sentence),
        move=_capital(one.move), speedup=f"{words.times(one.speedup)} as fast" if one.move and one.speedup > 1 else "",
    )  # fmt: skip


def _capital(text: str) -> str:
    """`text` with a capital, unless it begins with the name of a design."""
    return text if "/" in text.partition(" ")[0] else text[:1].upper() + text[1:]
