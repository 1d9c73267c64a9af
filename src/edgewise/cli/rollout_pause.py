"""`edgewise rollout pause`: devices that have it keep it."""

from typing import Annotated

import typer

from edgewise.cli._rollouts import show
from edgewise.cli._trees import KEYS, TREE, KeysFlag, TreeFlag, desk
from edgewise.cli.config import settings
from edgewise.cli.options import OutputFlag
from edgewise.core.rollouts import run as rollouts


def run(
    site: Annotated[str, typer.Argument(metavar="SITE", help="Whose rollout.")],
    keys: KeysFlag = KEYS,
    tree: TreeFlag = TREE,
    output: OutputFlag = None,
) -> None:
    """Pause a rollout: devices that have the release keep it, and no other takes it.

    Example: edgewise rollout pause press-line
    """
    with desk(tree, keys) as where:
        digest, rollout = rollouts.pause(where, site)
    show(digest, rollout, settings(output=output).output)
