"""What is attested of an image: its bill of materials, its provenance, and signatures that hold or do not."""

import base64
import json
import re
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from spdx_tools.spdx.parser.parse_anything import parse_file
from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document

from edgewise.build import provenance, sbom, sign
from edgewise.build.attach import attach
from edgewise.build.platforms import AMD64
from edgewise.build.sbom import Component, Origin
from edgewise.build.wheels.resolve import Wheel
from edgewise.errors import BadImage, NotFound
from edgewise.store.oci.documents import MANIFEST, Descriptor, canonical, read
from edgewise.store.steps import Store
from fakes import packages

IMAGE = Descriptor(media_type=MANIFEST, digest="sha256:" + "ab" * 32, size_bytes=500)
PARTS = (
    Component(origin=Origin.WHEEL, name="numpy", version="2.4.6", digest="sha256:" + "1" * 64, licence="BSD-3-Clause"),
    Component(origin=Origin.DEBIAN, name="libstdc++6", version="12.2.0-14+deb12u1", digest="sha256:" + "2" * 64),
)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture(scope="module")
def key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def test_spdx_s_own_library_finds_nothing_to_complain_of(tmp_path: Path) -> None:
    path = tmp_path / "sbom.spdx.json"
    path.write_bytes(canonical(sbom.document(IMAGE, "Meter Reader", AMD64, PARTS, created=0)))
    document = parse_file(str(path))
    assert [message.validation_message for message in validate_full_spdx_document(document)] == []
    assert {package.name for package in document.packages} == {"Meter Reader", "numpy", "libstdc++6"}


def test_purls_say_where_a_component_is_from() -> None:
    assert [one.purl(AMD64) for one in PARTS] == [
        "pkg:pypi/numpy@2.4.6",
        "pkg:deb/debian/libstdc%2B%2B6@12.2.0-14%2Bdeb12u1?arch=amd64&distro=debian-12",
    ]


def test_order_of_the_parts_does_not_matter() -> None:
    documents = {canonical(sbom.document(IMAGE, "x", AMD64, parts, created=0)) for parts in (PARTS, PARTS[::-1])}
    assert len(documents) == 1


def test_licence_and_author_come_from_the_wheel(store: Store, tmp_path: Path) -> None:
    path = packages.wheel(tmp_path, "pkg", "1.0", {"pkg.py": b""})
    wheel = Wheel(name="pkg", version="1.0", filename=path.name, digest=store.blobs.put_file(path))
    found = sbom.of_wheel(wheel, store)
    assert (found.licence, found.supplier, found.digest) == ("MIT", "Ada", wheel.digest)


def test_provenance_names_every_input_and_no_machine() -> None:
    found = provenance.statement(
        IMAGE,
        "x",
        AMD64,
        PARTS,
        parameters={"runtime": "onnxruntime"},
        created=5,
        others={"model": "sha256:" + "3" * 64},
    )
    assert found["_type"] == "https://in-toto.io/Statement/v1"
    assert found["predicateType"] == "https://slsa.dev/provenance/v1"
    assert found["subject"] == [{"name": "x", "digest": {"sha256": "ab" * 32}}]
    definition = found["predicate"]["buildDefinition"]
    assert [one["uri"] for one in definition["resolvedDependencies"]] == sorted(
        [*(part.purl(AMD64) for part in PARTS), "model"]
    )
    assert definition["internalParameters"] == {"SOURCE_DATE_EPOCH": 5}
    assert {"libzstd", "deflate", "edgewise"} == set(found["predicate"]["runDetails"]["builder"]["version"])
    assert not re.search(r"/home|/root|/tmp", json.dumps(found))


def test_an_attached_artifact_names_its_subject_and_its_type(store: Store) -> None:
    made = attach(IMAGE, b"{}", sbom.MEDIA_TYPE, store.blobs, annotations={"a": "b"})
    found = read(store.blobs.get(made.digest), made.media_type)
    assert found.subject == IMAGE
    assert found.artifact_type == made.artifact_type == "application/spdx+json"
    assert found.annotations == {"a": "b"}


def test_a_signature_holds_for_its_image_and_key_alone(store: Store, key: ec.EllipticCurvePrivateKey) -> None:
    made = sign.sign(IMAGE, "registry.example/meter", key, store.blobs)
    assert made.tag == f"sha256-{'ab' * 32}.sig"
    assert sign.verify(made.manifest.digest, IMAGE.digest, key.public_key(), store.blobs) == "registry.example/meter"
    other = ec.generate_private_key(ec.SECP256R1())
    with pytest.raises(BadImage, match="not signed by this key"):
        sign.verify(made.manifest.digest, IMAGE.digest, other.public_key(), store.blobs)
    with pytest.raises(BadImage, match=r"is of sha256:abab.*, not of sha256:cd"):
        sign.verify(made.manifest.digest, "sha256:" + "cd" * 32, key.public_key(), store.blobs)


def test_signing_again_gives_the_same_bytes(store: Store, key: ec.EllipticCurvePrivateKey) -> None:
    made = {sign.sign(IMAGE, "registry.example/meter", key, store.blobs).manifest.digest for _ in range(3)}
    assert len(made) == 1


@pytest.mark.parametrize("change", ["payload", "signature", "empty", "two"])
def test_a_signature_that_was_changed(store: Store, key: ec.EllipticCurvePrivateKey, change: str) -> None:
    made = sign.sign(IMAGE, "registry.example/meter", key, store.blobs)
    document = json.loads(store.blobs.get(made.manifest.digest))
    (layer,) = document["layers"]
    match change:
        case "payload":
            layer["digest"] = store.blobs.put(sign.payload(IMAGE.digest, "registry.example/other"))
        case "signature":
            layer["annotations"][sign.SIGNATURE] = base64.b64encode(b"x" * 70).decode()
        case "empty":
            document["layers"] = []
        case "two":
            document["layers"] *= 2
    with pytest.raises(BadImage):
        sign.verify(store.blobs.put(canonical(document)), IMAGE.digest, key.public_key(), store.blobs)


def test_an_envelope_opens_with_its_key_alone(key: ec.EllipticCurvePrivateKey) -> None:
    statement = {"_type": "x", "n": 1}
    content = sign.envelope(statement, provenance.MEDIA_TYPE, key)
    assert sign.opened(content, key.public_key()) == statement
    with pytest.raises(BadImage, match="not signed by this key"):
        sign.opened(content, ec.generate_private_key(ec.SECP256R1()).public_key())
    changed = json.loads(content) | {"payload": base64.b64encode(b'{"n":2}').decode()}
    with pytest.raises(BadImage):
        sign.opened(canonical(changed), key.public_key())
    with pytest.raises(BadImage, match="no signed statement"):
        sign.opened(b"[]", key.public_key())


@pytest.mark.parametrize("password", [None, b"secret"])
def test_a_key_is_made_once_for_its_owner_alone(tmp_path: Path, password: bytes | None) -> None:
    private, public = sign.make_key(tmp_path / "keys", password=password)
    assert private.stat().st_mode & 0o777 == 0o600
    made = sign.read_key(private, password=password)
    assert sign.read_public_key(public).public_numbers() == made.public_key().public_numbers()
    with pytest.raises(BadImage, match="already"):
        sign.make_key(tmp_path / "keys")
    if password:
        with pytest.raises(BadImage, match="no private key"):
            sign.read_key(private, password=b"wrong")


def test_other_keys_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "key"
    with pytest.raises(NotFound):
        sign.read_key(path)
    for made in (ec.generate_private_key(ec.SECP384R1()), rsa.generate_private_key(65537, 2048)):
        path.write_bytes(
            made.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        with pytest.raises(BadImage, match="no ECDSA P-256"):
            sign.read_key(path)
    path.write_text("nothing")
    with pytest.raises(BadImage, match="no public key"):
        sign.read_public_key(path)
