"""Signatures that cosign, podman and skopeo verify: a simple-signing payload, signed by a local ECDSA P-256 key.

The signature is a manifest that is both what cosign looks for by tag (`sha256-<hex>.sig`) and a referrer with cosign's
artifact type. Signing is deterministic (RFC 6979): signing again gives the same bytes. Statements are signed inside a
DSSE envelope, as `cosign verify-attestation` expects them.
Formats: cosign's specs/SIGNATURE_SPEC.md, containers-signature(5), and DSSE's protocol.md (PAE).
"""

import base64
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from edgewise.build.attach import plain
from edgewise.build.keep import keep, keep_bytes
from edgewise.errors import BadImage, NotFound
from edgewise.store import atomic
from edgewise.store.blobs import Blobs
from edgewise.store.oci.documents import CONFIG, MANIFEST, Descriptor, Manifest, canonical

PAYLOAD_MEDIA_TYPE = "application/vnd.dev.cosign.simplesigning.v1+json"
ARTIFACT_TYPE = "application/vnd.dev.cosign.artifact.sig.v1+json"
ENVELOPE_MEDIA_TYPE = "application/vnd.dsse.envelope.v1+json"
SIGNATURE = "dev.cosignproject.cosign/signature"
TYPE = "cosign container image signature"
Key = ec.EllipticCurvePrivateKey
PublicKey = ec.EllipticCurvePublicKey
_HOW = ec.ECDSA(hashes.SHA256(), deterministic_signing=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """A signature in the store.

    Attributes:
        tag: where cosign looks for it, beside the image.
    """

    manifest: Descriptor
    tag: str


def make_key(folder: Path, *, password: bytes | None = None) -> tuple[Path, Path]:
    """Make a key pair in `folder`: `edgewise.key` (PKCS #8, mode 0600) and `edgewise.pub`; their paths.

    Raises:
        BadImage: there is a key already; none is ever overwritten.
    """
    private, public = folder / "edgewise.key", folder / "edgewise.pub"
    made = ec.generate_private_key(ec.SECP256R1())
    how = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    content = made.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, how)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(private, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(content)
    except FileExistsError:
        raise BadImage(f"there is a key at {private} already", hint="sign with it, or name another folder") from None
    except OSError as error:
        raise atomic.explain(error, private) from error
    atomic.write(public, _pem(made.public_key()))
    return private, public


def read_key(path: Path, *, password: bytes | None = None) -> ec.EllipticCurvePrivateKey:
    """The private key in the PEM file at `path`.

    Raises:
        NotFound: there is no such file.
        BadImage: it holds no ECDSA P-256 key, or the password does not open it.
    """
    try:
        found = serialization.load_pem_private_key(_bytes(path), password=password)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise BadImage(f"{path} is no private key that can be read: {error}", hint=_IMPORT) from error
    if not isinstance(found, ec.EllipticCurvePrivateKey) or not isinstance(found.curve, ec.SECP256R1):
        raise BadImage(f"{path} is no ECDSA P-256 key", hint=_IMPORT)
    return found


def read_public_key(path: Path) -> ec.EllipticCurvePublicKey:
    """The public key in the PEM file at `path`, as cosign and we write it.

    Raises:
        NotFound: there is no such file.
        BadImage: it holds no ECDSA P-256 public key.
    """
    try:
        found = serialization.load_pem_public_key(_bytes(path))
    except (ValueError, UnsupportedAlgorithm) as error:
        raise BadImage(f"{path} is no public key: {error}") from error
    if not isinstance(found, ec.EllipticCurvePublicKey) or not isinstance(found.curve, ec.SECP256R1):
        raise BadImage(f"{path} is no ECDSA P-256 public key")
    return found


def payload(digest: str, reference: str) -> bytes:
    """What is signed: that `reference` has the manifest `digest`."""
    return canonical(
        {
            "critical": {
                "identity": {"docker-reference": reference},
                "image": {"docker-manifest-digest": digest},
                "type": TYPE,
            },
            "optional": None,
        }
    )


def sign(image: Descriptor, reference: str, key: ec.EllipticCurvePrivateKey, blobs: Blobs) -> Signed:
    """Keep a signature of `image` under the name `reference` (host/repository, no tag)."""
    content = payload(image.digest, reference)
    signature = base64.b64encode(key.sign(content, _HOW)).decode()
    kept = keep_bytes(content, PAYLOAD_MEDIA_TYPE, blobs)
    config = {"architecture": "", "os": "", "config": {}, "rootfs": {"type": "layers", "diff_ids": [kept.digest]}}
    made = Manifest(
        config=keep(config, CONFIG, blobs),
        layers=(replace(kept, annotations={SIGNATURE: signature}),),
        artifact_type=ARTIFACT_TYPE,
        subject=plain(image),
    )
    manifest = keep(made.document(), MANIFEST, blobs, artifact_type=ARTIFACT_TYPE)
    return Signed(manifest=manifest, tag=f"{image.digest.replace(':', '-')}.sig")


def verify(manifest: str, image: str, key: ec.EllipticCurvePublicKey, blobs: Blobs) -> str:
    """Check that the signature `manifest` (a digest) is one of `image` (a digest) by `key`; the signed reference.

    Raises:
        BadImage: it is a signature of something else, by another key, or none.
    """
    try:
        found = json.loads(blobs.get(manifest))
        (layer,) = (one for one in found["layers"] if one["mediaType"] == PAYLOAD_MEDIA_TYPE)
        content, signature = blobs.get(layer["digest"]), layer["annotations"][SIGNATURE]
    except (ValueError, KeyError, TypeError) as error:
        raise BadImage(f"{manifest} is no signature: {error}") from error
    return verify_payload(content, signature, image, key)


def verify_payload(content: bytes, signature: str, image: str, key: ec.EllipticCurvePublicKey) -> str:
    """Check that `signature` (Base64) of `content` is one of `image` (a digest) by `key`; the signed reference.

    Raises:
        BadImage: as `verify`.
    """
    try:
        key.verify(base64.b64decode(signature, validate=True), content, _HOW)
        critical = json.loads(content)["critical"]
        if critical["type"] != TYPE or critical["image"]["docker-manifest-digest"] != image:
            raise BadImage(f"a signature is of {critical['image']['docker-manifest-digest']}, not of {image}")
        return str(critical["identity"]["docker-reference"])
    except InvalidSignature:
        raise BadImage(f"{image} is not signed by this key", hint="another key, or the image was changed") from None
    except (ValueError, KeyError, TypeError) as error:
        raise BadImage(f"this is no signature of {image}: {error}") from error


def envelope(statement: Mapping[str, Any], media_type: str, key: ec.EllipticCurvePrivateKey) -> bytes:
    """`statement` in a DSSE envelope, signed."""
    content = canonical(statement)
    signature = key.sign(_pae(media_type, content), _HOW)
    return canonical(
        {
            "payloadType": media_type,
            "payload": base64.b64encode(content).decode(),
            "signatures": [{"keyid": "", "sig": base64.b64encode(signature).decode()}],
        }
    )


def opened(content: bytes, key: ec.EllipticCurvePublicKey) -> Any:
    """The statement in the DSSE envelope `content`.

    Raises:
        BadImage: no signature on it is by `key`, or it is no envelope.
    """
    try:
        found = json.loads(content)
        inner = base64.b64decode(found["payload"], validate=True)
        signature = base64.b64decode(found["signatures"][0]["sig"], validate=True)
        key.verify(signature, _pae(found["payloadType"], inner), _HOW)
        return json.loads(inner)
    except InvalidSignature:
        raise BadImage("the statement is not signed by this key") from None
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise BadImage(f"this is no signed statement: {error}") from error


def _pae(media_type: str, content: bytes) -> bytes:
    """DSSE's pre-authentication encoding, version 1."""
    kind = media_type.encode()
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(content), content)


def _pem(key: ec.EllipticCurvePublicKey) -> bytes:
    return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise NotFound(f"{path} cannot be read: {error.strerror}", hint="check its name") from error


_IMPORT = "a PKCS #8 PEM file: openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out edgewise.key"
