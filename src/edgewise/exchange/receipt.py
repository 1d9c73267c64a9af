"""What the hub answers to a batch: of each message, in the batch's order, whether the sender may forget it.

Everything that is named in a receipt may be forgotten by the sender, what was refused too: it would be refused again.
Where there is no receipt, whatever the reason, nothing was taken, and all of it is sent again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from edgewise.errors import BadMessage
from edgewise.exchange import fields

KIND = "Receipt"
LIMIT_BYTES = 1 << 20


class Taken(StrEnum):
    """What became of a message."""

    ACCEPTED = "accepted"
    """It is kept, for good."""
    KNOWN = "known"
    """It was there before, or is older than what is kept."""
    REFUSED = "refused"
    """It is not kept, and never will be; `reason` says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one message.

    Attributes:
        id: of the message; "" where it could not be read.
        reason: one sentence, where it was refused.
    """

    id: str
    taken: Taken
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """The answer to a batch.

    Attributes:
        time_s: of the hub's clock: a device whose clock is wrong finds out.
        sequences: by device, of the newest report that the hub has: a device that lost count goes on above it.
    """

    outcomes: tuple[Outcome, ...]
    time_s: int
    sequences: Mapping[str, int]


def written(receipt: Receipt) -> bytes:
    """The document of `receipt`."""
    return fields.written(
        KIND,
        {
            "messages": [
                {"id": one.id, "taken": one.taken.value, **({"reason": one.reason} if one.reason else {})}
                for one in receipt.outcomes
            ],
            "time_s": receipt.time_s,
            "next_sequences": {device: sequence + 1 for device, sequence in receipt.sequences.items()},
        },
    )


def read(content: bytes, sent: Sequence[str]) -> Receipt:
    """The receipt for the messages with the ids `sent`, in that order.

    Raises:
        BadMessage: it is none, or one for other messages.
    """
    found = fields.parsed(content, KIND, limit_bytes=LIMIT_BYTES)
    outcomes = []
    for one, wanted in zip(found.items("messages", most=max(1, len(sent))), sent, strict=False):
        identifier, word = one.text("id", most=32), one.text("taken", most=16)
        if identifier not in (wanted, ""):
            raise BadMessage(f"a {KIND} speaks of {identifier} where {wanted} was sent")
        if word not in set(Taken):
            raise BadMessage(f"a {KIND} says {word!r}, which is no word of ours")
        outcomes.append(Outcome(id=wanted, taken=Taken(word), reason=one.text("reason", most=4096, default="")))
    if len(outcomes) < len(sent):
        raise BadMessage(f"a {KIND} speaks of {len(outcomes)} messages, not of {len(sent)}")
    following = found.counts("next_sequences", most=len(sent))
    return Receipt(
        outcomes=tuple(outcomes),
        time_s=found.count("time_s"),
        sequences={device: number - 1 for device, number in following.items()},
    )
