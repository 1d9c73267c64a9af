"""What the images of a build stand on: Debian packages, this machine's own Python, or an image that another made."""

from collections.abc import Sequence

from edgewise.build import sbom
from edgewise.build.base import Base
from edgewise.build.bases import busybox, debian, given, host
from edgewise.build.compress import Compression
from edgewise.build.platforms import PLATFORMS, Platform
from edgewise.build.strategies.make import Below
from edgewise.errors import BadImage
from edgewise.progress import SILENT, Progress
from edgewise.store.oci.copy import copy
from edgewise.store.oci.layout import Layout
from edgewise.store.oci.places import opened
from edgewise.store.oci.reference import InLayout, Reference, parse
from edgewise.store.steps import Store

DEBIAN, HOST = "debian", "host"


def platforms(base: str, wanted: Sequence[Platform]) -> tuple[Platform, ...]:
    """The platforms that images are made for; all that `base` can have where none is asked for.

    Raises:
        BadImage: this machine's Python was asked for another platform.
    """
    if base != HOST:
        return tuple(wanted) or tuple(PLATFORMS.values())
    here = host.this_platform()
    if strangers := [str(one) for one in wanted if one != here]:
        raise BadImage(f"this machine's Python is for {here}, not for {', '.join(strangers)}", hint="--base debian")
    return (here,)


def inference(
    base: str,
    platform: Platform,
    store: Store,
    *,
    mtime: int,
    compression: Compression = Compression.ZSTD,
    progress: Progress = SILENT,
) -> Below:
    """What an inference image stands on.

    Args:
        base: `debian`, `host`, or the name of an image: in a registry, a folder, or the store.

    Raises:
        BadImage: the image has not this platform, or says nothing of its Python.
        NotFound, BadReference, RegistryUnreachable: there is no such image.
        MissingDependency, ChildFailed: Debian's packages cannot be had.
    """
    if base == HOST:
        return Below(base=host.base(store, mtime=mtime, compression=compression))
    if base == DEBIAN:
        debs = debian.resolve(platform, store)
        progress.step(f"{len(debs)} Debian packages for {platform}", amount=0)
        made = debian.base(debs, platform, store, mtime=mtime, compression=compression)
        return Below(base=made, components=tuple(sbom.of_deb(deb) for deb in debs))
    return Below(base=_given(base, platform, store))


def models(
    base: str, platform: Platform, store: Store, *, mtime: int, compression: Compression = Compression.ZSTD
) -> Below:
    """What a model's own image stands on: busybox; nothing where this machine's was asked for and there is none."""
    if base == HOST:
        found = busybox.of_host(platform, store, mtime=mtime, compression=compression)
        return Below(base=found or busybox.empty(platform))
    debs = busybox.resolve(platform, store)
    made = busybox.base(debs, platform, store, mtime=mtime, compression=compression)
    return Below(base=made, components=tuple(sbom.of_deb(deb) for deb in debs))


def _given(name: str, platform: Platform, store: Store) -> Base:
    layout = Layout(store.folder)
    if name in layout.references():
        root = layout.resolve(name)
    else:
        reference: Reference = parse(name)
        with opened(reference) as place:
            root = copy(place, layout, reference.name, to=_kept_as(reference), with_referrers=False).document
    return given.base(root.digest, platform, store.blobs, name=name)


def _kept_as(reference: Reference) -> str:
    """What the store calls the base, so that it is not collected: its own name, or the folder's."""
    if isinstance(reference, InLayout):
        return f"base/{reference.tag or 'image'}"
    return str(reference)
