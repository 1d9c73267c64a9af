"""What a plan and the device that measures for it say to each other, whichever side speaks.

HTTP/1.1 below `/v1`; docs/reference/bench-protocol.md has it call by call. Both sides are the same version of
Edgewise. Requests are the fixed commands of `runtimes/worker.py` and name files by digest: no code is sent, and
no path of the device is ever named from outside.
"""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from edgewise.documents import Document
from edgewise.nouns import Machine, RuntimeName

LEASE_HEADER = "Edgewise-Lease"
OFFSET_HEADER = "Edgewise-Offset"
LEASE_S = 30.0
"""So long a client may be silent before its workers are ended and another may measure."""
MAX_DOCUMENT_BYTES = 256 << 10
MAX_TIMEOUT_S = 3600.0
MAX_CALLS = 100_000
MAX_WORKERS = 64
DIGEST = "sha256:[0-9a-f]{64}"
IDENTIFIER = "[0-9a-f]{32}"
"""Of a lease or a worker: made up by the client, so that asking twice is asking once."""


def _inner(name: str) -> str:
    """`name`, if it stays inside the folder that it is put into."""
    steps = name.split("/")
    if any(step in ("", ".", "..") or len(step.encode()) > 255 for step in steps) or "\\" in name:
        raise ValueError("must be a relative path without steps upwards")
    if not name.isprintable():
        raise ValueError("must be printable")
    return name


Digest = Annotated[str, Field(pattern=f"^{DIGEST}$")]
FileName = Annotated[str, Field(max_length=1024), AfterValidator(_inner)]
Word = Annotated[str, Field(max_length=200)]


class Prepare(Document):
    """Import the runtime."""

    command: Literal["prepare"] = "prepare"
    runtime: RuntimeName


class Load(Document):
    """Load a model and the samples it will be fed; arguments as in `runtimes/worker.py`, files by digest."""

    command: Literal["load"] = "load"
    runtime: RuntimeName
    path: FileName
    files: Annotated[dict[FileName, Digest], Field(min_length=1, max_length=1000)]
    threads: Annotated[int, Field(ge=1, le=1024)]
    options: Annotated[dict[Word, Word], Field(max_length=50)]
    inputs: Digest
    batched: bool
    batch: Annotated[int, Field(ge=1, le=1 << 20)]
    limit: Annotated[int, Field(ge=1)] | None
    axes: Annotated[dict[Word, Annotated[int, Field(ge=1)]], Field(max_length=50)]


class Predict(Document):
    """Run every sample once; the answer's `outputs` is the digest of a file to fetch."""

    command: Literal["predict"] = "predict"


class Burst(Document):
    """Time inferences one after the other.

    The answer has `joules` too where the device has a meter that is faster than a burst, and with a slower one its
    newest `reading` after the burst: `at_s`, by the device's clock, and `joules`, counted from anywhere.
    """

    command: Literal["burst"] = "burst"
    calls: Annotated[int, Field(ge=1, le=MAX_CALLS)]


class Memory(Document):
    """Peak resident memory."""

    command: Literal["memory"] = "memory"


Request = Annotated[Prepare | Load | Predict | Burst | Memory, Field(discriminator="command")]


class Call(Document):
    """A command to a worker.

    Attributes:
        number: counts the calls to this worker from 1; the last one may be asked again, and is then answered from
            memory, so that a lost answer is not measured twice.
    """

    number: Annotated[int, Field(ge=1)]
    timeout_s: Annotated[float, Field(gt=0, le=MAX_TIMEOUT_S)]
    request: Request


class Failure(Document):
    """Why a worker could not; becomes a ChildFailed on the other side."""

    message: str
    log: str
    lasting: bool


class Answer(Document):
    """What came of a call: a result or a failure."""

    result: dict[str, Any] | None = None
    failure: Failure | None = None


class NewWorker(Document):
    """A worker to start. `name` is what it is called in messages."""

    name: Word


class Description(Document):
    """The device, and its state at the moment.

    Attributes:
        edgewise: version; both sides need the same.
        identity: as `hardware.probe.identity` has it.
        versions: of the runtimes that are installed.
        meter: name of the energy meter, "" where there is none.
        meter_interval_s: from one of its readings to the next.
        load: one-minute load average.
        available_bytes: memory free for new work.
    """

    edgewise: str
    machine: Machine
    identity: str
    versions: dict[RuntimeName, str]
    meter: str
    meter_interval_s: float = 0.0
    load: float
    available_bytes: int


class Refusal(Document):
    """Why a request was not done: the sentence and the hint of an EdgewiseError."""

    error: str
    hint: str = ""
