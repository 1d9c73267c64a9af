"""`edgewise rollout resume`: it goes on."""

from typing import Annotated

import typer

from edgewise.cli._hub import DatabaseFlag, HubFlag
from edgewise.cli._rollouts import announce, show
from edgewise.cli._trees import KEYS, TREE, KeysFlag, TreeFlag, desk
from edgewise.cli.config import settings
from edgewise.cli.options import OutputFlag
from edgewise.core.rollouts import run as rollouts


def run(
    site: Annotated[str, typer.Argument(metavar="SITE", help="Whose rollout.")],
    hub: HubFlag = None,
    database: DatabaseFlag = None,
    keys: KeysFlag = KEYS,
    tree: TreeFlag = TREE,
    output: OutputFlag = None,
) -> None:
    """Go on with a rollout that was paused; its stage is watched anew.

    A hub that is configured is told at once.

    Example: edgewise rollout resume press-line
    """
    found = settings(hub=hub, database=database, output=output)
    with desk(tree, keys) as where:
        digest, rollout = rollouts.resume(where, site)
    show(digest, rollout, found.output)
    announce(found, site, digest, rollout)
