"""Mirrors: a device follows one alone; what does not verify is never carried; any interruption leaves old or new."""

import errno
import os
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import Metadata

from edgewise.core.releases import images as kept
from edgewise.core.releases import mirror, publish
from edgewise.core.releases.mirror import Load
from edgewise.core.releases.rotate import key_ids, rotate
from edgewise.core.releases.tree import Changes
from edgewise.core.releases.web import Folder, Web
from edgewise.errors import (
    EdgewiseError,
    ForeignTree,
    MetadataExpired,
    MirrorAhead,
    NotFound,
    NotTrusted,
    StoreFull,
    StoreUnusable,
    TreeUnreachable,
)
from edgewise.exchange.fetch import Fetch
from edgewise.exchange.offer import Offered, Standing
from edgewise.exchange.release import Part, PartKind
from edgewise.exchange.sources import nearest
from edgewise.store.oci.copy import needed
from edgewise.store.oci.layout import Layout
from edgewise.store.oci.place import CHUNK_BYTES
from fakes import images, webs
from fakes.dying_disk import DyingDisk, Killed
from fakes.releases import Releases
from fakes.sticks import exfat

MOST_WRITES = 400


class Plant:
    """A tree with images in a folder of its own, and a mirror of both."""

    def __init__(self, folder: Path, *sites: str, signs: bool = True) -> None:
        self.signs = signs
        self.made = Releases.make(folder / "near", *(sites or ("press-line",)))
        self.pushed = Layout(folder / "pushed")
        self.web = Folder(folder / "stick")
        self.folder = folder

    @property
    def base(self) -> str:
        return self.web.folder.as_uri()

    def part(self, version: str, *, size: int = 3000) -> Part:
        """An image that is pushed, with a layer that all have and one of its own, and a signature."""
        layers = [{"shared": b"s" * 3000}, {"own": Random(version).randbytes(size)}]
        root = images.image(self.pushed, f"app:{version}", layers=layers)
        if self.signs:
            images.signature(self.pushed, root, b"signed " + version.encode())
        return Part(
            name="inference",
            kind=PartKind.IMAGE,
            digest=root.digest,
            size_bytes=size,
            source=f"oci:{self.pushed.folder}",
        )

    def publish(self, version: str, site: str = "", *, size: int = 3000) -> str:
        made = self.made.release(version, self.part(version, size=size), site=site)
        return self.made.publish(made, at_once=True)

    def survey(self, *sites: str, base: str = "", web: Web | None = None, with_images: bool = True) -> Load:
        layout = kept.layout_of(self.web.folder) if with_images else None
        fetch = Fetch()
        return mirror.survey(base or self.made.base, self.made.root, sites, web or self.web, layout, fetch=fetch)

    def mirror(self, *sites: str, base: str = "") -> Load:
        with self.web.held():
            load = self.survey(*sites, base=base)
            mirror.carry(load, self.web, kept.layout_of(self.web.folder))
        return load

    def take(self, device: str, site: str = "") -> list[str]:
        """Versions that a device which knows the mirror alone may run, all that they need having come from it."""
        away = self.pushed.folder.with_name("away")
        self.pushed.folder.rename(away)
        try:
            follower = self.made.follower(self.folder / device, base=self.base)
            follower.site, follower._role = site or follower.site, f"site-{site or follower.site}"
            with follower:
                found = []
                for digest, offered in follower.follow().offers.items():
                    if offered.standing is not Standing.WITHDRAWN:
                        release, _ = follower.release(digest)
                        with nearest(release.parts[0], self.base) as place:
                            for one in needed(place, release.parts[0].digest):
                                assert sum(map(len, place.fetch(one))) == one.size_bytes
                        found.append(release.version)
            return found
        finally:
            away.rename(self.pushed.folder)


@pytest.fixture
def plant(tmp_path: Path) -> Plant:
    made = Plant(tmp_path)
    made.publish("1")
    return made


def everything(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_device_that_knows_the_mirror_alone_takes_its_releases(plant: Plant) -> None:
    first = plant.mirror()
    assert first.blobs
    assert plant.take("device") == ["1"]
    plant.publish("2")
    second = plant.mirror()
    assert len(second.blobs) == len(first.blobs) - 2, "the layer that both have, and what signatures need, was there"
    assert plant.take("device") == plant.take("fresh") == ["2"]
    before = everything(plant.web.folder)
    third = plant.mirror()
    assert (third.files, third.blobs, third.needs_bytes) == ({}, {}, 0)
    assert everything(plant.web.folder) == before


def test_signatures_come_along(plant: Plant) -> None:
    plant.mirror()
    (part,) = next(iter(plant.survey().source.releases.values())).parts
    assert len(kept.layout_of(plant.web.folder).referrers(part.digest)) == 1


def test_a_mirror_of_a_mirror_is_as_good(plant: Plant, tmp_path: Path) -> None:
    plant.mirror()
    there = plant.base
    plant.web = Folder(tmp_path / "farther")
    plant.pushed.folder.rename(tmp_path / "gone")
    plant.mirror(base=there)
    plant.pushed.folder.mkdir()
    assert plant.take("device") == ["1"]


def test_sites_that_are_there_go_along_with_the_one_that_is_wanted(tmp_path: Path) -> None:
    plant = Plant(tmp_path, "press-line", "gate")
    for site in ("press-line", "gate"):
        plant.publish("1", site)
    assert plant.mirror("gate").source.carries == ("gate",)
    with pytest.raises(TreeUnreachable, match="press-line"):
        plant.take("early", "press-line")
    plant.publish("2", "gate")
    assert plant.mirror("press-line").source.carries == ("gate", "press-line")
    assert (plant.take("device", "gate"), plant.take("other", "press-line")) == (["2"], ["1"])
    with pytest.raises(NotFound, match="no site quay"):
        plant.mirror("quay")


def test_a_withdrawn_release_is_not_carried_and_pruning_removes_it(plant: Plant) -> None:
    second = plant.made.publish(plant.made.release("2", plant.part("2", size=5000)))
    plant.mirror()
    assert sorted(plant.take("device")) == ["1", "2"]
    plant.made.offer(second, Offered(standing=Standing.WITHDRAWN))
    load = plant.mirror()
    assert mirror.prune(load.source, plant.web, kept.layout_of(plant.web.folder), dry_run=True) > 0
    before = images.all_digests(kept.layout_of(plant.web.folder))
    assert mirror.prune(load.source, plant.web, kept.layout_of(plant.web.folder)) > 0
    gone = before - images.all_digests(kept.layout_of(plant.web.folder))
    assert len(gone) >= 4, "layer, config, manifest, signature"
    assert plant.take("device") == plant.take("fresh") == ["1"]
    assert mirror.prune(load.source, plant.web, kept.layout_of(plant.web.folder)) == 0


def test_a_source_that_is_older_than_the_mirror_is_refused(plant: Plant, tmp_path: Path) -> None:
    old = tmp_path / "old"
    subprocess.run(["cp", "-r", str(plant.made.folder), str(old)], check=True)
    plant.publish("2")
    plant.mirror()
    before = everything(plant.web.folder)
    with pytest.raises(MirrorAhead, match="is newer than"):
        plant.mirror(base=old.as_uri())
    assert everything(plant.web.folder) == before


def test_another_s_tree_is_never_written_over(plant: Plant, tmp_path: Path) -> None:
    other = Releases.make(tmp_path / "other", "press-line")
    plant.web = Folder(other.folder)
    before = everything(other.folder)
    with pytest.raises(ForeignTree, match="does not begin with the root"):
        plant.mirror()
    assert everything(other.folder) == before


def test_damaged_files_of_the_mirror_are_made_good(plant: Plant) -> None:
    plant.mirror()
    files = [path for path in plant.web.folder.rglob("*.json") if path.parent.name in ("metadata", "press-line")]
    for path in files:
        path.write_bytes(b"" if path.name == "timestamp.json" else path.read_bytes()[:-3])
    assert set(plant.mirror().files) == {str(path.relative_to(plant.web.folder)) for path in files}
    assert plant.take("device") == ["1"]


@pytest.mark.parametrize("damage", ["signer", "cut", "endless", "expired", "gone", "document"])
def test_what_does_not_verify_is_never_carried(plant: Plant, damage: str, monkeypatch: pytest.MonkeyPatch) -> None:
    plant.mirror()
    plant.publish("2")
    before = everything(plant.web.folder)
    seal = plant.made.folder / "metadata/timestamp.json"
    wanted: type[EdgewiseError] = NotTrusted
    match damage:
        case "signer":
            forged = Metadata.from_bytes(seal.read_bytes())
            forged.sign(CryptoSigner.generate_ed25519())
            seal.write_bytes(forged.to_bytes())
        case "cut":
            newest = max(plant.made.folder.glob("metadata/*.snapshot.json"), key=os.path.getmtime)
            newest.write_bytes(newest.read_bytes()[:-40])
        case "endless":
            seal.write_bytes(b" " * (1 << 22))
        case "expired":
            plant.made.desk(after_s=-40 * 86400).change(anew)
            wanted = MetadataExpired
        case "gone":
            seal.unlink()
            wanted = TreeUnreachable
        case "document":
            newest = max(plant.made.folder.glob("targets/press-line/*"), key=os.path.getmtime)
            newest.write_bytes(newest.read_bytes().replace(b"meter", b"nater"))
    with pytest.raises(wanted):
        plant.mirror()
    assert everything(plant.web.folder) == before


def anew(_: object) -> Changes:
    return Changes(snapshot=True)


@pytest.mark.parametrize("damage", ["other", "cut", "endless", "missing"])
def test_a_wrong_blob_stops_before_anything_is_in_force(plant: Plant, damage: str) -> None:
    plant.mirror()
    plant.publish("2", size=9000)
    load = plant.survey()
    layer = max(load.blobs.values(), key=lambda one: one.size_bytes)
    path = plant.pushed.blobs.path(layer.digest)
    content = path.read_bytes()
    path.chmod(0o644)
    match damage:
        case "other":
            path.write_bytes(content[:-1] + b"x")
        case "cut":
            path.write_bytes(content[:-9])
        case "endless":
            path.write_bytes(content + b"x" * (3 * CHUNK_BYTES))
        case "missing":
            path.unlink()
    with pytest.raises(EdgewiseError):
        plant.mirror()
    assert plant.take("device") == ["1"]
    path.write_bytes(content)
    plant.mirror()
    assert plant.take("device") == ["2"]


@pytest.mark.parametrize(
    ("code", "every"), [(None, 1), (errno.ENOSPC, 5), (errno.EIO, 5)], ids=["killed", "ENOSPC", "EIO"]
)
def test_old_or_new_at_every_write(tmp_path: Path, code: int | None, every: int) -> None:
    plant = Plant(tmp_path / "plant", signs=False)
    plant.publish("1")
    plant.mirror()
    old = everything(plant.web.folder)
    plant.publish("2")
    load, seen = plant.survey(), set()
    for at in range(1, MOST_WRITES, every):
        plant.web = Folder(tmp_path / f"{at}")
        for name, content in old.items():
            (plant.web.folder / name).parent.mkdir(parents=True, exist_ok=True)
            (plant.web.folder / name).write_bytes(content)
        disk, said = DyingDisk(at, code), None
        with pytest.MonkeyPatch.context() as patch:
            disk.install(patch)
            try:
                mirror.carry(load, plant.web, kept.layout_of(plant.web.folder))
            except (Killed, StoreFull, StoreUnusable) as error:
                said = type(error)
        assert said in (None, {None: Killed, errno.ENOSPC: StoreFull, errno.EIO: StoreUnusable}[code]), at
        (version,) = plant.take(f"device{at}")
        assert said is not None or version == "2", at
        seen.add(version)
        if at % 10 == 1:
            plant.mirror()
            assert plant.take(f"device{at}") == ["2"], at
        if not disk.reached:
            break
    else:
        pytest.fail(f"more than {MOST_WRITES} writes")
    assert at > 40
    assert seen == {"1", "2"}


def test_too_little_room_is_said_before_the_first_byte(plant: Plant) -> None:
    plant.mirror()
    plant.publish("2")
    before = everything(plant.web.folder)
    load = plant.survey()
    assert load.needs_bytes > load.blob_bytes + load.file_bytes
    small = replace(load, free_bytes=load.needs_bytes - 1)
    with pytest.raises(StoreFull, match="bytes free"):
        mirror.carry(small, plant.web, kept.layout_of(plant.web.folder))
    assert everything(plant.web.folder) == before


def test_a_broken_copy_goes_on_where_it_was(plant: Plant) -> None:
    content = os.urandom(3 * CHUNK_BYTES)
    root = images.image(plant.pushed, "big", layers=[{"big": content}])
    part = replace(plant.part("2"), digest=root.digest)
    plant.made.publish(plant.made.release("2", part), at_once=True)
    layout, load = kept.layout_of(plant.web.folder), plant.survey()
    layer = max(load.blobs.values(), key=lambda one: one.size_bytes)

    def breaks(start: int) -> Iterator[bytes]:
        yield plant.pushed.blobs.path(layer.digest).read_bytes()[: 2 * CHUNK_BYTES]
        raise ConnectionResetError

    with pytest.raises((EdgewiseError, OSError)):
        layout.push(layer, breaks)
    assert load.blob_bytes - plant.survey().blob_bytes == 2 * CHUNK_BYTES
    plant.mirror()
    assert plant.take("device") == ["2"]


@pytest.mark.parametrize("role", ["root", "targets", "online", "site-press-line"])
@pytest.mark.parametrize("signed_again", [False, True])
def test_devices_follow_the_mirror_through_a_change_of_keys(plant: Plant, role: str, signed_again: bool) -> None:
    plant.mirror()
    assert plant.take("old") == ["1"]
    rotate(plant.made.desk(), role, "", leaving=key_ids(plant.made.desk().read())[role][1][:1])
    if signed_again:
        publish.sign_again(plant.made.desk())
        plant.publish("2")
    plant.mirror()
    assert plant.take("old") == plant.take("fresh") == (["2"] if signed_again else ["1"])


def test_two_who_write_to_one_mirror_are_told_apart(plant: Plant) -> None:
    with plant.web.held(), pytest.raises(EdgewiseError, match="another"):
        plant.mirror()


@pytest.mark.parametrize("kind", ["bucket", "root"])
def test_metadata_goes_to_a_bucket_or_a_web_root(plant: Plant, kind: str, tmp_path: Path) -> None:
    from edgewise.core.releases.bucket import Bucket, Credentials
    from edgewise.core.releases.dav import WebRoot

    with webs.serving(kind) as server:
        who = Credentials(key=webs.KEY, secret=webs.SECRET)
        place: Bucket | WebRoot = (
            Bucket("s3://releases/plant", who, endpoint=server.address, wait_s=0)
            if kind == "bucket"
            else WebRoot(f"{server.address}/plant", wait_s=0)
        )
        with place:
            for version in ("2", "3"):
                plant.publish(version)
                load = plant.survey(web=place, with_images=False)
                mirror.carry(load, place, None)
                puts = [path for method, path in server.asked if method == "PUT"]
                assert puts[-1].endswith("/timestamp.json")
        for path, content in server.files.items():
            if "/metadata/" in path or "/targets/" in path:
                copied = tmp_path / "copied" / path.partition("/plant/")[2]
                copied.parent.mkdir(parents=True, exist_ok=True)
                copied.write_bytes(content)
        with plant.made.follower(tmp_path / "device", base=(tmp_path / "copied").as_uri()) as device:
            (digest,) = device.follow().offers
            assert device.release(digest)[0].version == "3"


@pytest.fixture
def stick(tmp_path: Path) -> Iterator[Path]:
    with exfat(tmp_path, 8 << 20) as mounted:
        yield mounted


def test_a_usb_stick_carries_releases_and_says_when_it_is_too_small(plant: Plant, stick: Path) -> None:
    plant.web = Folder(stick / "releases")
    plant.mirror()
    assert plant.take("device") == ["1"]
    root = images.image(plant.pushed, "large", layers=[{"large": os.urandom(12 << 20)}])
    part = replace(plant.part("2"), digest=root.digest)
    plant.made.publish(plant.made.release("2", part), at_once=True)
    with pytest.raises(StoreFull, match="bytes free"):
        plant.mirror()
    assert plant.take("device") == ["1"]
    plant.publish("3")
    load = plant.mirror()
    mirror.prune(load.source, plant.web, kept.layout_of(plant.web.folder))
    assert plant.take("device") == plant.take("fresh") == ["3"]
