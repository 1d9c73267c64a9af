"""From place to place: what arrives is what left, and what goes wrong leaves everything as it was."""

import os
from collections.abc import Callable, Iterator, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgewise.errors import (
    BadManifest,
    EdgewiseError,
    NotAllowed,
    NotFound,
    RateLimited,
    RegistryRefused,
    RegistryUnreachable,
    StoreCorrupt,
    WrongBytes,
)
from edgewise.store.oci import documents, upload
from edgewise.store.oci.copy import copy
from edgewise.store.oci.documents import Descriptor, Index, Manifest
from edgewise.store.oci.layout import Layout
from edgewise.store.oci.partial import FOLDER
from edgewise.store.oci.place import How, document
from edgewise.store.oci.registry import Registry
from fakes import images
from fakes.registries import FakeRegistry, Fault

Connect = Callable[..., Registry]
BIG = os.urandom(700_000)


class Heard:
    """Listens to a copy."""

    def __init__(self) -> None:
        self.sizes: dict[str, int] = {}
        self.bytes: dict[str, int] = {}
        self.how: dict[str, How] = {}

    def found(self, blobs: Sequence[Descriptor]) -> None:
        self.sizes = {blob.digest: blob.size_bytes for blob in blobs}
        self.bytes = dict.fromkeys(self.sizes, 0)

    def moved(self, blob: Descriptor, amount: int) -> None:
        self.bytes[blob.digest] += amount

    def ended(self, blob: Descriptor, how: How) -> None:
        self.how[blob.digest] = how


class TestBetweenFolders:
    @settings(max_examples=25, deadline=None)
    @given(
        st.lists(
            st.lists(st.dictionaries(st.sampled_from("abc"), st.binary(max_size=50), max_size=2), max_size=3),
            min_size=1,
            max_size=3,
        ),
        st.booleans(),
    )
    def test_what_arrives_is_what_left(
        self, tmp_path_factory: pytest.TempPathFactory, layers: list[list[dict[str, bytes]]], signed: bool
    ) -> None:
        here, there = Layout(tmp_path_factory.mktemp("here")), Layout(tmp_path_factory.mktemp("there"))
        made = [images.image(here, layers=one) for one in layers]
        root = images.index(here, "app", made)
        if signed:
            images.signature(here, root)
        first, second = copy(here, there, "app"), copy(here, there, "app")
        assert first.document.digest == second.document.digest == root.digest
        assert images.all_digests(there) == images.all_digests(here)
        assert second.there_bytes == first.moved_bytes + first.there_bytes - (second.moved_bytes)
        assert second.moved_bytes == (0 if not signed else here.referrers(root.digest)[0].size_bytes)
        assert [one.digest for one in there.referrers(root.digest)] == [
            one.digest for one in here.referrers(root.digest)
        ]

    def test_tells_of_every_layer(self, layout: Layout, other: Layout) -> None:
        made = images.image(layout, "app", layers=[{"a": BIG}, {"b": b"b"}])
        heard, again = Heard(), Heard()
        copy(layout, other, "app", transfers=heard)
        copy(layout, other, "app", transfers=again)
        manifest = document(layout, made)
        assert heard.sizes == heard.bytes == {one.digest: one.size_bytes for one in manifest.needs}
        assert set(heard.how.values()) == {How.COPIED}
        assert set(again.how.values()) == {How.THERE}
        assert set(again.bytes.values()) == {0}

    def test_signatures_stay_behind_when_they_are_not_wanted(self, layout: Layout, other: Layout) -> None:
        made = images.image(layout, "app")
        images.signature(layout, made)
        assert copy(layout, other, "app", with_referrers=False).referrers == 0
        assert other.referrers(made.digest) == ()
        assert copy(layout, other, "app").referrers == 1
        assert len(other.referrers(made.digest)) == 1

    def test_a_new_name(self, layout: Layout, other: Layout) -> None:
        images.image(layout, "app:1")
        copy(layout, other, "app:1", to="registry.example/app:1")
        copy(layout, other, layout.resolve("app:1").digest)
        assert list(other.references()) == ["registry.example/app:1"]


class TestPlatforms:
    @pytest.fixture
    def index(self, layout: Layout) -> dict[str, Descriptor]:
        armv6 = documents.Platform(architecture="arm", os="linux", variant="v6")
        made = {
            "linux/amd64": images.image(layout, layers=[{"amd64": b"x"}]),
            "linux/arm64": images.image(layout, layers=[{"arm64": b"x"}], platform=images.ARM64),
            "linux/arm/v6": images.image(layout, layers=[{"arm": b"x"}], platform=armv6),
        }
        images.index(layout, "app", list(made.values()))
        return made

    def test_one_becomes_what_the_name_stands_for(
        self, layout: Layout, other: Layout, index: dict[str, Descriptor]
    ) -> None:
        done = copy(layout, other, "app", platforms=["linux/arm64"])
        assert done.document.digest == other.resolve("app").digest == index["linux/arm64"].digest
        assert len(images.all_digests(other)) == 3

    def test_several_become_an_index_of_their_own(
        self, layout: Layout, other: Layout, index: dict[str, Descriptor]
    ) -> None:
        copy(layout, other, "app", platforms=["linux/arm64/v8", "linux/amd64"])
        found = document(other, other.resolve("app"))
        assert isinstance(found, Index)
        assert {one.digest for one in found.manifests} == {
            index[name].digest for name in ("linux/amd64", "linux/arm64")
        }
        assert len(images.all_digests(other)) == 7

    def test_that_are_not_there_are_said(self, layout: Layout, other: Layout, index: dict[str, Descriptor]) -> None:
        with pytest.raises(NotFound, match=r"nothing for linux/riscv64") as caught:
            copy(layout, other, "app", platforms=["linux/amd64", "linux/riscv64"])
        assert "linux/arm64/v8" in caught.value.hint
        assert other.references() == {}


@pytest.fixture
def pushed(layout: Layout, connect: Connect) -> Descriptor:
    """An image with a large layer, in the registry as team/app:1."""
    made = images.image(layout, "app:1", layers=[{"big": BIG}])
    copy(layout, connect(), "app:1", to="1")
    return made


class TestPull:
    def test_brings_what_was_pushed(self, pushed: Descriptor, layout: Layout, other: Layout, connect: Connect) -> None:
        assert copy(connect(), other, "1").document.digest == pushed.digest
        assert images.all_digests(other) == images.all_digests(layout)

    @pytest.mark.parametrize("ranges", [True, False])
    def test_goes_on_where_it_broke_off(
        self, pushed: Descriptor, other: Layout, connect: Connect, fake: FakeRegistry, waits: list[float], ranges: bool
    ) -> None:
        fake.ranges = ranges
        layer = document(connect(), pushed).needs[1]
        fake.faults = [Fault(f"GET .*{layer.digest}", cut_after=300_000), Fault(f"GET .*{layer.digest}", drop=True)]
        copy(connect(), other, "1")
        asked = [one.headers.get("Range") for one in fake.asked if f"GET /v2/team/app/blobs/{layer.digest}" == one.line]
        assert asked[0] is None
        assert asked[1] == asked[2]
        assert asked[1] is not None
        assert 0 < int(asked[1].removeprefix("bytes=").removesuffix("-")) <= 300_000
        assert waits == [0.5, 0.5]
        assert other.resolve("1").digest == pushed.digest

    def test_that_failed_goes_on_the_next_time(
        self, pushed: Descriptor, other: Layout, connect: Connect, fake: FakeRegistry
    ) -> None:
        layer = document(connect(), pushed).needs[1]
        fake.faults = [
            Fault(f"GET .*{layer.digest}", cut_after=300_000),
            Fault(f"GET .*{layer.digest}", times=9, drop=True),
        ]
        with pytest.raises(RegistryUnreachable):
            copy(connect(), other, "1")
        assert other.references() == {}
        rest = (other.folder / FOLDER / layer.digest.removeprefix("sha256:")).stat().st_size
        assert 0 < rest <= 300_000
        fake.faults = []
        fake.asked.clear()
        copy(connect(), other, "1")
        assert [one.headers["Range"] for one in fake.asked if layer.digest in one.line] == [f"bytes={rest}-"]

    @pytest.mark.parametrize(
        ("fault", "error"),
        [
            (Fault("GET .*/blobs/", times=99, status=401), NotAllowed),
            (Fault("GET .*/blobs/", times=99, status=403), NotAllowed),
            (Fault("GET .*/blobs/", times=99, status=404), NotFound),
            (Fault("GET .*/blobs/", times=99, status=429), RateLimited),
            (Fault("GET .*/blobs/", times=99, status=429, headers={"Retry-After": "3600"}), RateLimited),
            (Fault("GET .*/blobs/", times=99, status=400), RegistryRefused),
            (Fault("GET .*/blobs/", times=99, status=503), RegistryUnreachable),
            (Fault("GET .*/blobs/", times=99, drop=True), RegistryUnreachable),
            (Fault("GET .*/blobs/", times=99, cut_after=10), RegistryUnreachable),
            (Fault("GET .*/blobs/", times=99, flip=True), WrongBytes),
            (Fault("GET .*/blobs/", times=99, more=b"and more"), WrongBytes),
            (Fault("GET .*/manifests/1", times=99, flip=True), BadManifest),
            (Fault("GET .*/manifests/1", times=99, cut_after=5), RegistryUnreachable),
            (Fault("GET .*/manifests/1", times=99, more=b" " * (5 << 20)), BadManifest),
            (Fault("GET .*/manifests/sha", times=99, flip=True), WrongBytes),
            (
                Fault("GET .*/manifests/1", times=99, status=302, headers={"Location": "/v2/team/app/manifests/1"}),
                RegistryRefused,
            ),
            (
                Fault("GET .*/manifests/1", times=99, status=302, headers={"Location": "file:///etc/passwd"}),
                RegistryRefused,
            ),
        ],
        ids=lambda value: f"{value.status or ''}{value.when[4:]}" if isinstance(value, Fault) else value.__name__,
    )
    def test_that_goes_wrong_says_so_and_leaves_the_store_as_it_was(
        self,
        pushed: Descriptor,
        other: Layout,
        connect: Connect,
        fake: FakeRegistry,
        fault: Fault,
        error: type[EdgewiseError],
    ) -> None:
        older = images.image(other, "1", layers=[{"older": b"older"}])
        before = images.snapshot(other)
        fake.faults = [fault]
        with pytest.raises(error) as caught:
            copy(connect(), other, "1")
        assert caught.value.hint
        assert other.resolve("1").digest == older.digest
        after = images.snapshot(other)
        assert {path: after[path] for path in before} == before
        fake.faults = []
        assert copy(connect(), other, "1").document.digest == other.resolve("1").digest == pushed.digest

    def test_a_slow_registry_is_given_up(
        self, pushed: Descriptor, other: Layout, connect: Connect, fake: FakeRegistry
    ) -> None:
        import httpx

        from edgewise.store.oci.transport import Timing

        fake.faults = [Fault("GET .*/manifests/", times=99, hang_s=0.5)]
        impatient = Timing(sleep=lambda _: None, timeout=httpx.Timeout(0.05))
        with pytest.raises(RegistryUnreachable, match="timed out"):
            copy(connect(timing=impatient), other, "1")

    def test_waits_as_long_as_it_is_asked_to(
        self, pushed: Descriptor, other: Layout, connect: Connect, fake: FakeRegistry, waits: list[float]
    ) -> None:
        fake.faults = [Fault("GET .*/manifests/1", times=2, status=429, headers={"Retry-After": "7"})]
        copy(connect(), other, "1")
        assert waits == [7.0, 7.0]

    def test_a_tag_that_moves_meanwhile_does_not_mix_two_images(
        self, pushed: Descriptor, layout: Layout, other: Layout, connect: Connect
    ) -> None:
        newer = images.image(layout, "app:2", layers=[{"newer": BIG[:1000]}])
        registry = connect()
        copy(layout, connect(), layout.resolve("app:2").digest)

        class Moves(Registry):
            """After the name was looked up, somebody else moves it."""

            def resolve(self, name: str) -> Descriptor:
                found = super().resolve(name)
                registry.tag("1", newer)
                return found

        moves = connect()
        moves.__class__ = Moves
        assert copy(moves, other, "1").document.digest == pushed.digest
        assert {one.digest for one in document(other, other.resolve("1")).needs} <= images.all_digests(other)
        assert copy(connect(), other, "1").document.digest == newer.digest

    def test_a_tag_that_moved_from_an_image_that_is_gone_is_said(
        self, pushed: Descriptor, layout: Layout, other: Layout, connect: Connect, fake: FakeRegistry
    ) -> None:
        images.image(layout, "app:2", layers=[{"newer": BIG[:1000]}])
        layer = document(layout, pushed).needs[1]

        class Gone(Registry):
            def fetch(self, blob: Descriptor, *, start: int = 0) -> Iterator[bytes]:
                if blob.digest == layer.digest and fake.blobs.pop(("team/app", layer.digest), None):
                    copy(layout, connect(), "app:2", to="1")
                return super().fetch(blob, start=start)

        gone = connect()
        gone.__class__ = Gone
        with pytest.raises(NotFound, match="was moved in"):
            copy(gone, other, "1")
        assert other.references() == {}


class TestPush:
    def test_in_chunks(
        self, layout: Layout, connect: Connect, fake: FakeRegistry, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(upload, "CHUNK_BYTES", 100_000)
        made = images.image(layout, "app", layers=[{"big": BIG}])
        heard = Heard()
        copy(layout, connect(), "app", to="1", transfers=heard)
        sizes = [int(one.headers["Content-Length"]) for one in fake.asked if one.line.startswith("PATCH")]
        assert sizes[:-1] == [100_000] * 7
        assert heard.bytes == heard.sizes
        assert connect().resolve("1").digest == made.digest

    @pytest.mark.parametrize(
        "faults",
        [
            [Fault("PATCH", times=2, drop=True)],
            [Fault("PATCH", swallow=30_000), Fault("PATCH", swallow=1)],
            [Fault("PATCH", status=500)],
            [Fault("PATCH", status=404)],
            [Fault("PATCH", status=429, headers={"Retry-After": "1"})],
            [Fault("POST", times=2, status=503)],
            [Fault("PUT .*uploads", drop=True)],
            [Fault("PUT .*uploads", status=404)],
            [Fault("PUT .*manifests", times=2, status=502)],
            [Fault("GET .*uploads", drop=True), Fault("PATCH", drop=True)],
        ],
    )
    def test_goes_on_after_what_passes(
        self, layout: Layout, connect: Connect, fake: FakeRegistry, monkeypatch: pytest.MonkeyPatch, faults: list[Fault]
    ) -> None:
        monkeypatch.setattr(upload, "CHUNK_BYTES", 100_000)
        made = images.image(layout, "app", layers=[{"big": BIG}])
        fake.faults = faults
        heard = Heard()
        copy(layout, connect(), "app", to="1", transfers=heard)
        assert all(fault.times == 0 for fault in faults)
        assert connect().resolve("1").digest == made.digest
        for blob in document(layout, made).needs:
            assert fake.blobs["team/app", blob.digest] == b"".join(layout.fetch(blob))
        assert heard.bytes == heard.sizes

    @pytest.mark.parametrize(
        ("fault", "error"),
        [
            (Fault("PATCH|PUT", times=99, status=500), RegistryUnreachable),
            (Fault("POST", times=99, status=403), NotAllowed),
            (Fault("POST", times=99, status=401), NotAllowed),
            (Fault("PUT .*manifests", times=99, status=400), RegistryRefused),
            (Fault("PUT .*uploads", times=99, status=413), RegistryRefused),
            (Fault("POST", times=99, drop=True), RegistryUnreachable),
        ],
        ids=lambda value: value.when if isinstance(value, Fault) else value.__name__,
    )
    def test_that_goes_wrong_leaves_the_name_alone(
        self,
        pushed: Descriptor,
        layout: Layout,
        connect: Connect,
        fake: FakeRegistry,
        fault: Fault,
        error: type[EdgewiseError],
    ) -> None:
        images.image(layout, "app:2", layers=[{"newer": BIG[:1000]}])
        fake.faults = [fault]
        with pytest.raises(error):
            copy(layout, connect(), "app:2", to="1")
        fake.faults = []
        assert connect().resolve("1").digest == pushed.digest

    def test_of_a_damaged_blob_leaves_nothing_there(self, layout: Layout, connect: Connect, fake: FakeRegistry) -> None:
        made = images.image(layout, "app", layers=[{"big": BIG}])
        layer = document(layout, made).needs[1]
        path = layout.blobs.path(layer.digest)
        path.chmod(0o644)
        path.write_bytes(path.read_bytes()[:-1] + b"x")
        with pytest.raises(StoreCorrupt, match="is damaged"):
            copy(layout, connect(), "app", to="1")
        assert ("team/app", layer.digest) not in fake.blobs
        assert fake.documents == {}

    def test_mounts_what_another_repository_has(
        self, pushed: Descriptor, layout: Layout, connect: Connect, fake: FakeRegistry
    ) -> None:
        heard = Heard()
        fake.asked.clear()
        copy(layout, connect("other/app", mount_from=["not/there", "team/app"]), "app:1", to="1", transfers=heard)
        assert set(heard.how.values()) == {How.MOUNTED}
        assert fake.lines("^PATCH|^PUT .*uploads") == []
        assert connect("other/app").resolve("1").digest == pushed.digest

    def test_sends_what_cannot_be_mounted(
        self, pushed: Descriptor, layout: Layout, other: Layout, connect: Connect, fake: FakeRegistry
    ) -> None:
        fake.mounts = False
        copy(layout, connect("other/app", mount_from=["team/app"]), "app:1", to="1")
        copy(connect("other/app"), other, "1")
        assert images.all_digests(other) == images.all_digests(layout)

    def test_between_repositories(self, pushed: Descriptor, connect: Connect) -> None:
        copy(connect(), connect("other/app"), "1")
        assert connect("other/app").resolve("1").digest == pushed.digest


@pytest.mark.parametrize("referrers_api", [True, False])
def test_signatures_travel_with_and_without_the_referrers_api(
    layout: Layout, other: Layout, connect: Connect, fake: FakeRegistry, referrers_api: bool
) -> None:
    fake.referrers_api = referrers_api
    made = images.image(layout, "app:1")
    signed = [images.signature(layout, made, bytes([number])) for number in range(3)]
    assert copy(layout, connect(), "app:1", to="1").referrers == 3
    assert {one.digest for one in connect().referrers(made.digest)} == {one.digest for one in signed}
    tag = ("team/app", made.digest.replace(":", "-"))
    assert (tag in fake.documents) is not referrers_api
    copy(connect(), other, "1")
    assert {one.digest for one in other.referrers(made.digest)} == {one.digest for one in signed}
    found = document(other, other.referrers(made.digest)[0])
    assert isinstance(found, Manifest)
    assert found.artifact_type == "application/vnd.example.signature"
