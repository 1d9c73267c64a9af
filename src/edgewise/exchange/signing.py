"""Who said it: Ed25519 signatures (RFC 8032) of messages, and batches of signed messages.

A device makes its own key; its id is the first half of the SHA-256 of the public key. What is signed begins with what
it is for, so that no signature can be taken for one of another purpose.
"""

import base64
import binascii
import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from edgewise.errors import BadMessage
from edgewise.exchange import fields
from edgewise.exchange.fields import Fields
from edgewise.store import atomic

PURPOSE = b"edgewise/v1 message\n"
BATCH = "Batch"
BATCH_LIMIT_BYTES = 8 << 20
MAX_MESSAGES = 1000
OWNER_ONLY = 0o600


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """A message as it travels.

    Attributes:
        device: id of who signed.
        payload: the message's document, exactly these bytes.
        signature: 64 bytes.
    """

    device: str
    payload: bytes
    signature: bytes


def make_key() -> Ed25519PrivateKey:
    """A new key of a device."""
    return Ed25519PrivateKey.generate()


def keep_key(key: Ed25519PrivateKey, path: Path) -> None:
    """Write `key` where nobody but its owner reads it (PKCS #8, mode 0600)."""
    content = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    with atomic.replacing(path) as file:
        os.fchmod(file.fileno(), OWNER_ONLY)
        file.write(content)


def read_key(path: Path) -> Ed25519PrivateKey:
    """The key in `path`.

    Raises:
        BadMessage: there is none.
    """
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as error:
        raise BadMessage(f"{path} holds no key of a device", hint="edgewise agent enrol makes one") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise BadMessage(f"{path} holds a key of another kind", hint="edgewise agent enrol makes an Ed25519 key")
    return key


def public_bytes(key: Ed25519PrivateKey | Ed25519PublicKey) -> bytes:
    """The 32 bytes of the public key."""
    public = key.public_key() if isinstance(key, Ed25519PrivateKey) else key
    return public.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)


def device_id(public: bytes) -> str:
    """The id of the device with the public key `public`: 32 hexadecimal digits."""
    return hashlib.sha256(public).hexdigest()[:32]


def sign(payload: bytes, key: Ed25519PrivateKey) -> Signed:
    """`payload` with the signature of `key`."""
    return Signed(device=device_id(public_bytes(key)), payload=payload, signature=key.sign(PURPOSE + payload))


def verified(signed: Signed, public: bytes) -> bytes:
    """The payload, which the owner of `public` has signed.

    Raises:
        BadMessage: somebody else has, or it was changed.
    """
    if device_id(public) != signed.device:
        raise BadMessage(f"a message of device {signed.device} is signed by another")
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signed.signature, PURPOSE + signed.payload)
    except (InvalidSignature, ValueError) as error:
        raise BadMessage(f"a message of device {signed.device} has a wrong signature") from error
    return signed.payload


def batch(messages: Sequence[Signed]) -> bytes:
    """The document in which `messages` travel."""
    return fields.written(
        BATCH,
        {
            "messages": [
                {
                    "device": one.device,
                    "payload": base64.b64encode(one.payload).decode(),
                    "signature": base64.b64encode(one.signature).decode(),
                }
                for one in messages
            ]
        },
    )


def read_batch(content: bytes) -> tuple[Signed, ...]:
    """The messages of a batch, not yet verified.

    Raises:
        BadMessage: it is no batch.
    """
    found = fields.parsed(content, BATCH, limit_bytes=BATCH_LIMIT_BYTES)
    return tuple(_signed(one) for one in found.items("messages", most=MAX_MESSAGES))


def _signed(found: Fields) -> Signed:
    return Signed(
        device=found.identifier("device"),
        payload=_decoded(found.text("payload", most=2 << 20)),
        signature=_decoded(found.text("signature", most=128)),
    )


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadMessage("a message's payload or signature is no base64") from error
