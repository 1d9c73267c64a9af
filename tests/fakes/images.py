"""Small images, put into a layout."""

import gzip
import hashlib
import io
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from edgewise.store.oci import documents
from edgewise.store.oci.documents import CONFIG, INDEX, MANIFEST, Descriptor, ImageConfig, Index, Manifest, Platform
from edgewise.store.oci.layout import Layout

LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
AMD64 = Platform(architecture="amd64", os="linux")
ARM64 = Platform(architecture="arm64", os="linux", variant="v8")


def keep(layout: Layout, content: bytes, media_type: str, **about: object) -> Descriptor:
    """Put `content` into `layout`."""
    blob = documents.descriptor_of(content, media_type, **about)  # type: ignore[arg-type]
    layout.push(blob, lambda start: iter([content[start:]]))
    return blob


def tar(files: Mapping[str, bytes]) -> bytes:
    """A tar file of `files`, by path."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for path, content in files.items():
            member = tarfile.TarInfo(path)
            member.size, member.mode = len(content), 0o755
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def image(
    layout: Layout,
    name: str = "",
    *,
    layers: Sequence[Mapping[str, bytes]] = ({"hello": b"hello"},),
    platform: Platform = AMD64,
    settings: Mapping[str, object] | None = None,
) -> Descriptor:
    """An image whose layers hold files; tagged with `name` if there is one."""
    tars = [tar(files) for files in layers]
    packed = tuple(keep(layout, gzip.compress(content, 1, mtime=0), LAYER) for content in tars)
    diff_ids = tuple(f"sha256:{hashlib.sha256(content).hexdigest()}" for content in tars)
    config = ImageConfig(platform=platform, diff_ids=diff_ids, settings=settings or {}, created="2026-01-01T00:00:00Z")
    kept = keep(layout, documents.canonical(config.document()), CONFIG)
    manifest = Manifest(config=kept, layers=packed)
    found = keep(layout, documents.canonical(manifest.document()), MANIFEST, platform=platform)
    if name:
        layout.tag(name, found)
    return found


def index(layout: Layout, name: str, manifests: Sequence[Descriptor]) -> Descriptor:
    """An index over `manifests`, tagged with `name`."""
    found = keep(layout, documents.canonical(Index(manifests=tuple(manifests)).document()), INDEX)
    layout.tag(name, found)
    return found


def signature(layout: Layout, subject: Descriptor, content: bytes = b"signed") -> Descriptor:
    """An artifact that refers to `subject`."""
    empty = keep(layout, b"{}", documents.EMPTY)
    signed = keep(layout, content, "application/vnd.example.signature")
    about = replace(subject, annotations={}, platform=None)
    manifest = Manifest(
        config=empty, layers=(signed,), artifact_type="application/vnd.example.signature", subject=about
    )
    return keep(layout, documents.canonical(manifest.document()), MANIFEST)


def all_digests(layout: Layout) -> set[str]:
    """Digests of the blobs that are in `layout`."""
    folder = layout.folder / "blobs" / "sha256"
    return {f"sha256:{path.name}" for path in folder.iterdir() if not path.name.startswith(".")}


def snapshot(layout: Layout) -> dict[str, bytes]:
    """Every file that other tools can see in `layout`, by its path."""
    return {str(path.relative_to(layout.folder)): path.read_bytes() for path in _seen(layout)}


def _seen(layout: Layout) -> Iterator[Path]:
    for path in sorted(layout.folder.rglob("*")):
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(layout.folder).parts):
            yield path
