"""`edgewise keys image`: the key that signs images."""

from pathlib import Path
from typing import Annotated

import typer

from edgewise.build.sign import make_key
from edgewise.cli._trees import chosen
from edgewise.cli.output import sentence


def run(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Where it is put.", file_okay=False)] = Path("keys"),
    unlocked: Annotated[bool, typer.Option("--unlocked", help="Without a passphrase.")] = False,
) -> None:
    """Make the ECDSA P-256 key that `edgewise build --key` signs images with, as cosign verifies them.

    It is none of the tree's keys: those are Ed25519, and sign releases.
    """
    passphrase = chosen(unlocked)
    private, public = make_key(folder, password=passphrase.encode() or None)
    sentence(f"{private} signs images; {public} verifies them, and is no secret")
