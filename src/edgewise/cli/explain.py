"""`edgewise explain`: why this and not the runner-up, or why not that."""

from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated

import typer

from edgewise.cli import _choice_view, _design_view
from edgewise.cli.config import settings
from edgewise.cli.options import OutputFlag, StoreFlag
from edgewise.cli.output import heading
from edgewise.errors import NotFound
from edgewise.flow import build as building
from edgewise.flow import edgefile
from edgewise.flow import plan as planning
from edgewise.nouns import Plan, Verdict

STRATEGY = "strategy"
SUFFIXES = (".yaml", ".yml")


def run(
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="EDGE.YAML DESIGN|strategy",
            help="The file of the plan, ./edge.yaml where left out, and a design: its name or a part of it that"
            " no other name has; or the word strategy.",
            show_default=False,
        ),
    ] = None,
    site: Annotated[str | None, typer.Option(metavar="NAME", help="Only this site.")] = None,
    store: StoreFlag = None,
    output: OutputFlag = None,
) -> None:
    """Say why the last plan chose this, or why it rejected that.

    Without a design: why the choice and not the runner-up. With a design: what every limit of the budget
    says about it, and all its figures with where they come from. With the word strategy: how the last build came to
    pack the model as it did.

    Example: edgewise explain edge.yaml strategy --site press-line
    """
    path, design = file_and_design(words or [])
    folder = settings(store=store).store
    project = edgefile.load(path)
    sites = [project.site(site)] if site else project.sites
    if design == STRATEGY:
        _choice_view.show([(one, building.last_choice(project, one, folder=folder)) for one in sites], output)
        return
    if output is not None:
        raise typer.BadParameter("-o belongs to: explain strategy")
    plans = [planning.last(project, site, folder=folder) for site in sites]
    if design:
        plan, verdict = find(plans, design)
        _design_view.show(plan, verdict)
        return
    for number, plan in enumerate(plans):
        if number:
            heading("")
        _design_view.show_choice(plan)


def file_and_design(words: Sequence[str]) -> tuple[Path, str]:
    """The edge.yaml and the design among `words`; "" where no design is named."""
    path, rest = (Path(words[0]), words[1:]) if words and words[0].endswith(SUFFIXES) else (Path("edge.yaml"), words)
    return path, " ".join(rest).replace(" +", "+")  # as tables break long names


def find(plans: Sequence[Plan], design: str) -> tuple[Plan, Verdict]:
    """The one design among `plans` that is called `design`, or that alone has it in its name.

    Raises:
        NotFound: none has, or several; the hint offers names.
    """
    known = [(plan, verdict) for plan in plans for verdict in plan.verdicts]
    wanted = design.casefold()
    tests = (
        lambda name: name == wanted,
        lambda name: name.startswith(wanted),
        lambda name: wanted in name,
    )
    for test in tests:
        found = [(plan, verdict) for plan, verdict in known if test(verdict.design.name.casefold())]
        if len({(plan.site.name, verdict.design.name.partition("@")[0]) for plan, verdict in found}) == 1:
            return found[0]  # they differ in threads alone: the better one
        if found:
            raise NotFound(f"{len(found)} designs match {design!r}", hint=_which_of(found))
    names = [verdict.design.name for _, verdict in known]
    nearest = get_close_matches(wanted, [name.casefold() for name in names], n=3, cutoff=0.2)
    close = [name for name in dict.fromkeys(names) if name.casefold() in nearest]
    hint = f"did you mean: {'; '.join(close)}?" if close else "all of them: edgewise plan -o wide"
    raise NotFound(f"the plan has no design {design!r}", hint=hint)


def _which_of(found: Sequence[tuple[Plan, Verdict]]) -> str:
    if len({plan.site.name for plan, _ in found}) == len(found):
        return f"say at which site: {'; '.join(f'--site {plan.site.name}' for plan, _ in found)}"
    names = list(dict.fromkeys(verdict.design.name for _, verdict in found))
    return f"say which: {'; '.join(names[:5])}" + (f" and {len(names) - 5} more" if len(names) > 5 else "")
