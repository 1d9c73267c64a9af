"""`edgewise rollout resume`: it goes on."""

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
    """Go on with a rollout that was paused; its stage is watched anew.

    Example: edgewise rollout resume press-line
    """
    with desk(tree, keys) as where:
        digest, rollout = rollouts.resume(where, site)
    show(digest, rollout, settings(output=output).output)
