"""The decision, as a rule in four lines. Pure; the thresholds are named here and argued in docs/adr/0016.

1. Ruled out is what needs more disk than a machine has free, and what needs more than a month of the link in a month.
2. Of the rest, the strategy wins with the fewest things that must be running for a cold start.
3. Another displaces it only where it saves both `SAVING_SHARE` of the bytes of a month and `SAVING_MS` of the site's
   link (or, where edge.yaml has no link, `SAVING_BYTES` a device).
4. What is equal by then is a tie, said so: fewer things to look after win, then the simpler one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from edgewise.build.choice import cadence as cadences
from edgewise.build.choice import sentences
from edgewise.build.choice.cadence import Cadence
from edgewise.build.choice.figures import Figures, figures, too_much_for_a_month
from edgewise.build.strategies.bundle import Bundle, Strategy
from edgewise.nouns import Site

SAVING_SHARE = 0.2
"""Of a month's bytes: the cadence behind them is declared, and not known better than this."""
SAVING_MS = 3_600_000.0
"""An hour of the link a month, 0.14 % of it: below, nobody notices what a strategy saves."""
SAVING_BYTES = float(1 << 30)
"""A device and month, where nobody says how fast the link is."""
TIE_SHARE = 0.02
"""Figures that differ by less are equal: manifests, compression and padding make up that much of a small model."""
SIMPLEST_FIRST = (Strategy.EMBEDDED, Strategy.MODELCAR, Strategy.EXTERNAL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Which strategy suits a site, and why.

    Attributes:
        figures: of every strategy that was built, the simplest first.
        by_figures: what the rule chooses; None where everything is ruled out.
        strategy: what is used: what edge.yaml names, else `by_figures`.
        ruled_out: why not, by strategy.
        reasons: in sentences, the decisive one first.
        ties: figures that cannot be told apart, in sentences.
        assumptions: what all figures rest on, in sentences.
    """

    site: str
    figures: tuple[Figures, ...]
    by_figures: Strategy | None
    strategy: Strategy | None
    reasons: tuple[str, ...]
    ruled_out: Mapping[Strategy, str] = field(default_factory=dict)
    ties: tuple[str, ...] = ()
    assumptions: tuple[str, ...] = ()


def choose(bundles: Sequence[Bundle], site: Site, *, cadence: Cadence | None = None) -> Choice:
    """Which of `bundles`, one for each strategy of one platform, suits `site`.

    Args:
        cadence: how often things change; None: as edge.yaml says, and by default.

    Raises:
        ValueError: no bundles, two of one strategy, or bundles of several platforms.
    """
    names = {bundle.strategy for bundle in bundles}
    if len(names) < len(bundles) or len({bundle.platform for bundle in bundles}) != 1:
        raise ValueError("wanted are bundles of one platform, one for each strategy")
    often = cadence or cadences.cadence(site)
    by_name = {bundle.strategy: figures(bundle, site, often) for bundle in bundles}
    found = tuple(by_name[strategy] for strategy in SIMPLEST_FIRST if strategy in by_name)
    ruled_out = {one.strategy: why for one in found if (why := _ruled_out(one, site))}
    fitting = [one for one in found if one.strategy not in ruled_out]
    chosen, reasons, ties = _decided(fitting, site) if fitting else (None, (sentences.nothing_fits(),), ())
    by_figures = None if chosen is None else chosen.strategy
    asked = None if site.strategy == "auto" else Strategy(site.strategy)
    if asked:
        reasons = (sentences.asked_for(asked, by_figures, ruled_out.get(asked, "")), *reasons)
        if asked is not by_figures and asked in by_name:
            reasons = (*reasons, sentences.price_of(by_name[asked]))
    return Choice(
        site=site.name,
        figures=found,
        by_figures=by_figures,
        strategy=asked or by_figures,
        reasons=reasons,
        ruled_out=ruled_out,
        ties=ties,
        assumptions=sentences.assumptions(site, often),
    )


def saves(cheaper: Figures, dearer: Figures) -> bool:
    """Whether `cheaper` spares so much of a month's transfer over `dearer` that more moving parts are worth it."""
    spared = dearer.monthly_bytes.value - cheaper.monthly_bytes.value
    if spared <= 0 or spared < SAVING_SHARE * dearer.monthly_bytes.value:
        return False
    if cheaper.monthly_ms is None or dearer.monthly_ms is None:
        return spared >= SAVING_BYTES
    return dearer.monthly_ms.value - cheaper.monthly_ms.value >= SAVING_MS


def equal(one: float, other: float) -> bool:
    """Whether two figures cannot be told apart: less than `TIE_SHARE` of the larger lies between them."""
    return one == other or abs(one - other) < TIE_SHARE * max(abs(one), abs(other))


def _ruled_out(one: Figures, site: Site) -> str:
    """Why `one` cannot be had at `site`; "" where it can."""
    free = [machine.disk_free_bytes for machine in site.machines if machine.disk_free_bytes is not None]
    if free and one.disk_peak_bytes.value > min(free):
        return sentences.disk(one, min(free))
    if too_much_for_a_month(one):
        return sentences.never_done(one, site)
    return ""


def _decided(fitting: Sequence[Figures], site: Site) -> tuple[Figures, tuple[str, ...], tuple[str, ...]]:
    """The winner among `fitting`, which is not empty; why, and what is a tie."""
    fewest = min(len(one.needs.cold_start) for one in fitting)
    first = [one for one in fitting if len(one.needs.cold_start) == fewest]
    simplest = min(first, key=_by_effort)
    savers = [one for one in fitting if saves(one, simplest)]
    winner = min(savers, key=lambda one: (one.monthly_bytes.value, *_by_effort(one))) if savers else simplest
    others = [one for one in fitting if one is not winner]
    reasons = [sentences.displaced(winner, simplest) if savers else sentences.fewest(winner, fitting, len(first) > 1)]
    reasons += [sentences.beside(winner, other, site) for other in others]
    ties = tuple(sentence for other in others if (sentence := _tie(winner, other)))
    return winner, (*reasons, sentences.price_of(winner)), ties


def _by_effort(one: Figures) -> tuple[int, int]:
    """Fewer things to look after, then the simpler."""
    return len(one.needs.things), SIMPLEST_FIRST.index(one.strategy)


def _tie(winner: Figures, other: Figures) -> str:
    """Which figures of the two cannot be told apart; "" where all can."""
    titles = [title for title, ours, theirs in sentences.compared(winner, other) if equal(ours, theirs)]
    return sentences.tie(titles, winner.strategy, other.strategy) if titles else ""
