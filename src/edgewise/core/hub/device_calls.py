"""What devices call: enrol, report, bring the input of a case. No user's token: a signature or a digest decides."""

from collections import Counter

from edgewise.core.hub import enrolment, inputs, intake
from edgewise.core.hub.call import Asked, Call, Hub, Raw, text
from edgewise.core.hub.metrics import METRICS
from edgewise.exchange import enrolment as documents
from edgewise.exchange import receipt, signing
from edgewise.exchange.fields import API_VERSION

DIGEST = text("digest", "sha256: and 64 hexadecimal digits.", inside="path", pattern="^sha256:[0-9a-f]{64}$")
_BASE64 = "^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$"
_MESSAGE = {
    "type": "object",
    "required": ["device", "payload", "signature"],
    "properties": {
        "device": {"type": "string", "pattern": "^[0-9a-f]{32}$"},
        "payload": {"type": "string", "pattern": _BASE64, "maxLength": 2 << 20},
        "signature": {"type": "string", "pattern": _BASE64, "maxLength": 128},
    },
}
BATCH = {
    "type": "object",
    "required": ["apiVersion", "kind"],
    "properties": {
        "apiVersion": {"const": API_VERSION},
        "kind": {"const": signing.BATCH},
        "messages": {"type": "array", "maxItems": signing.MAX_MESSAGES, "items": _MESSAGE},
    },
}


def enrol(hub: Hub, asked: Asked) -> Raw:
    """Make a device known."""
    enrolled = documents.read(asked.body)
    with hub.database.writing() as connection:
        done = enrolment.enrol(connection, enrolled, now_s=hub.now_s())
    return Raw(content=documents.answer(done), media_type="application/json")


def take(hub: Hub, asked: Asked) -> Raw:
    """Take a batch of reports and cases."""
    done = intake.take(hub.database, signing.read_batch(asked.body), now_s=hub.now_s())
    for taken, number in Counter(one.taken.value for one in done.outcomes).items():
        METRICS.count("edgewise_hub_messages_total", by=number, taken=taken)
    return Raw(content=receipt.written(done), media_type="application/json")


def bring(hub: Hub, asked: Asked) -> None:
    """Keep the input of a case."""
    with hub.database.writing() as connection:
        inputs.keep(connection, asked.values["digest"], asked.body, now_s=hub.now_s())


CALLS = (
    Call(
        method="POST",
        path="/api/v1/enrol",
        summary="Enrol a device: a batch of one signed Enrolment; answers Enrolled.",
        run=enrol,
        answer=bytes,
        role=None,
        body=bytes,
        schema=BATCH,
        limit_bytes=documents.LIMIT_BYTES,
        refusals=(401,),
    ),
    Call(
        method="POST",
        path="/api/v1/messages",
        summary="Take a batch of signed reports and cases; answers a Receipt.",
        run=take,
        answer=bytes,
        role=None,
        body=bytes,
        schema=BATCH,
        limit_bytes=signing.BATCH_LIMIT_BYTES,
    ),
    Call(
        method="PUT",
        path="/api/v1/inputs/{digest}",
        summary="Bring the input of a case that the hub has.",
        run=bring,
        role=None,
        parameters=(DIGEST,),
        body=bytes,
        takes="application/octet-stream",
        limit_bytes=inputs.LIMIT_BYTES,
        refusals=(404,),
        status=204,
    ),
)
