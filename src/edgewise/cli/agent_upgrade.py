"""`edgewise agent upgrade`, in bootc's words."""

from typing import Annotated

import typer

from edgewise.cli._agent import RootFlag, enrolled, folder, short, state
from edgewise.cli._say import note
from edgewise.edge.agent import control, settings
from edgewise.runtimes.child import Child

ASK_S = 120.0


def run(
    check: Annotated[bool, typer.Option("--check", help="Ask what is offered, and change nothing.")] = False,
    download_only: Annotated[
        bool, typer.Option("--download-only", help="Fetch what is offered, and hold it until --apply.")
    ] = False,
    apply: Annotated[bool, typer.Option("--apply", help="Apply it now, whatever the hour.")] = False,
    retry: Annotated[
        str, typer.Option(metavar="DIGEST", help="Try a release again that was rejected here.", show_default=False)
    ] = "",
    root: RootFlag = None,
) -> None:
    """Ask for the release that this device shall run.

    The agent does the work; this only gives it the word. `edgewise agent status` says how it goes.
    """
    if sum((check, download_only, apply, bool(retry))) != 1:
        raise typer.BadParameter("say one of --check, --download-only, --apply, --retry DIGEST")
    where = folder(root)
    who, found = enrolled(where), state(where)
    if not check:
        control.tell(where, "retry" if retry else "apply" if apply else "fetch", retry)
        note("the agent was told; see edgewise agent status")
        return
    with Child("edgewise.edge.agent.outside", name="the agent's errand") as child:
        told = child.call(
            "follow",
            timeout_s=ASK_S,
            root=str(where),
            tree=list(settings.read(where).tree),
            device=who.device,
            site=who.site,
            labels=who.labels,
            running=found.booted,
            kept="tuf-check",
        )
    due = told["due"]
    if not due:
        note("nothing is offered to this device")
    elif due == found.booted:
        note(f"{short(due)} is booted, and nothing else is offered")
    elif due in found.rejected:
        note(f"{short(due)} is offered, and was rejected here: {found.rejected[due]}")
    else:
        note(f"{short(due)} is offered")
