"""`edgewise rollout step`: what devices said decides how it goes on."""

from typing import Annotated

import typer

from edgewise.cli._hub import DatabaseFlag, HubFlag
from edgewise.cli._rollouts import heard, show, tell
from edgewise.cli._trees import KEYS, TREE, KeysFlag, TreeFlag, desk
from edgewise.cli.config import settings
from edgewise.cli.options import OutputFlag
from edgewise.core.releases import change
from edgewise.core.rollouts import run as rollouts


def run(
    site: Annotated[str, typer.Argument(metavar="SITE", help="Whose rollout.")],
    hub: HubFlag = None,
    database: DatabaseFlag = None,
    keys: KeysFlag = KEYS,
    tree: TreeFlag = TREE,
    output: OutputFlag = None,
) -> None:
    """Ask the hub how devices are, and go on with a rollout: wider, as it is, withdrawn, or done.

    Let a job run it every minute. Where the hub does not answer nothing is changed. A stop that an operator asked
    the hub for is done here.

    Example: edgewise rollout step press-line --hub https://hub.example
    """
    found = settings(hub=hub, database=database, output=output)
    with desk(tree, keys) as where:
        digest, rollout = rollouts.under_way(change.entries(where.read(), site), site)
        stopped_by = tell(found, site, digest, rollout)
        if stopped_by:
            digest, rollout = rollouts.abort(where, site, f"stopped by {stopped_by}")
        else:
            digest, rollout = rollouts.step(where, site, heard(found, site))
    tell(found, site, digest, rollout)
    show(digest, rollout, found.output)
