"""What is said about a design in one mark and one word, the same in the table and in every chart. Pure."""

from dataclasses import dataclass

from edgewise.design.judge import obstacles
from edgewise.nouns import Design, Finding, Plan, ProvenanceKind, Quantity, Rejection, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A verdict at a glance: `kind` is the class in the page; symbol and word never go without each other."""

    kind: str
    symbol: str
    word: str


CHOSEN = Mark(kind="chosen", symbol="★", word="chosen")
RUNNER_UP = Mark(kind="runner", symbol="☆", word="runner-up")
FITS = Mark(kind="fits", symbol="✓", word="fits")
MISSES = Mark(kind="misses", symbol="✕", word="misses")
UNPROVEN = Mark(kind="unproven", symbol="?", word="unproven")
UNKNOWN = Mark(kind="unknown", symbol="?", word="unknown")
NOT_APPLICABLE = Mark(kind="none", symbol="–", word="not applicable")
FAILED = Mark(kind="failed", symbol="!", word="failed")
REJECTED = Mark(kind="misses", symbol="✕", word="rejected")

RULED_OUT = Mark(kind="ruled", symbol="✕", word="ruled out")

REJECTIONS = {
    Rejection.NOT_APPLICABLE: NOT_APPLICABLE,
    Rejection.FAILED: FAILED,
    Rejection.RULED_OUT: RULED_OUT,
}
FINDINGS = {
    Finding.FITS: FITS,
    Finding.UNPROVEN: UNPROVEN,
    Finding.MISSES: MISSES,
    Finding.UNKNOWN: UNKNOWN,
}


def mark(verdict: Verdict, plan: Plan) -> Mark:
    """The mark of `verdict` within `plan`."""
    design = verdict.design
    if design.name == plan.choice:
        return CHOSEN
    if design.name == plan.runner_up:
        return RUNNER_UP
    if verdict.feasible:
        return FITS
    if design.rejection is not None:
        return REJECTIONS[design.rejection]
    found = {finding.finding for finding in obstacles(verdict)}
    worst = (Finding.MISSES, Finding.UNPROVEN, Finding.UNKNOWN)
    return next((FINDINGS[finding] for finding in worst if finding in found), REJECTED)


def role(design: Design, plan: Plan) -> str:
    """The part that a design plays in the plan, "" for most; to be chosen counts before being the reference."""
    roles = {plan.reference: "reference", plan.runner_up: "runner-up", plan.choice: "chosen"}
    return roles.get(design.name, "")


def is_measured(design: Design, *quantities: Quantity) -> bool:
    """True where every figure among `quantities` was measured, none estimated, compiled or declared."""
    figures = [design.figures[quantity] for quantity in quantities if quantity in design.figures]
    return all(figure.provenance.kind is ProvenanceKind.MEASURED for figure in figures)
