"""What a device says to the hub: reports of how it is, and cases that wait for a person. Signed one by one.

Messages are kept on the device until the hub has acknowledged them, and may arrive late, twice and in any order: `id`
says whether one was there before, and `sequence`, not a clock, which of two is newer. Whoever carries a batch, a
gateway or a USB stick, can drop messages, and can neither make nor change one.
"""

from dataclasses import asdict, dataclass, field
from enum import StrEnum

from edgewise.errors import BadMessage
from edgewise.exchange import fields
from edgewise.exchange.fields import Fields

LIMIT_BYTES = 1 << 20
"""Of one message."""
MAX_REJECTED = 64


class Status(StrEnum):
    """How a device is. One word at a time, with one meaning; the first that applies, in this order."""

    FAILED = "Failed"
    """It serves nothing: no release that it may run could be started."""
    ROLLED_BACK = "RolledBack"
    """It went back from the release that it should run, and serves the one before. Stays until it runs another."""
    DEGRADED = "Degraded"
    """It serves what it should, and something is outside of its limits: errors, latency, memory, restarts; or
    it refused the agent that came with it."""
    UPDATING = "Updating"
    """It serves, and a release is being fetched, staged, or watched before it is kept."""
    ONLINE = "Online"
    """It serves the release that it should, and all is within limits."""
    OFFLINE = "Offline"
    """Nothing was heard of it for longer than it should be silent. Said by the hub, never by a device."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What was counted since the report before. None where it was not.

    Attributes:
        requests, errors, escalated: inferences asked for, failed, and handed to a person.
        latency_p99_ms: of requests that were answered.
        memory_bytes: resident size of the server.
        restarts: of the server, that nobody asked for.
        updates, failed_updates: that came to an end.
    """

    requests: int = 0
    errors: int = 0
    escalated: int = 0
    latency_p99_ms: float | None = None
    memory_bytes: float | None = None
    restarts: int = 0
    updates: int = 0
    failed_updates: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """How a device is, in bootc's words for what it runs.

    Attributes:
        id: of the message: 32 hexadecimal digits that nobody else uses.
        device: its id, see `signing.device_id`.
        sequence: larger than that of every message before.
        time_s: seconds since 1970 by the device's clock, which may be wrong.
        reason: one sentence with the evidence, where the status needs one.
        booted, staged, rollback: digests of the releases that it serves, that it prepares, and that it can go back to.
        rejected: digests of releases that it refuses to try again.
        log: the last lines of what happened, for people.
    """

    id: str
    device: str
    site: str
    sequence: int
    time_s: int
    status: Status
    reason: str = ""
    booted: str = ""
    staged: str = ""
    rollback: str = ""
    rejected: tuple[str, ...] = ()
    labels: dict[str, str] = field(default_factory=dict)
    agent_version: str = ""
    figures: Figures = field(default_factory=Figures)
    log: tuple[str, ...] = ()

    @property
    def up_to_date(self) -> bool:
        """Whether it serves what it should: never after it went back."""
        return self.status in (Status.ONLINE, Status.DEGRADED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A prediction that was held back or escalated, waiting for a person.

    Attributes:
        release: digest of the release whose model predicted.
        why: one sentence: what made the device ask.
        prediction: JSON text of the outputs, as the protocol has them.
        input_digest: of the input, under which it is uploaded; "" where it is not.
        input_media_type: such as image/png, or application/x-npy.
        input: base64 of the input itself, where it is small; else "".
    """

    id: str
    device: str
    site: str
    sequence: int
    time_s: int
    release: str
    model: str
    why: str
    prediction: str
    confidence: float | None = None
    input_digest: str = ""
    input_media_type: str = ""
    input: str = ""


Message = Report | Case


def written(message: Message) -> bytes:
    """The document of `message`: equal messages are equal bytes."""
    return fields.written(type(message).__name__, asdict(message))


def read(content: bytes) -> Message:
    """The report or the case in `content`, not yet verified.

    Raises:
        BadMessage: it is neither.
    """
    found = fields.parsed(content, Report.__name__, Case.__name__, limit_bytes=LIMIT_BYTES)
    return _case(found) if found.text("kind") == Case.__name__ else _report(found)


_SAID = frozenset(Status) - {Status.OFFLINE}


def _report(found: Fields) -> Report:
    word = found.text("status", most=16)
    if word not in _SAID:
        raise BadMessage(f"Report.status is {word!r}, which no device says")
    figures = found.inner("figures")
    return Report(
        id=found.identifier("id"),
        device=found.identifier("device"),
        site=found.name("site"),
        sequence=found.count("sequence"),
        time_s=found.count("time_s"),
        status=Status(word),
        reason=found.text("reason", most=2000, default=""),
        booted=found.digest("booted", default=""),
        staged=found.digest("staged", default=""),
        rollback=found.digest("rollback", default=""),
        rejected=found.texts("rejected", most=MAX_REJECTED, longest=71),
        labels=found.mapping("labels", most=64),
        agent_version=found.text("agent_version", most=64, default=""),
        figures=Figures(
            requests=figures.count("requests", default=0),
            errors=figures.count("errors", default=0),
            escalated=figures.count("escalated", default=0),
            latency_p99_ms=figures.optional_number("latency_p99_ms"),
            memory_bytes=figures.optional_number("memory_bytes"),
            restarts=figures.count("restarts", default=0),
            updates=figures.count("updates", default=0),
            failed_updates=figures.count("failed_updates", default=0),
        ),
        log=found.texts("log", most=200, longest=1000),
    )


def _case(found: Fields) -> Case:
    return Case(
        id=found.identifier("id"),
        device=found.identifier("device"),
        site=found.name("site"),
        sequence=found.count("sequence"),
        time_s=found.count("time_s"),
        release=found.digest("release", default=""),
        model=found.text("model", most=128),
        why=found.text("why", most=2000),
        prediction=found.text("prediction", most=256 << 10),
        confidence=found.optional_number("confidence"),
        input_digest=found.digest("input_digest", default=""),
        input_media_type=found.text("input_media_type", most=128, default=""),
        input=found.text("input", most=768 << 10, default=""),
    )
