"""Blobs by deltas, in a format that appends: what comes out is right, or the whole blob comes instead."""

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest

from edgewise.edge.agent import deltas, outside
from edgewise.edge.agent.deltas import FROM, OFFER, TO
from edgewise.edge.agent.disk import Disk
from edgewise.exchange.release import Part, PartKind, Release, Strategy
from edgewise.store.oci import documents, place
from edgewise.store.oci.copy import copy
from edgewise.store.oci.documents import EMPTY, MANIFEST, Descriptor, Manifest
from edgewise.store.oci.layout import Layout
from fakes import images

APPENDING = "application/vnd.test.appending"
OLD, NEW = b"weights " * 4000, b"weights " * 4000 + b"and more"


class Appending:
    """A delta is what stands after the base."""

    def knows(self, media_type: str) -> bool:
        return media_type == APPENDING

    def pieces(self, base: Path, delta: Path, media_type: str) -> Iterator[bytes]:
        yield base.read_bytes()
        yield delta.read_bytes()


class Lying(Appending):
    """Yields the right length of wrong bytes."""

    def pieces(self, base: Path, delta: Path, media_type: str) -> Iterator[bytes]:
        yield bytes(len(NEW))


class Endless(Appending):
    """Never ends by itself."""

    def pieces(self, base: Path, delta: Path, media_type: str) -> Iterator[bytes]:
        while True:
            yield base.read_bytes()


class Failing(Appending):
    """Breaks off within the blob, with an error that nobody has foreseen."""

    def pieces(self, base: Path, delta: Path, media_type: str) -> Iterator[bytes]:
        yield base.read_bytes()[:100]
        raise ZeroDivisionError


class Watched:
    """A place that remembers which blobs were asked for."""

    def __init__(self, real: Layout) -> None:
        self._real = real
        self.asked: list[str] = []

    def fetch(self, blob: Descriptor, *, start: int = 0) -> Iterator[bytes]:
        self.asked.append(blob.digest)
        return self._real.fetch(blob, start=start)

    def __getattr__(self, name: str) -> object:
        return getattr(self._real, name)


class Site:
    """The new artifact in `there`, with an offer that refers to it; the old blob in `here`."""

    plain: ClassVar = {"media_type": "application/octet-stream"}

    def __init__(self, folder: Path, *, delta: bytes = b"and more", base: bytes = OLD) -> None:
        self.here, self.there = Layout(folder / "here"), Layout(folder / "there")
        self.old = images.keep(self.here, OLD, **self.plain)
        self.new = images.keep(self.there, NEW, **self.plain)
        empty = images.keep(self.there, b"{}", EMPTY)
        self.artifact = self._manifest(Manifest(config=empty, layers=(self.new,), artifact_type="a/model"))
        about = {FROM: documents.descriptor_of(base, "").digest, TO: self.new.digest}
        self.delta = images.keep(self.there, delta, APPENDING, annotations=about)
        self._manifest(Manifest(config=empty, layers=(self.delta,), artifact_type=OFFER, subject=self.artifact))
        self.source = Watched(self.there)

    def _manifest(self, made: Manifest) -> Descriptor:
        return images.keep(self.there, documents.canonical(made.document()), MANIFEST)

    def bring(self, *known: deltas.Deltas) -> list[Descriptor]:
        """As the agent does: what deltas can make, then the rest whole."""
        found = place.document(self.source, self.artifact)  # type: ignore[arg-type]
        assert isinstance(found, Manifest)
        offered = deltas.offers(self.source, self.artifact)  # type: ignore[arg-type]
        made = deltas.make(found.layers, offered, self.source, self.here, known)  # type: ignore[arg-type]
        copy(self.source, self.here, self.artifact.digest, with_referrers=False)  # type: ignore[arg-type]
        assert b"".join(self.here.fetch(self.new)) == NEW
        assert not self.here.has(self.delta)
        return made


def test_a_blob_is_made_from_the_one_that_is_here_and_not_fetched(tmp_path: Path) -> None:
    site = Site(tmp_path)
    assert site.bring(Appending()) == [site.new]
    assert site.delta.digest in site.source.asked
    assert site.new.digest not in site.source.asked


@pytest.mark.parametrize("fault", [Lying(), Endless(), Failing()])
def test_whatever_a_delta_does_the_whole_blob_comes_instead(tmp_path: Path, fault: deltas.Deltas) -> None:
    site = Site(tmp_path)
    assert site.bring(fault) == []
    assert site.new.digest in site.source.asked


def test_a_delta_whose_base_is_not_here_or_that_nobody_can_read_is_not_fetched(tmp_path: Path) -> None:
    for folder, known, base in (("a", [Appending()], b"another"), ("b", [], OLD)):
        site = Site(tmp_path / folder, base=base)
        assert site.bring(*known) == []
        assert site.delta.digest not in site.source.asked


def test_a_delta_that_is_larger_than_its_blob_is_not_fetched(tmp_path: Path) -> None:
    site = Site(tmp_path, delta=bytes(2 * len(NEW)))
    assert site.bring(Appending()) == []
    assert site.delta.digest not in site.source.asked


def test_a_delta_that_was_cut_off_is_gone_on_with(tmp_path: Path) -> None:
    site = Site(tmp_path)
    with pytest.raises(ZeroDivisionError):
        site.here.push(site.new, lambda _: Failing().pieces(site.here.blobs.path(site.old.digest), tmp_path, ""))
    assert site.bring(Appending()) == [site.new]


def test_a_place_whose_offers_cannot_be_read_offers_nothing(tmp_path: Path) -> None:
    site = Site(tmp_path)
    for path in (site.there.folder / "blobs/sha256").iterdir():
        if OFFER.encode() in path.read_bytes():
            path.unlink()
    assert deltas.offers(site.there, site.artifact) == []


def test_the_agent_brings_a_part_by_deltas_where_it_can_read_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:

    site = Site(tmp_path)
    site.here.folder.rename(tmp_path / "store")
    source = f"oci:{site.there.folder}"
    part = Part(name="m", kind=PartKind.MODEL, digest=site.artifact.digest, size_bytes=1, source=source)
    made = Release(site="s", version="1", strategy=Strategy.EXTERNAL, parts=(part,))
    monkeypatch.setattr(outside, "DELTAS", (Appending(),))
    fetched = []
    real = Layout.fetch
    monkeypatch.setattr(Layout, "fetch", lambda self, blob, **how: fetched.append(blob) or real(self, blob, **how))
    outside._bring(Disk(tmp_path), made, made.parts, "https://tree.example", 1e9)
    assert site.delta.digest in {one.digest for one in fetched}
    assert site.new.digest not in {one.digest for one in fetched}
    assert b"".join(real(Layout(tmp_path / "store"), site.new)) == NEW
