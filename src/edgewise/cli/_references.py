"""What a person means by a name on the command line, where images are concerned."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from edgewise.cli._transfers import size
from edgewise.cli.config import Output
from edgewise.cli.output import data, names, sentence
from edgewise.errors import BadReference
from edgewise.store.oci.copy import Copied
from edgewise.store.oci.layout import Layout
from edgewise.store.oci.reference import InLayout, InRegistry, Reference, check_name, is_digest, parse

PlainHttpFlag = Annotated[
    bool | None,
    typer.Option(
        "--plain-http/--tls", help="Without TLS, or with; by default without where the registry is this machine."
    ),
]
PlatformsFlag = Annotated[
    list[str] | None,
    typer.Option("--platform", metavar="OS/ARCH", help="Of several platforms, this one only; may be given again."),
]
ReferrersFlag = Annotated[
    bool, typer.Option("--referrers/--no-referrers", help="Signatures and the like too, or without them.")
]


def in_store(text: str, store: Path) -> Reference:
    """`text` as a name in the store, unless it names a folder: `app:1`, `oci:/path:app`, `./folder:app`."""
    if text.startswith(("oci:", "./", "../", "/")):
        return parse(text)
    if is_digest(text):
        return InLayout(folder=str(store), digest=text)
    name, _, digest = text.rpartition("@")
    found = (name, digest) if is_digest(digest) else (text, "")
    return InLayout(folder=str(store), tag=check_name(found[0]), digest=found[1])


def somewhere(text: str, store: Path) -> Reference:
    """`text` as a name in the store where it is one, else as `parse` has it: a folder, or a registry.

    Raises:
        BadReference: it is neither.
    """
    if not text.startswith(("oci:", "./", "../", "/")):
        name, _, digest = text.rpartition("@")
        if is_digest(text) or (name if is_digest(digest) else text) in Layout(store).references():
            return in_store(text, store)
        host = text.partition("/")[0]
        if "/" not in text or not ("." in host or ":" in host or host == "localhost"):
            return in_store(text, store)
    return parse(text)


def name_at(destination: Reference, source: Reference) -> str:
    """What an image shall be called at `destination`: as `source` is, where that is left open.

    Raises:
        BadReference: neither says it.
    """
    if destination.digest:
        raise BadReference(f"{destination} ends with a digest, which nobody can choose", hint="write a tag")
    if not (destination.tag or source.tag):
        raise BadReference(f"{destination} does not say what the image shall be called", hint=f"{destination}:NAME")
    return destination.tag or source.tag


def name_for(source: Reference) -> str:
    """What the store calls what came from `source`.

    Raises:
        BadReference: the source has no name to go by.
    """
    if isinstance(source, InRegistry):
        return str(source)
    if source.tag:
        return source.tag
    named = list(Layout(Path(source.folder)).references())
    if len(named) == 1:
        return named[0]
    raise BadReference(f"{source} does not say what it shall be called here", hint="--as NAME")


def near(store: Path) -> list[Reference]:
    """Repositories that images of the store came from or went to: what they have need not be sent again."""
    found: list[Reference] = []
    for name in Layout(store).references():
        try:
            found.append(parse(name))
        except BadReference:
            continue
    return found


def report(copied: Copied, name: str, output: Output) -> None:
    """Print what a copy did."""
    document: Mapping[str, object] = {
        "name": name,
        "digest": copied.document.digest,
        "mediaType": copied.document.media_type,
        "moved_bytes": copied.moved_bytes,
        "there_bytes": copied.there_bytes,
        "referrers": copied.referrers,
    }
    match output:
        case Output.TABLE | Output.WIDE:
            there = f", {size(copied.there_bytes)} were there already" if copied.there_bytes else ""
            more = f", {copied.referrers} documents that refer to it came along" if copied.referrers else ""
            sentence(f"{name} is {copied.document.digest}")
            sentence(f"{size(copied.moved_bytes)} moved{there}{more}")
        case Output.NAME:
            names([copied.document.digest])
        case _:
            data(document, output)
