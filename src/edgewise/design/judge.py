"""One design against one budget: what fits, what misses, what nobody can tell, each in a sentence.

Pure. A limit is met where the whole 95 % interval of the figure is within it. The accuracy drop is the
exception, for an evaluation set is as large as it is: a drop that is within the limit as observed is
admitted though its interval reaches beyond, and the sentence says that it is not proven. Where the budget
names no limit, a drop is admitted that neither the paired test nor the whole interval shows.
"""

from edgewise.design import statistics, words
from edgewise.design.statistics import Estimate
from edgewise.nouns import (
    Budget,
    Design,
    Finding,
    Limit,
    LimitFinding,
    Measurement,
    Metric,
    Quantity,
    Stage,
    Verdict,
)

MOST_SAMPLES_TO_ASK_FOR = 20_000
NO_DROP = Limit(quantity=Quantity.DROP, value=0.0, unit="")
"""What holds where the budget says nothing of accuracy: no drop that can be seen in pairs."""


def judge(design: Design, budget: Budget, metric: Metric, *, significant: bool) -> Verdict:
    """The verdict on `design`.

    Args:
        significant: whether the paired test calls the design's drop a drop.
    """
    if design.failure:
        return Verdict(design=design, feasible=False, reason=design.failure)
    drop = design.figures.get(Quantity.DROP)
    findings = []
    if drop is not None:
        findings.append(_drop(budget.limit(Quantity.DROP), drop, metric, significant=significant))
    others = [limit for limit in budget.limits if limit.quantity is not Quantity.DROP]
    if design.stage is not Stage.TIMED:  # what timing would have told is no reason against it
        others = [limit for limit in others if limit.quantity in design.figures]
    findings += [_limit(limit, design.figures.get(limit.quantity), design.machine) for limit in others]
    return _verdict(design, findings)


def admitted(finding: LimitFinding) -> bool:
    """True where a finding does not stand in the way of a design."""
    if finding.limit.quantity is Quantity.DROP:
        return finding.finding in (Finding.FITS, Finding.UNPROVEN)
    return finding.finding is Finding.FITS


def obstacles(verdict: Verdict) -> list[LimitFinding]:
    """The findings that stand in the way of a design."""
    return [finding for finding in verdict.findings if not admitted(finding)]


def _verdict(design: Design, findings: list[LimitFinding]) -> Verdict:
    against = [finding for finding in findings if not admitted(finding)]
    if against:
        return Verdict(
            design=design,
            feasible=False,
            reason="; ".join(finding.sentence for finding in against),
            findings=tuple(findings),
        )
    if design.stage is not Stage.TIMED:
        return Verdict(design=design, feasible=False, reason="it was not timed", findings=tuple(findings))
    unproven = [finding.sentence for finding in findings if finding.finding is Finding.UNPROVEN]
    reason = "; ".join(["fits the budget", *unproven])
    return Verdict(design=design, feasible=True, reason=reason, findings=tuple(findings))


def _limit(limit: Limit, figure: Measurement | None, machine: str) -> LimitFinding:
    name, allowed = words.NAMES[limit.quantity], words.value(limit.quantity, limit.value)
    if figure is None:
        how = words.how_to_know(limit.quantity, machine)
        return LimitFinding(limit=limit, finding=Finding.UNKNOWN, sentence=f"{name} is not known: {how}")
    shown = words.with_interval(figure)
    bound = "at least" if limit.quantity.higher_is_better else "at most"
    low, high = limit.admits(figure.low), limit.admits(figure.high)
    if low and high:
        return LimitFinding(limit=limit, finding=Finding.FITS, sentence=f"{name} {shown} fits {bound} {allowed}")
    if low or high:
        sentence = f"{name} {shown} lies across the limit of {bound} {allowed}, so that it is not shown to fit"
        return LimitFinding(limit=limit, finding=Finding.UNPROVEN, sentence=sentence)
    return LimitFinding(limit=limit, finding=Finding.MISSES, sentence=f"{name} {shown} misses {bound} {allowed}")


def _drop(limit: Limit | None, drop: Measurement, metric: Metric, *, significant: bool) -> LimitFinding:
    limit = limit or NO_DROP
    implied = limit is NO_DROP
    shown = words.change(metric, drop.value)
    reach = f"95 % interval {words.points_between(metric, drop.low, drop.high)}, n = {drop.n}"
    allowed = "the budget allows none" if implied else f"the budget allows {words.points(metric, limit.value)}"
    if drop.high <= limit.value:
        return LimitFinding(limit=limit, finding=Finding.FITS, sentence=f"{shown} ({reach}), {allowed}")
    if drop.value > limit.value and (significant or not implied):
        kind = "a real drop by the paired test" if significant else "more than allowed as observed"
        return LimitFinding(limit=limit, finding=Finding.MISSES, sentence=f"{shown} ({reach}), {kind}; {allowed}")
    if drop.low > limit.value:
        return LimitFinding(limit=limit, finding=Finding.MISSES, sentence=f"{shown} ({reach}); {allowed}")
    if implied:
        what = "no drop" if drop.value <= 0 else f"a drop of {words.points(metric, drop.value)} that may be chance"
        sentence = f"the paired test finds {what} in {metric.name} ({reach})"
        return LimitFinding(limit=limit, finding=Finding.UNPROVEN, sentence=sentence)
    return LimitFinding(limit=limit, finding=Finding.UNPROVEN, sentence=_not_proven(limit, drop, metric, reach))


def _not_proven(limit: Limit, drop: Measurement, metric: Metric, reach: str) -> str:
    estimate = Estimate(value=drop.value, low=drop.low, high=drop.high, n=drop.n)
    needed = statistics.samples_to_prove(limit.value, estimate)
    wish = ""
    if needed is not None and needed <= MOST_SAMPLES_TO_ASK_FOR:
        wish = f"; if it stays as observed, about {_two_digits(needed)} samples for evaluation would prove it"
    return (
        f"an observed drop of {words.points(metric, drop.value)} in {metric.name} is within"
        f" {words.points(metric, limit.value)}, but not proven ({reach}){wish}"
    )


def _two_digits(number: int) -> int:
    """`number` rounded up to two digits."""
    step: int = 10 ** max(0, len(str(number)) - 2)
    return -(-number // step) * step
