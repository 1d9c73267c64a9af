"""What the verbs of releases share: where the tree lies, where keys are, how passphrases come."""

import contextlib
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from edgewise.cli._say import note
from edgewise.core.releases.found import root_of
from edgewise.core.releases.keys import PASSPHRASE_VARIABLE, Keyring, Passphrase
from edgewise.core.releases.places import opened
from edgewise.core.releases.publish import Desk
from edgewise.errors import BadKey

TreeFlag = Annotated[
    str,
    typer.Option(
        "--tree",
        metavar="PLACE",
        envvar="EDGEWISE_TREE",
        help="Where the tree of releases lies: a folder, s3://bucket/prefix, or a web root that takes PUT.",
    ),
]
KeysFlag = Annotated[
    Path,
    typer.Option(
        "--keys", metavar="FOLDER", envvar="EDGEWISE_KEYS", help="Folder of the signing keys.", file_okay=False
    ),
]
TREE, KEYS = "releases", Path("keys")


@contextlib.contextmanager
def desk(tree: str, keys: Path) -> Iterator[Desk]:
    """Where the verb works; keys are opened when they are needed."""
    ring = Keyring(keys, asked(), os.environ.items())
    with opened(tree) as web:
        yield Desk(web=web, root=root_of(keys), keyring=ring, now_s=time.time())


def asked() -> Passphrase:
    """Passphrases from the environment or from whoever types; the same one is tried for every key."""
    known: list[str] = []

    def passphrase(name: str) -> str:
        if not known:
            given = os.environ.get(PASSPHRASE_VARIABLE)
            known.append(_typed(f"Passphrase of the key {name}") if given is None else given)
        return known[0]

    return passphrase


def chosen(unlocked: bool) -> str:
    """The passphrase of keys that are made now; "" where they shall not be locked.

    Raises:
        BadKey: none is given, and nobody is there to type one.
    """
    if unlocked:
        note("the keys are not locked: whoever reads these files can sign")
        return ""
    given = os.environ.get(PASSPHRASE_VARIABLE)
    found = _typed("Passphrase for the new keys", twice=True) if given is None else given
    if not found:
        raise BadKey("a passphrase is not empty", hint="--unlocked makes keys without one")
    return found


def _typed(what: str, *, twice: bool = False) -> str:
    if not sys.stdin.isatty():
        raise BadKey(f"{what} is needed, and nobody is at the terminal", hint=f"set {PASSPHRASE_VARIABLE}")
    return str(typer.prompt(what, hide_input=True, confirmation_prompt=twice, err=True))
