"""`edgewise rollout status`: where it stands."""

from typing import Annotated

import typer

from edgewise.cli._rollouts import show
from edgewise.cli._trees import KEYS, TREE, KeysFlag, TreeFlag, desk
from edgewise.cli.config import settings
from edgewise.cli.options import OutputFlag
from edgewise.core.releases import change
from edgewise.core.rollouts import run as rollouts


def run(
    site: Annotated[str, typer.Argument(metavar="SITE", help="Whose rollout.")],
    keys: KeysFlag = KEYS,
    tree: TreeFlag = TREE,
    output: OutputFlag = None,
) -> None:
    """Say where a rollout stands, as the signed tree has it. No private key is opened.

    Example: edgewise rollout status press-line
    """
    with desk(tree, keys) as where:
        digest, rollout = rollouts.under_way(change.entries(where.read(), site), site)
    show(digest, rollout, settings(output=output).output)
