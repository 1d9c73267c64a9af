"""Why this design and not the runner-up, and what would change the choice. Pure."""

import math
from collections.abc import Iterator, Sequence

from edgewise.design import words
from edgewise.design.choose import FRONTIER, TIE, Choice, Ratio, choose
from edgewise.design.judge import obstacles
from edgewise.design.ranking import place, standing_for
from edgewise.design.statistics import Estimate
from edgewise.nouns import Design, Finding, Measurement, ProvenanceKind, Quantity, Verdict

LATENCIES = (Quantity.LATENCY_P50, Quantity.LATENCY_P90, Quantity.LATENCY_P99)
MUCH_LESS = 0.9
"""Less than this share of a figure is worth changing a design for."""
MOST = 6
"""Designs that are given advice."""
NEAR = 1.5
"""A limit that is met with less than this factor to spare is worth a sentence."""


def why(
    verdicts: Sequence[Verdict], choice: Choice, reference: str, ratio: Ratio, *, label: str = "the model as given"
) -> tuple[str, ...]:
    """The reasons, a sentence each, most telling first; empty where nothing was chosen.

    Args:
        label: what the reference is called.
    """
    by_name = {verdict.design.name: verdict for verdict in verdicts}
    if choice.chosen is None:
        return ()
    chosen = by_name[choice.chosen]
    sentences = [_against(chosen.design, by_name[reference].design, ratio, label)]
    if choice.tied:
        sentences.append(_equals(chosen.design, choice))
    if choice.runner_up:
        sentences.append(_runner_up(chosen.design, by_name[choice.runner_up].design, ratio))
    sentences += _unproven(chosen)
    sentences += _other_machines(verdicts, chosen)
    sentences += _would_change(verdicts, chosen, ratio)
    return tuple(sentence for sentence in sentences if sentence)


def worth_advice(verdicts: Sequence[Verdict], choice: Choice) -> tuple[Design, ...]:
    """The choice, the runner-up, and what would be feasible but for one limit, fastest first; `MOST` at most."""
    near = [verdict for verdict in verdicts if len(obstacles(verdict)) == 1]
    near.sort(key=_p50)
    names = [name for name in (choice.chosen, choice.runner_up) if name] + [verdict.design.name for verdict in near]
    by_name = {verdict.design.name: verdict.design for verdict in verdicts}
    return tuple(by_name[name] for name in dict.fromkeys(names))[:MOST]


def _p50(verdict: Verdict) -> float:
    """Median latency in ms; infinite where it is not known."""
    figure = verdict.design.figures.get(Quantity.LATENCY_P50)
    return math.inf if figure is None else figure.value


def _equals(design: Design, choice: Choice) -> str:
    """What made the difference among designs that count as equally fast."""
    order = "fewer threads, less memory and smaller size, in that order"
    if design.name == choice.fastest:
        verb = "counts" if len(choice.tied) == 1 else "count"
        return f"no faster one was found; {_listed(choice.tied)} {verb} as equal, and it wins by {order}"
    return (
        f"the fastest was {choice.fastest}, but not so that it can be told from {design.name} (their ratio may"
        f" be 1 and is at most {TIE:g}); among such equals it wins by {order}"
    )


def _listed(names: Sequence[str]) -> str:
    shown = list(names[:3])
    more = len(names) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")


def _against(design: Design, other: Design, ratio: Ratio, label: str) -> str:
    if design.name == other.name:
        return f"{design.name} is {label}: nothing that was tried serves this budget better"
    estimate = ratio(other.name, design.name)
    return f"{label} ({other.name}) {_takes(estimate)}" if estimate else ""


def _takes(estimate: Estimate) -> str:
    """How long another design takes, said so that an interval across 1 ranks nothing."""
    told_apart = not estimate.low <= 1 <= estimate.high
    return f"{'' if told_apart else 'cannot be told apart in latency: it '}takes {_times(estimate)} as long"


def _times(estimate: Estimate) -> str:
    return f"{words.times(estimate.value)} ({estimate.low:.2f} to {estimate.high:.2f})"


def _runner_up(design: Design, other: Design, ratio: Ratio) -> str:
    estimate = ratio(other.name, design.name)
    if estimate is None and other.machine == design.machine and _measured(other) and _measured(design):
        return f"the runner-up is {other.name}; the two were not timed side by side"
    takes = _takes(estimate) if estimate else _takes_by_figures(other, design)
    gains = [_gain(quantity, other, design) for quantity in FRONTIER if _better(quantity, other, design)]
    in_return = f", and needs {' and '.join(gains)}" if gains else ", and saves nothing else to speak of"
    return f"the runner-up {other.name} {takes}{in_return}"


def _measured(design: Design) -> bool:
    return design.figures[Quantity.LATENCY_P50].provenance.kind is ProvenanceKind.MEASURED


def _takes_by_figures(other: Design, design: Design) -> str:
    """The same of designs that were not timed side by side, from their figures and what those are worth."""
    theirs, ours = (one.figures[Quantity.LATENCY_P50] for one in (other, design))
    if theirs.overlaps(ours):
        return (
            f"cannot be told apart in latency: {words.with_interval(theirs)} ({theirs.provenance.kind}) against"
            f" {words.with_interval(ours)} ({ours.provenance.kind})"
        )
    ratio = theirs.value / ours.value
    said = f"takes {words.times(ratio)} as long" if ratio >= 1 else f"is {words.times(1 / ratio)} as fast"
    return f"{said} by their figures ({_kinds(theirs, ours)})"


def _kinds(*figures: Measurement) -> str:
    return " and ".join(dict.fromkeys(figure.provenance.kind.value for figure in figures))


def _other_machines(verdicts: Sequence[Verdict], chosen: Verdict) -> Iterator[str]:
    """What the other machines of the site could do, a sentence each: the best that fits, or what stands nearest."""
    for machine in dict.fromkeys(verdict.design.machine for verdict in verdicts):
        found = standing_for(machine, verdicts, chosen.design.name)
        if machine == chosen.design.machine or (found is not None and found.design.failure):
            continue
        if found is None:
            reason = next(verdict.reason for verdict in verdicts if verdict.design.machine == machine)
            yield f"on {place(machine)} nothing can be planned: {reason}"
            continue
        best = found.design
        if not found.feasible:
            yield f"on {place(machine)} nothing fits; nearest is {best.name}: {found.reason}"
            continue
        takes, dearer = _takes_by_figures(best, chosen.design), _dearer(best, chosen.design)
        yield f"on {place(machine)} the best is {best.name}: it {takes}{dearer}"


def _dearer(one: Design, other: Design) -> str:
    """Price and energy of `one` against `other`, as far as both are known."""
    parts = []
    for quantity in (Quantity.PRICE, Quantity.ENERGY):
        ours, theirs = one.figures.get(quantity), other.figures.get(quantity)
        if quantity is Quantity.PRICE and ours is None and theirs is not None and one.machine != words.THIS:
            parts.append("its price is not known and counts as dearer")
        if ours is None or theirs is None:
            continue
        if ours.overlaps(theirs) and ours.value != theirs.value:
            parts.append(f"its {words.NAMES[quantity]} cannot be told from the other's")
        elif ours.value != theirs.value:
            shown = (words.value(quantity, figure.value) for figure in (ours, theirs))
            parts.append(f"its {words.NAMES[quantity]} is {' instead of '.join(shown)}")
    return "".join(f"; {part}" for part in parts)


def _better(quantity: Quantity, one: Design, other: Design) -> bool:
    if quantity in (Quantity.METRIC, Quantity.LATENCY_P50):
        return False
    figures = one.figures.get(quantity), other.figures.get(quantity)
    return figures[0] is not None and figures[1] is not None and figures[0].value < MUCH_LESS * figures[1].value


def _gain(quantity: Quantity, one: Design, other: Design) -> str:
    return (
        f"{words.value(quantity, one.figures[quantity].value)} of {words.NAMES[quantity]} instead of"
        f" {words.value(quantity, other.figures[quantity].value)}"
    )


def _unproven(chosen: Verdict) -> list[str]:
    return [finding.sentence for finding in chosen.findings if finding.finding is Finding.UNPROVEN]


def _would_change(verdicts: Sequence[Verdict], chosen: Verdict, ratio: Ratio) -> Iterator[str]:
    """Latency limits that are nearly reached, and what a tighter limit on memory or size would pick instead."""
    for finding in chosen.findings:
        quantity, limit = finding.limit.quantity, finding.limit.value
        figure = chosen.design.figures.get(quantity)
        if figure is None or quantity not in LATENCIES or limit >= NEAR * figure.high:
            continue
        shown, needed = words.value(quantity, limit), words.value(quantity, figure.high)
        yield f"{words.NAMES[quantity]} is near its limit of {shown}: a limit under {needed} would rule it out"
    for quantity in (Quantity.MEMORY, Quantity.FLASH):
        if quantity not in chosen.design.figures:
            continue
        most = MUCH_LESS * chosen.design.figures[quantity].value
        smaller = [
            v
            for v in verdicts
            if v.feasible and quantity in v.design.figures and v.design.figures[quantity].high <= most
        ]
        instead = choose(smaller, ratio).chosen
        if instead is not None:
            figure = next(v.design.figures[quantity] for v in smaller if v.design.name == instead)
            yield (
                f"with at most {words.value(quantity, most)} of {words.NAMES[quantity]} the choice would be {instead},"
                f" which needs {words.value(quantity, figure.value)}"
            )
