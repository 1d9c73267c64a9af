"""How a device becomes known: it shows a token that is good once, and signs with the key that it will report with.

The request is a batch (`signing.batch`) of one message, whose payload is the document below. So who stole a token
needs a key of his own, who saw a key's id needs the key, and a lost answer is asked for again: the same device with the
same token is told the same.
"""

import base64
import binascii
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edgewise.errors import BadMessage
from edgewise.exchange import fields, signing
from edgewise.exchange.signing import Signed

KIND, ANSWER_KIND = "Enrolment", "Enrolled"
LIMIT_BYTES = 64 << 10
MAX_LABELS = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolment:
    """What a device asks.

    Attributes:
        public_key: 32 bytes of its Ed25519 key.
    """

    token: str
    public_key: bytes
    agent_version: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolled:
    """What the hub answers.

    Attributes:
        device: the device's id.
        labels: that the token gave it: "ring" says whose turn it is.
        time_s: of the hub's clock.
        sequence: of the newest report that the hub has of this device; -1 before the first.
    """

    device: str
    site: str
    labels: dict[str, str] = field(default_factory=dict)
    time_s: int = 0
    sequence: int = -1


def written(enrolment: Enrolment, key: Ed25519PrivateKey) -> bytes:
    """The request's body, signed by `key`, whose public half is in `enrolment`."""
    payload = fields.written(
        KIND,
        {
            "token": enrolment.token,
            "public_key": base64.b64encode(enrolment.public_key).decode(),
            "agent_version": enrolment.agent_version,
        },
    )
    return signing.batch([signing.sign(payload, key)])


def read(content: bytes) -> Enrolment:
    """The enrolment in a request's body, signed by the key that it names.

    Raises:
        BadMessage: it is none, or another key has signed it.
    """
    if len(content) > LIMIT_BYTES:
        raise BadMessage(f"an {KIND} of {len(content)} bytes is longer than {LIMIT_BYTES}")
    messages = signing.read_batch(content)
    if len(messages) != 1:
        raise BadMessage(f"an {KIND} is one message, not {len(messages)}")
    enrolment = _read(messages[0])
    signing.verified(messages[0], enrolment.public_key)
    return enrolment


def answer(enrolled: Enrolled) -> bytes:
    """The answer's body."""
    return fields.written(
        ANSWER_KIND,
        {
            "device": enrolled.device,
            "site": enrolled.site,
            "labels": enrolled.labels,
            "time_s": enrolled.time_s,
            "next_sequence": enrolled.sequence + 1,
        },
    )


def read_answer(content: bytes) -> Enrolled:
    """What the hub has answered.

    Raises:
        BadMessage: it is no such answer.
    """
    found = fields.parsed(content, ANSWER_KIND, limit_bytes=LIMIT_BYTES)
    return Enrolled(
        device=found.identifier("device"),
        site=found.name("site"),
        labels=found.mapping("labels", most=MAX_LABELS),
        time_s=found.count("time_s"),
        sequence=found.count("next_sequence") - 1,
    )


def _read(signed: Signed) -> Enrolment:
    found = fields.parsed(signed.payload, KIND, limit_bytes=LIMIT_BYTES)
    try:
        key = base64.b64decode(found.text("public_key", most=64), validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadMessage(f"{KIND}.public_key is no base64") from error
    if len(key) != 32:
        raise BadMessage(f"{KIND}.public_key has {len(key)} bytes, not 32")
    return Enrolment(
        token=found.text("token", most=128),
        public_key=key,
        agent_version=found.text("agent_version", most=64, default=""),
    )
