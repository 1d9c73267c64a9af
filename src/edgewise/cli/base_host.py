"""`edgewise base host`: a base from this machine's own Python."""

from typing import Annotated

import typer

from edgewise.build.bases import host, image
from edgewise.build.compress import Compression
from edgewise.cli._base import TargetArgument, about, place, publish
from edgewise.cli._say import note
from edgewise.cli.config import settings
from edgewise.cli.options import OutputFlag, StoreFlag
from edgewise.store.steps import Store


def run(
    target: TargetArgument,
    compression: Annotated[Compression, typer.Option(help="Of the layer.")] = Compression.ZSTD,
    output: OutputFlag = None,
    store: StoreFlag = None,
) -> None:
    """Make a base image from this machine's Python, for a quick try.

    Needs no network and no other tool. Not for shipping: no other machine makes the same.
    """
    place(target)
    found = settings(store=store, output=output)
    kept = Store(found.store)
    said = about("host", "Python of the machine that made it, not for shipping")
    made = host.base(kept, compression=compression)
    note(f"{made.platform}: Python {made.python[0]}.{made.python[1]} of this machine, not for shipping")
    publish([image.of(made, said, kept)], said, target, kept, found.output)
