"""`edgewise keys init`: keys for every role, and the tree that they sign."""

import time
from typing import Annotated

import typer

from edgewise.cli._trees import KEYS, TREE, KeysFlag, TreeFlag, chosen
from edgewise.cli.output import bullet, sentence
from edgewise.core.releases.found import TRUSTED_ROOT, found
from edgewise.core.releases.places import opened


def run(
    site: Annotated[list[str] | None, typer.Option(metavar="NAME", help="A site; may be repeated.")] = None,
    root_keys: Annotated[int, typer.Option(metavar="N", min=1, max=16, help="How many keys the root has.")] = 3,
    root_threshold: Annotated[int, typer.Option(metavar="N", min=1, help="How many must sign the next root.")] = 2,
    unlocked: Annotated[bool, typer.Option("--unlocked", help="Without a passphrase.")] = False,
    keys: KeysFlag = KEYS,
    tree: TreeFlag = TREE,
) -> None:
    """Make the keys of a tree of releases, and the tree.

    Keys are Ed25519, in files that only you read, locked by a passphrase that is asked for or comes from
    EDGEWISE_KEY_PASSPHRASE. Devices are given root.json, and trust what its keys sign.

    Example: edgewise keys init --site press-line --tree /srv/releases
    """
    passphrase = chosen(unlocked)
    with opened(tree) as web:
        found(
            web,
            keys,
            site or (),
            passphrase,
            now_s=time.time(),
            root_keys=root_keys,
            root_threshold=root_threshold,
        )
    sentence(f"the tree is at {tree}, and its keys are in {keys}")
    bullet(f"{keys / TRUSTED_ROOT}: give it to devices; it is no secret")
    bullet(f"root-*.key: keep them offline, each elsewhere; {root_threshold} of {root_keys} must sign the next root")
    bullet("targets.key: needed when a site comes or its key changes")
    bullet("online.key: for the hub, or the job that signs the timestamp again (edgewise publish --timestamp-only)")
    for name in site or ():
        bullet(f"site-{name}.key: signs what {name} shall run")
