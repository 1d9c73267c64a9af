"""What `edgewise base debian` and `edgewise base host` share: where a base goes, and what is said of it."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from edgewise.build import layout
from edgewise.build.bases import image
from edgewise.build.bases.image import BaseImage
from edgewise.build.epoch import source_date_epoch
from edgewise.build.image import About
from edgewise.cli.config import Output
from edgewise.cli.output import Column, listing
from edgewise.errors import BadReference
from edgewise.store.oci.documents import Descriptor
from edgewise.store.oci.layout import Layout
from edgewise.store.oci.reference import InLayout, parse
from edgewise.store.steps import Store
from edgewise.units import SIZE, show

TargetArgument = Annotated[
    str, typer.Argument(metavar="FOLDER:TAG", help="OCI image layout to write to, such as ./bases:debian-12.")
]


def place(target: str) -> tuple[Layout, str]:
    """The folder and the tag that `target` names.

    Raises:
        BadReference: it is no folder, or has no tag.
    """
    found = parse(target)
    if not isinstance(found, InLayout) or not found.tag or found.digest:
        raise BadReference(f"{target!r} is no folder with a tag", hint="such as ./bases:debian-12")
    return Layout(Path(found.folder)), found.tag


def about(title: str, description: str) -> About:
    """What the base says of itself; its time is SOURCE_DATE_EPOCH."""
    return About(title=title, description=description, created=source_date_epoch(os.environ))


def publish(images: Sequence[BaseImage], said: About, target: str, store: Store, output: Output) -> None:
    """Write the images and their index to `target`, and print a line for each, the index last."""
    folder, tag = place(target)
    index = image.over(images, said, store)
    bills = [one.sbom for one in images if one.sbom]
    layout.write(folder, {tag: index}, store, referrers=bills)
    rows = [(str(one.base.platform), one.image, one.size_bytes) for one in images]
    rows.append(("index", index, sum(one.size_bytes for one in images)))
    listing(rows, output, columns=COLUMNS, document=_document, name=lambda row: row[1].digest)


Row = tuple[str, Descriptor, int]
COLUMNS: list[Column[Row]] = [
    Column(title="PLATFORM", text=lambda row: row[0]),
    Column(title="SIZE", text=lambda row: show(row[2], SIZE), right=True),
    Column(title="DIGEST", text=lambda row: row[1].digest),
]


def _document(row: Row) -> dict[str, object]:
    return {"platform": row[0], "size_bytes": row[2], "digest": row[1].digest}
