"""A plan as people read it: the choice in a sentence, why, and a table of designs."""

from collections import Counter
from collections.abc import Sequence

from edgewise.cli._figures import LEGEND, MARK, figure, limit
from edgewise.cli.output import Column, bullet, heading, names, sentence, table
from edgewise.design.judge import obstacles
from edgewise.nouns import Design, Finding, Plan, Quantity, Verdict

FIRST = (Quantity.METRIC, Quantity.DROP, Quantity.LATENCY_P50, Quantity.LATENCY_P99, Quantity.MEMORY, Quantity.FLASH)
TITLES = {
    Quantity.DROP: "DROP",
    Quantity.LATENCY_MIN: "MIN",
    Quantity.LATENCY_P50: "P50",
    Quantity.LATENCY_P90: "P90",
    Quantity.LATENCY_P99: "P99",
    Quantity.LOAD_TIME: "LOAD",
}
DECISIVE = Quantity.LATENCY_P50  # what the choice is made by, so it stays as the limits do
OUTSIDE_BUDGET = 100  # is left out first when space is short
WORST_FIRST = (Finding.MISSES, Finding.UNPROVEN, Finding.UNKNOWN)
REASONS = {
    Finding.MISSES: "misses the limit of {}",
    Finding.UNPROVEN: "not proven to keep the limit of {}",
    Finding.UNKNOWN: "has no figure for {}",
}
NARROWEST_NAME = 28
ROLE = len(" (runner-up)")


def show(plan: Plan, *, wide: bool = False) -> None:
    """Print the answer for one site."""
    sentence(answer(plan), "bold")
    for line in plan.why:
        bullet(line)
    for caveat in plan.verdict(plan.choice).design.caveats if plan.choice else ():
        bullet(f"Know before use: {caveat}")
    if plan.choice:
        show_advice(plan, plan.choice)
    for machine, reason in plan.not_planned.items():
        bullet(f"{machine} is not in this plan: {reason}")
    rows = plan.verdicts if wide else short_list(plan)
    if rows:
        heading("Designs" if wide else ("The frontier" if plan.choice else "Closest to fitting"))
        table(rows, columns(plan, rows), wide=wide)
        if any(MARK in figure(each) for row in rows for each in row.design.figures.values()):
            sentence(LEGEND)
    if not wide:
        for line in left_out(plan, rows):
            sentence(line)
    if plan.relaxations:
        heading("What would fit")
        for relaxation in plan.relaxations:
            bullet(relaxation.sentence)


def show_advice(plan: Plan, design: str) -> None:
    """Print what binds the design called `design`, where that is known."""
    for advice in plan.advice:
        if advice.design == design:
            bullet(f"What binds it: {advice.binds_sentence}")
            if advice.move:
                bullet(f"What would help most: {advice.move}")


def answer(plan: Plan) -> str:
    """The choice as a sentence."""
    if plan.choice is None:
        return f"{plan.site.name}: none of {len(plan.verdicts)} designs fits the budget."
    design = plan.verdict(plan.choice).design
    return f"{plan.site.name}: run {design.name} {place(design)}."


def place(design: Design) -> str:
    """`on this machine`, `on coral-dev-board`."""
    return "on this machine" if design.machine == "this" else f"on {design.machine}"


def short_list(plan: Plan) -> Sequence[Verdict]:
    """The choice, the runner-up and the frontier; where nothing fits, the designs that a relaxation would admit."""
    if plan.choice is None:
        nearest = {relaxation.design for relaxation in plan.relaxations}
        found = [verdict for verdict in plan.verdicts if verdict.design.name in nearest]
        return found or plan.verdicts[:5]
    frontier = [verdict for verdict in plan.verdicts if verdict.feasible and verdict.on_frontier]
    best = [plan.verdict(name) for name in (plan.choice, plan.runner_up) if name]
    return [*best, *(verdict for verdict in frontier if verdict not in best)]


def show_names(plan: Plan) -> None:
    """Print the names of the designs that fit and that no other beats, the choice first."""
    names([verdict.design.name for verdict in short_list(plan)] if plan.choice else [])


def left_out(plan: Plan, shown: Sequence[Verdict]) -> list[str]:
    """How many designs the table leaves out, by reason."""
    listed = {verdict.design.name for verdict in shown}
    rest = [verdict for verdict in plan.verdicts if verdict.design.name not in listed]
    lines = []
    beaten = sum(verdict.feasible for verdict in rest)
    if beaten:
        lines.append(f"{beaten} more fit, behind those above in latency, accuracy, memory and size.")
    reasons = Counter(why_rejected(verdict) for verdict in rest if not verdict.feasible)
    if reasons:
        listing = "; ".join(f"{reason} ({number})" for reason, number in reasons.most_common())
        lines.append(f"{reasons.total()} rejected: {listing}.")
    if lines:
        lines.append("Each with its reason: -o wide, or edgewise explain DESIGN.")
    return lines


def why_rejected(verdict: Verdict) -> str:
    """The kind of reason, for counting."""
    if verdict.design.rejection is not None:
        return verdict.design.rejection.value
    for kind in WORST_FIRST:
        for found in obstacles(verdict):
            if found.finding is kind:
                return REASONS[kind].format(name_of(found.limit.quantity))
    return "another reason"


def name_of(quantity: Quantity) -> str:
    """`latency p99` for latency_p99."""
    return quantity.value.replace("_", " ")


def columns(plan: Plan, rows: Sequence[Verdict]) -> list[Column[Verdict]]:
    """The columns that say something about `rows`; those of the budget go last when space is short."""
    machines = {verdict.design.machine for verdict in plan.verdicts}
    here = {quantity for verdict in rows for quantity in verdict.design.figures}
    limited = [line.quantity for line in plan.site.budget.limits]
    ordered = list(dict.fromkeys([*FIRST, *limited, *Quantity]))
    return [
        Column(
            title="DESIGN",
            text=lambda verdict: short_name(verdict.design, several=len(machines) > 1) + _role(plan, verdict),
            least=NARROWEST_NAME,
        ),
        Column(title="MACHINE", text=lambda verdict: verdict.design.machine, wide=len(machines) < 2),
        *(
            _figure_column(
                plan, quantity, rank=rank, limited=quantity in (*limited, DECISIVE), wide=quantity not in FIRST
            )
            for rank, quantity in enumerate(ordered, 1)
            if quantity in here
        ),
        Column(title="VERDICT", text=lambda verdict: "fits" if verdict.feasible else "rejected", wide=True),
        Column(title="REASON", text=lambda verdict: verdict.reason, wide=True),
    ]


def short_name(design: Design, *, several: bool) -> str:
    """The name for a table: without the machine where that has a column of its own; long ones may break at options."""
    name = design.name.removesuffix(f"@{design.machine}") if several else design.name
    return name if len(name) <= NARROWEST_NAME + ROLE else name.replace("+", " +")


def _figure_column(plan: Plan, quantity: Quantity, *, rank: int, limited: bool, wide: bool) -> Column[Verdict]:
    title = TITLES.get(quantity, name_of(quantity).upper())
    if quantity is Quantity.METRIC:
        title = plan.metric.name.rpartition(":")[2].upper()
    return Column(
        title=title,
        text=lambda verdict: figure(verdict.design.figures.get(quantity)),
        right=True,
        wide=wide and not limited,
        drop=rank if limited else rank + OUTSIDE_BUDGET,
    )


def _role(plan: Plan, verdict: Verdict) -> str:
    match verdict.design.name:
        case plan.choice:
            return " (choice)"
        case plan.runner_up:
            return " (runner-up)"
        case _:
            return ""


def asked(plan: Plan) -> str:
    """The budget on one line."""
    limits = [
        f"{name_of(line.quantity)} {'at least' if line.quantity.higher_is_better else 'at most'} {limit(line)}"
        for line in plan.site.budget.limits
    ]
    return ", ".join(limits) or "no limits"
