"""Manifests, indexes and configs: what goes out is what the specification says, what comes in is looked at first."""

import base64
import json
from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgewise.errors import BadManifest
from edgewise.store.oci import documents
from edgewise.store.oci.documents import INDEX, MANIFEST, Descriptor, ImageConfig, Index, Manifest, Platform

TEXT = st.text(st.characters(codec="utf-8"), max_size=12)
PLATFORMS = st.builds(
    Platform,
    architecture=st.sampled_from(["amd64", "arm64"]),
    os=st.just("linux"),
    variant=st.sampled_from(["", "v8"]),
    os_version=TEXT,
    os_features=st.lists(TEXT, max_size=2).map(tuple),
)
DIGESTS = st.binary(min_size=32, max_size=32).map(lambda raw: f"sha256:{raw.hex()}")
DESCRIPTORS = st.builds(
    Descriptor,
    media_type=st.sampled_from([MANIFEST, INDEX, "application/vnd.oci.image.layer.v1.tar+zstd"]),
    digest=DIGESTS,
    size_bytes=st.integers(0, 1 << 62),
    annotations=st.dictionaries(TEXT, TEXT, max_size=2),
    platform=st.none() | PLATFORMS,
    artifact_type=st.sampled_from(["", "application/vnd.example"]),
    urls=st.lists(TEXT, max_size=2).map(tuple),
)
COMMON = {
    "artifact_type": st.sampled_from(["", "application/vnd.example"]),
    "subject": st.none() | DESCRIPTORS,
    "annotations": st.dictionaries(TEXT, TEXT, max_size=2),
}
MANIFESTS = st.builds(Manifest, config=DESCRIPTORS, layers=st.lists(DESCRIPTORS, max_size=3).map(tuple), **COMMON)
INDEXES = st.builds(Index, manifests=st.lists(DESCRIPTORS, max_size=3).map(tuple), **COMMON)
EMPTY = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"


@given(MANIFESTS | INDEXES)
def test_a_document_is_read_as_it_is_written(document: Manifest | Index) -> None:
    content = documents.canonical(document.document())
    assert documents.read(content, document.media_type) == document
    assert documents.canonical(json.loads(content)) == content


@given(PLATFORMS, st.lists(DIGESTS, max_size=3), st.dictionaries(TEXT, TEXT, max_size=2))
def test_a_config_is_read_as_it_is_written(platform: Platform, layers: list[str], settings: dict[str, str]) -> None:
    config = ImageConfig(platform=platform, diff_ids=tuple(layers), settings=settings, created="2026-01-01T00:00:00Z")
    assert documents.read_config(documents.canonical(config.document())) == config


@given(st.binary(max_size=200))
def test_any_bytes_are_a_document_or_a_bad_manifest(content: bytes) -> None:
    with pytest.raises(BadManifest):
        documents.read(content, MANIFEST)


def test_unknown_keys_are_passed_over() -> None:
    data = {"schemaVersion": 2, "manifests": [], "extension": {"of": "somebody"}}
    assert documents.read(json.dumps(data).encode(), INDEX) == Index(manifests=())


def descriptor(**changes: object) -> dict[str, object]:
    return {"mediaType": "application/vnd.oci.empty.v1+json", "digest": EMPTY, "size": 2} | changes


def manifest(**changes: object) -> dict[str, object]:
    return {"schemaVersion": 2, "config": descriptor(), "layers": []} | changes


def test_embedded_data_is_checked() -> None:
    good = documents.read(json.dumps(manifest(config=descriptor(data="e30="))).encode(), MANIFEST)
    assert isinstance(good, Manifest)
    assert good.config.data == b"{}"
    assert base64.b64decode(str(good.config.document()["data"])) == b"{}"


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (manifest(schemaVersion=1), "schemaVersion"),
        (manifest(layers=None), "layers"),
        (manifest(config=descriptor(size="2")), "config.size"),
        (manifest(config=descriptor(size=-1)), "config.size"),
        (manifest(config=descriptor(size=1 << 64)), "config.size"),
        (manifest(config=descriptor(size=2.0)), "config.size"),
        (manifest(config=descriptor(digest="sha256:../../../etc/passwd")), "config.digest"),
        (manifest(config=descriptor(digest="sha512:" + "0" * 128)), "config.digest"),
        (manifest(config=descriptor(mediaType="nothing")), "config.mediaType"),
        (manifest(config=descriptor(data="e30")), "no base64"),
        (manifest(config=descriptor(data="W10=")), "is something else"),
        (manifest(mediaType=INDEX), "calls itself"),
        (manifest(manifests=[]), "manifest and index at once"),
        ([], "no JSON object"),
    ],
)
def test_what_is_wrong_is_said(data: object, said: str) -> None:
    with pytest.raises(BadManifest, match=said):
        documents.read(json.dumps(data).encode(), MANIFEST)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b'{"schemaVersion":2,"schemaVersion":2}', "a key comes twice"),
        (b"[" * 100_000, "no JSON"),
        (b" " * (documents.MAX_BYTES + 1), "bytes"),
        (b'{"schemaVersion":NaN}', "manifest is bad"),
    ],
)
def test_json_that_is_no_honest_json_is_said(content: bytes, said: str) -> None:
    with pytest.raises(BadManifest, match=said):
        documents.read(content, MANIFEST)


def test_other_media_types_are_no_image() -> None:
    with pytest.raises(BadManifest, match="is no image"):
        documents.read(b"{}", "application/vnd.docker.distribution.manifest.v1+prettyjws")


def test_a_platform_answers_to_its_name_with_and_without_variant() -> None:
    platform = Platform(architecture="arm64", os="linux", variant="v8")
    asked: Mapping[str, bool] = {
        "linux/arm64": True,
        "linux/arm64/v8": True,
        "linux/amd64": False,
        "linux/arm64/v9": False,
    }
    assert {name: platform.answers(name) for name in asked} == asked
    assert replace(platform, variant="").answers("linux/arm64")
