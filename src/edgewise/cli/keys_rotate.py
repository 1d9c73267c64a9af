"""`edgewise keys rotate`: another key for a role."""

from typing import Annotated

import typer

from edgewise.cli._trees import KEYS, TREE, KeysFlag, TreeFlag, chosen, desk
from edgewise.cli.output import sentence
from edgewise.core.releases import rotate


def run(
    role: Annotated[str, typer.Argument(metavar="ROLE", help="root, targets, online, or site-NAME.")],
    revoke: Annotated[
        list[str] | None, typer.Option(metavar="KEY", help="Id of the key that leaves, or how it begins; repeatable.")
    ] = None,
    threshold: Annotated[int | None, typer.Option(metavar="N", min=1, help="How many must sign from now on.")] = None,
    lost: Annotated[
        bool, typer.Option("--lost", help="The key that leaves is not here, or must not sign any more.")
    ] = False,
    unlocked: Annotated[bool, typer.Option("--unlocked", help="Without a passphrase.")] = False,
    keys: KeysFlag = KEYS,
    tree: TreeFlag = TREE,
) -> None:
    """Make a new key for a role, in the place of one that leaves.

    Devices follow without noticing: what is new is signed by the old and the new key, and the new root comes last.
    Where the root changes, as many root keys as must sign are needed. What the key that left signs from now on is
    refused.

    Example: edgewise keys rotate online
    """
    with desk(tree, keys) as where:
        made = rotate.rotate(where, role, chosen(unlocked), leaving=revoke or (), threshold=threshold, lost=lost)
    sentence(f"{role} is signed by {made[:12]} from now on")
