"""One design of a plan in full, and the choice beside the runner-up."""

from edgewise.cli import _sources
from edgewise.cli._figures import figure, limit
from edgewise.cli._plan_view import answer, asked, left_out, name_of, place, show_advice
from edgewise.cli.output import Column, bullet, heading, sentence, table
from edgewise.nouns import Design, Finding, LimitFinding, Plan, Quantity, RuntimeConfiguration, RuntimeName, Verdict


def show_choice(plan: Plan) -> None:
    """Print why the choice and not the runner-up."""
    sentence(answer(plan), "bold")
    sentence(f"asked for: {asked(plan)}")
    for line in plan.why:
        bullet(line)
    if plan.choice is None:
        for line in left_out(plan, ()):
            sentence(line)
        for relaxation in plan.relaxations:
            bullet(relaxation.sentence)
        return
    choice = plan.verdict(plan.choice).design
    if plan.runner_up is None:
        sentence("There is no runner-up: no other design fits.")
        _show_figures(plan, choice)
        return
    runner_up = plan.verdict(plan.runner_up).design
    heading(f"{choice.name} beside {runner_up.name}")
    rows = [quantity for quantity in Quantity if quantity in choice.figures or quantity in runner_up.figures]
    columns: list[Column[Quantity]] = [
        Column(title="FIGURE", text=lambda quantity: _title(plan, quantity)),
        Column(title="CHOICE", text=lambda quantity: figure(choice.figures.get(quantity)), right=True),
        Column(title="RUNNER-UP", text=lambda quantity: figure(runner_up.figures.get(quantity)), right=True),
        Column(title="ALLOWED", text=lambda quantity: _allowed(plan, quantity), right=True),
        Column(title="BETTER", text=lambda quantity: _better(plan, quantity, choice, runner_up)),
    ]
    table(rows, columns)


def show(plan: Plan, verdict: Verdict) -> None:
    """Print everything about one design."""
    design = verdict.design
    outcome = "fits" if verdict.feasible else "is rejected"
    sentence(f"{plan.site.name}: {design.name} {place(design)} {outcome}.", "bold")
    bullet(verdict.reason)
    for caveat in design.caveats:
        bullet(f"Know before use: {caveat}")
    show_advice(plan, design.name)
    if verdict.findings:
        heading("The budget")
        table(verdict.findings, FINDINGS)
    configuration = design.configuration
    heading("How it is made and run")
    sentence(f"recipe: {design.recipe.name} ({design.recipe.method}, {design.recipe.precision})")
    for key, setting in design.recipe.settings.items():
        sentence(f"  {key}: {setting}")
    sentence(f"runtime: {_runtime(configuration)}")
    for key, option in configuration.options.items():
        sentence(f"  {key}: {option}")
    for note in design.variant.notes if design.variant else ():
        bullet(note)
    if design.log:
        sentence(f"log: {design.log}")
    _show_figures(plan, design)


def _runtime(configuration: RuntimeConfiguration) -> str:
    """With version and threads, as far as they mean something: an accelerator has no threads."""
    name = f"{configuration.runtime} {configuration.version}".rstrip()
    if configuration.runtime in (RuntimeName.ONNXRUNTIME, RuntimeName.OPENVINO, RuntimeName.LITERT):
        name += ", 1 thread" if configuration.threads == 1 else f", {configuration.threads} threads"
    return name


def _show_figures(plan: Plan, design: Design) -> None:
    heading("Figures")
    if not design.figures:
        sentence(f"none: it came no further than {design.stage}")
        return
    _sources.show([(_title(plan, name), design.figures[name]) for name in Quantity if name in design.figures])


def _title(plan: Plan, quantity: Quantity) -> str:
    return plan.metric.name if quantity is Quantity.METRIC else name_of(quantity)


def _allowed(plan: Plan, quantity: Quantity) -> str:
    asked_for = plan.site.budget.limit(quantity)
    return limit(asked_for) if asked_for else ""


def _better(plan: Plan, quantity: Quantity, choice: Design, runner_up: Design) -> str:
    ours, theirs = choice.figures.get(quantity), runner_up.figures.get(quantity)
    if ours is None or theirs is None:
        return "no figure to compare"
    if ours.low == theirs.low and ours.high == theirs.high:
        return "equal"
    if ours.overlaps(theirs):
        return "cannot be told apart"
    higher = plan.metric.higher_is_better if quantity is Quantity.METRIC else quantity.higher_is_better
    return "choice" if (ours.value > theirs.value) is higher else "runner-up"


SYMBOLS = {
    Finding.FITS: "fits",
    Finding.UNPROVEN: "not proven",
    Finding.MISSES: "misses",
    Finding.UNKNOWN: "no figure",
}
FINDINGS: list[Column[LimitFinding]] = [
    Column(title="LIMIT", text=lambda found: name_of(found.limit.quantity)),
    Column(title="ALLOWED", text=lambda found: limit(found.limit), right=True),
    Column(title="FINDING", text=lambda found: SYMBOLS[found.finding]),
    Column(title="WHY", text=lambda found: found.sentence),
]
