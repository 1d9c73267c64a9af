"""`edgewise rollout start`: the first stage of a release that waits."""

from typing import Annotated

import typer

from edgewise.cli._hub import DatabaseFlag, HubFlag
from edgewise.cli._rollouts import announce, show
from edgewise.cli._trees import KEYS, TREE, KeysFlag, TreeFlag, desk
from edgewise.cli.config import settings
from edgewise.cli.options import OutputFlag
from edgewise.core.rollouts import run as rollouts
from edgewise.core.rollouts.policy import Policy, Worse


def run(
    site: Annotated[str, typer.Argument(metavar="SITE", help="Whose release waits.")],
    stages: Annotated[
        str, typer.Option(metavar="LIST", help="Percentages and rings, from narrow to 100.")
    ] = "1,10,50,100",
    soak: Annotated[float, typer.Option(metavar="SECONDS", min=0, help="How long a stage is watched.")] = 3600.0,
    settled: Annotated[
        float, typer.Option(metavar="SHARE", min=0, max=1, help="Of its devices must keep it first.")
    ] = 0.9,
    max_failed: Annotated[
        float, typer.Option(metavar="SHARE", min=0, max=1, help="Of devices that tried it; more withdraws it.")
    ] = 0.02,
    chance: Annotated[
        float, typer.Option(metavar="SHARE", min=0, max=1, help="Of false alarms about failed devices, in one look.")
    ] = 0.01,
    max_errors: Annotated[
        float, typer.Option(metavar="SHARE", min=0, max=1, help="Of requests; more withdraws it.")
    ] = 0.01,
    max_escalated: Annotated[
        float | None, typer.Option(metavar="SHARE", min=0, max=1, help="Of requests; more withdraws it.")
    ] = None,
    max_p99: Annotated[
        float | None, typer.Option(metavar="MS", min=0, help="Latency on any device; more withdraws it.")
    ] = None,
    steady: Annotated[
        float,
        typer.Option(metavar="SECONDS", min=0, help="Who ran it so long is judged apart too."),
    ] = 3600.0,
    worse_errors: Annotated[
        float | None,
        typer.Option(metavar="SHARE", min=0, max=1, help="Of requests, more than before by this; more withdraws it."),
    ] = None,
    worse_escalated: Annotated[
        float | None,
        typer.Option(metavar="SHARE", min=0, max=1, help="Of requests, more than before by this; more withdraws it."),
    ] = None,
    worse_latency: Annotated[
        float | None, typer.Option(metavar="RATIO", min=1, help="Of p99 to that before; more withdraws it.")
    ] = None,
    hub: HubFlag = None,
    database: DatabaseFlag = None,
    keys: KeysFlag = KEYS,
    tree: TreeFlag = TREE,
    output: OutputFlag = None,
) -> None:
    """Begin the rollout of the release that waits at a site.

    A hub that is configured is told at once.

    Example: edgewise rollout start press-line --stages ring=canary,10,50,100
    """
    found = settings(hub=hub, database=database, output=output)
    policy = Policy(
        stages=tuple(one.strip() for one in stages.split(",") if one.strip()),
        soak_s=soak,
        settled_share=settled,
        failed_share=max_failed,
        chance=chance,
        error_share=max_errors,
        escalated_share=max_escalated,
        latency_p99_ms=max_p99,
        steady_s=steady,
        worse_than_before=Worse(error_share=worse_errors, escalated_share=worse_escalated, latency_ratio=worse_latency),
    )
    with desk(tree, keys) as where:
        digest, rollout = rollouts.start(where, site, policy)
    show(digest, rollout, found.output)
    announce(found, site, digest, rollout)
