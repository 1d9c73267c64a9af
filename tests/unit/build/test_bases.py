"""Bases: Debian packages as layers, images of others, and this machine's Python."""

import json
import platform as this
import shlex
from pathlib import Path
from typing import Any

import pytest

from edgewise.build import tools
from edgewise.build.base import Base
from edgewise.build.bases import deb, debian, given, host
from edgewise.build.bases.debian_choice import ASKED, KEPT, LEFT_OUT
from edgewise.build.layer import Kind, file, layer
from edgewise.build.pack import Packed, pack
from edgewise.build.platforms import AMD64, ARM64, PLATFORMS
from edgewise.build.wheels.needed import Filter
from edgewise.errors import BadImage, BadManifest, StoreCorrupt
from edgewise.store.oci.documents import CONFIG, INDEX, MANIFEST, Descriptor, canonical, descriptor_of
from edgewise.store.steps import Store
from fakes import packages


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


# --- Debian ---------------------------------------------------------------------------------------


def test_a_package_with_usr_merged_and_no_set_user_id() -> None:
    content = packages.deb(
        "libx", "1.0", {"lib/x86_64-linux-gnu/libx.so.1": b"x", "etc/x": b"y"}, links={"lib64/l": "/lib/x"}
    )
    package = deb.read(content, name="libx.deb")
    assert package.name == "libx"
    found = {entry.path: entry for entry in package.entries}
    assert set(found) == {"usr/lib/x86_64-linux-gnu/libx.so.1", "etc/x", "usr/lib64/l"}
    assert found["etc/x"].mode == 0o755
    assert found["usr/lib64/l"].target == "/lib/x"
    assert deb.md5sums(package.entries).decode().splitlines()[0].endswith("  usr/lib/x86_64-linux-gnu/libx.so.1")


@pytest.mark.parametrize("content", [b"", b"!<arch>\n", b"PK\x03\x04", packages.deb("x", "1", {})[:200]])
def test_what_is_no_package_is_refused(content: bytes) -> None:
    with pytest.raises(BadImage, match=r"x\.deb is not a Debian package"):
        deb.read(content, name="x.deb")


def test_a_package_that_climbs_out_is_refused(store: Store) -> None:
    digest = store.blobs.put(packages.deb("x", "1", {"../../etc/passwd": b""}))
    bad = debian.Deb(name="x", version="1", filename="x.deb", digest=digest)
    with pytest.raises(BadImage, match="climbs out"):
        debian.lay_out([bad], store)


def test_the_layer_has_a_user_a_status_and_no_shell(store: Store) -> None:
    files = {"usr/bin/python3.11": b"#", "usr/share/doc/x/copyright": b"free", "usr/share/doc/x/NEWS.gz": b"news"}
    digest = store.blobs.put(packages.deb("x", "1", files))
    made = debian.lay_out([debian.Deb(name="x", version="1", filename="x.deb", digest=digest)], store, mtime=7)
    found = {entry.path: entry for entry in made.entries}
    assert made.mtime == 7
    assert "usr/share/doc/x/copyright" in found
    assert "usr/share/doc/x/NEWS.gz" not in found
    assert b"nonroot:x:65532:65532" in b"".join(found["etc/passwd"].content.chunks())
    assert b"Package: x\n" in b"".join(found["var/lib/dpkg/status.d/x"].content.chunks())
    assert found["tmp"].mode == 0o1777
    assert (found["bin"].kind, found["bin"].target) == (Kind.SYMLINK, "usr/bin")
    assert found["usr/bin/python3"].target == "python3.11"
    assert not {"usr/bin/sh", "usr/bin/bash", "usr/bin/dash"} & set(found)


def test_mmdebstrap_is_asked_once_and_runs_no_scripts(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[list[str]] = []

    def mmdebstrap(argv: list[str], **_: object) -> str:
        asked.append(argv)
        (hook,) = (one for one in argv if one.startswith("--extract-hook="))
        for name in KEPT:
            (Path(shlex.split(hook)[-1]) / f"{name}_1%3a2.0_arm64.deb").write_bytes(packages.deb(name, "1:2.0", {}))
        return ""

    monkeypatch.setattr(tools, "run", mmdebstrap)
    debs = debian.resolve(ARM64, store)
    assert debian.resolve(ARM64, store) == debs
    assert len(asked) == 1
    assert "--variant=extract" in asked[0]
    assert "--architectures=arm64" in asked[0]
    assert {one.version for one in debs} == {"1:2.0"}
    assert tuple(one.name for one in debs) == KEPT


def test_a_package_that_does_not_come_is_named(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tools, "run", lambda *_, **__: "")
    with pytest.raises(BadImage, match=r"linux/amd64 came without .*libc6"):
        debian.resolve(AMD64, store)


def test_what_is_asked_for_is_kept_and_patterns_leave_the_essentials_in() -> None:
    assert set(ASKED) <= set(KEPT)
    out = Filter(LEFT_OUT)
    for path in ("usr/bin/python3.11", "usr/lib/x86_64-linux-gnu/libc.so.6", "usr/lib/os-release", "etc/os-release"):
        assert not out.leaves_out(path), path


# --- An image by digest ---------------------------------------------------------------------------


def image(store: Store, *, architecture: str = "amd64", **changes: Any) -> Descriptor:
    """A one-layer image of somebody else's, in Docker's or OCI's words."""
    packed = pack(layer([file("etc/x", architecture.encode())]), store)
    run = {"Env": ["PYTHON_VERSION=3.11.9", "PATH=/opt/bin"], "Labels": {"who": "them"}, "Volumes": {"/data": {}}}
    config = {
        "architecture": architecture,
        "os": "linux",
        "config": run,
        "rootfs": {"type": "layers", "diff_ids": [packed.diff_id]},
        "author": "them",
        **changes,
    }
    kept = descriptor_of(canonical(config), CONFIG)
    store.blobs.put(canonical(config))
    layers = [{"mediaType": packed.media_type, "digest": packed.digest, "size": packed.size_bytes}]
    document = {"schemaVersion": 2, "mediaType": MANIFEST, "config": kept.document(), "layers": layers}
    store.blobs.put(canonical(document))
    return descriptor_of(canonical(document), MANIFEST)


def index(store: Store, **images: Descriptor) -> str:
    entries = [
        {**one.document(), "platform": {"os": "linux", "architecture": name}} for name, one in sorted(images.items())
    ]
    return store.blobs.put(canonical({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}))


def test_config_and_labels_are_kept_and_the_python_is_found(store: Store) -> None:
    digest = image(store).digest
    found = given.base(digest, AMD64, store.blobs, name="registry.example/python:3.11")
    assert (found.python, found.glibc, found.digest) == ((3, 11), given.OLDEST_GLIBC, digest)
    assert found.config["author"] == "them"
    assert found.config["config"]["Labels"] == {"who": "them"}
    assert len(found.layers) == 1


def test_the_right_one_of_an_index(store: Store) -> None:
    amd64, arm64 = image(store), image(store, architecture="arm64")
    digest = index(store, amd64=amd64, arm64=arm64)
    assert given.base(digest, ARM64, store.blobs).digest == arm64.digest
    assert given.base(digest, AMD64, store.blobs).digest == amd64.digest


def test_an_architecture_that_the_base_lacks(store: Store) -> None:
    only = image(store)
    digest = index(store, amd64=only)
    with pytest.raises(BadImage, match="example has no linux/arm64: it has linux/amd64"):
        given.base(digest, ARM64, store.blobs, name="example")
    with pytest.raises(BadImage, match="is for linux/amd64, not for linux/arm64"):
        given.base(only.digest, ARM64, store.blobs)


def test_a_base_that_says_nothing_of_its_python(store: Store) -> None:
    silent = image(store, config=None).digest
    with pytest.raises(BadImage, match="which Python"):
        given.base(silent, AMD64, store.blobs)
    assert given.base(silent, AMD64, store.blobs, python=(3, 12), glibc=34).target.abi == "cp312"


def test_a_base_that_contradicts_itself(store: Store) -> None:
    two = {"type": "layers", "diff_ids": ["sha256:" + "0" * 64] * 2}
    with pytest.raises(BadImage, match="1 layers and names 2"):
        given.base(image(store, rootfs=two).digest, AMD64, store.blobs)


@pytest.mark.parametrize("content", [b"", b"[]", b'{"schemaVersion":2}', b'{"manifests":[1]}', b"\xff", b"{" * 100_000])
def test_what_is_no_image_is_refused(store: Store, content: bytes) -> None:
    with pytest.raises(BadManifest):
        given.base(store.blobs.put(content), AMD64, store.blobs)


def test_a_missing_blob_and_a_large_one(store: Store) -> None:
    with pytest.raises(StoreCorrupt, match="missing"):
        given.base("sha256:" + "0" * 64, AMD64, store.blobs)
    with pytest.raises(BadImage, match="too large"):
        given.base(store.blobs.put(b" " * (5 << 20)), AMD64, store.blobs)


def test_docker_s_layers_have_oci_s_bytes_and_others_are_refused(store: Store) -> None:
    docker = Descriptor(
        media_type="application/vnd.docker.image.rootfs.diff.tar.gzip", digest="sha256:" + "1" * 64, size_bytes=1
    )
    assert given._packed(docker, "sha256:" + "2" * 64).media_type == "application/vnd.oci.image.layer.v1.tar+gzip"
    foreign = Descriptor(
        media_type="application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", digest=docker.digest, size_bytes=1
    )
    with pytest.raises(BadImage, match="foreign"):
        given._packed(foreign, docker.digest)


def test_labels_of_our_bases_say_what_wheels_must_fit() -> None:
    packed = Packed(diff_id="", digest="", size_bytes=0, tar_bytes=0, media_type="")
    base = Base(platform=ARM64, layers=(packed,), python=(3, 11), glibc=36, kind="debian")
    assert base.labels == {"io.edgewise.base": "debian", "io.edgewise.python": "3.11", "io.edgewise.glibc": "2.36"}
    assert given._python(base.labels, (), "x") == base.python
    assert given._glibc(base.labels) == base.glibc


# --- This machine ---------------------------------------------------------------------------------


@pytest.mark.skipif(this.libc_ver()[0] != "glibc", reason="host bases need glibc")
def test_this_machine_s_python_brings_all_that_it_needs(store: Store) -> None:
    made = host.base(store)
    assert made.kind == "host"
    assert made.platform in PLATFORMS.values()
    assert made.layers[0].tar_bytes > 20_000_000


def test_a_machine_that_images_are_not_made_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(this, "machine", lambda: "s390x")
    with pytest.raises(BadImage, match="s390x"):
        host.this_platform()


def test_config_survives_as_json(store: Store) -> None:
    assert json.loads(json.dumps(given.base(image(store).digest, AMD64, store.blobs).config))["os"] == "linux"
