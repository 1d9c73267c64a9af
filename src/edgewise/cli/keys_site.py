"""`edgewise keys site`: one more site in a tree."""

from typing import Annotated

import typer

from edgewise.cli._trees import KEYS, TREE, KeysFlag, TreeFlag, chosen, desk
from edgewise.cli.output import sentence
from edgewise.core.releases.publish import add_site


def run(
    site: Annotated[str, typer.Argument(metavar="SITE", help="Its name, as in edge.yaml.")],
    unlocked: Annotated[bool, typer.Option("--unlocked", help="Without a passphrase.")] = False,
    keys: KeysFlag = KEYS,
    tree: TreeFlag = TREE,
) -> None:
    """Make a key for one more site, and let it sign for that site alone.

    Needs the keys targets and online.
    """
    with desk(tree, keys) as where:
        add_site(where, site, chosen(unlocked))
    sentence(f"{keys / f'site-{site}.key'} signs what {site} shall run")
