"""`edgewise diff`: what an update ships, layer by layer."""

from typing import Annotated

import typer

from edgewise.build.difference import Change, Difference, difference
from edgewise.build.look import Seen, look
from edgewise.cli._references import PlainHttpFlag, PlatformsFlag, somewhere
from edgewise.cli._transfers import short, size
from edgewise.cli.config import Output, Settings, settings
from edgewise.cli.options import OutputFlag, StoreFlag
from edgewise.cli.output import Column, data, heading, names, sentence, table
from edgewise.store.oci.documents import Descriptor
from edgewise.store.oci.places import opened


def run(
    old: Annotated[
        str, typer.Argument(metavar="A", help="What a machine has: a name in the store, a folder, a registry.")
    ],
    new: Annotated[str, typer.Argument(metavar="B", help="What it shall have.")],
    platforms: PlatformsFlag = None,
    plain_http: PlainHttpFlag = None,
    store: StoreFlag = None,
    output: OutputFlag = None,
) -> None:
    """Show what an update from one image to another ships.

    Every layer of B that A has not is pulled whole; layers that both have are not. Nothing but documents is fetched for
    it.

    Example: edgewise diff meter-reader/press-line:1 meter-reader/press-line:2
    """
    found = settings(store=store, output=output)
    before, after = (_seen(name, found, plain_http=plain_http) for name in (old, new))
    changes = difference(before, after, platforms=platforms or ())
    match found.output:
        case Output.TABLE | Output.WIDE:
            for one in changes:
                _show(one, wide=found.output is Output.WIDE)
        case Output.NAME:
            names([change.blob.digest for one in changes for change in one.changes if change.ships])
        case _:
            data([document(one) for one in changes], found.output)


def document(one: Difference) -> dict[str, object]:
    """One platform's difference as JSON holds it."""
    return {
        "platform": one.platform,
        "ships_bytes": one.ships_bytes,
        "whole_bytes": one.whole_bytes,
        "layers": [{"title": change.title, "ships": change.ships, **_blob(change.blob)} for change in one.changes],
        "gone": [{"title": title, **_blob(blob)} for blob, title in one.gone],
    }


def _show(one: Difference, *, wide: bool) -> None:
    share = one.ships_bytes / one.whole_bytes if one.whole_bytes else 0.0
    where = f"{one.platform}: " if one.platform else ""
    heading(f"{where}{size(one.ships_bytes)} of {size(one.whole_bytes)} ({share:.1%}) ships")
    table(one.changes, COLUMNS, wide=wide)
    if one.gone:
        sentence(f"no longer needed: {', '.join(title or short(blob) for blob, title in one.gone)}")


def _seen(name: str, found: Settings, *, plain_http: bool | None) -> Seen:
    reference = somewhere(name, found.store)
    with opened(reference, plain_http=plain_http) as place:
        return look(place, reference.name, with_referrers=False)


def _blob(blob: Descriptor) -> dict[str, object]:
    return {"digest": blob.digest, "size_bytes": blob.size_bytes, "mediaType": blob.media_type}


def _instead(change: Change) -> str:
    return "-" if change.instead_of is None else f"{short(change.instead_of)}, {size(change.instead_of.size_bytes)}"


COLUMNS: list[Column[Change]] = [
    Column(title="LAYER", text=lambda change: change.title, least=24),
    Column(title="SHIPS", text=lambda change: size(change.blob.size_bytes) if change.ships else "-", right=True),
    Column(title="SIZE", text=lambda change: size(change.blob.size_bytes), right=True, drop=1),
    Column(title="INSTEAD OF", text=_instead, drop=2),
    Column(title="DIGEST", text=lambda change: change.blob.digest, wide=True),
]
