"""What the core of the server asks of models, what the skins ask of the core, and what an observer is told.

`core/opening.py` has the door: `opened(paths, *, digest="", settings=Settings(), observer=None) -> Core`, which reads
no model yet; `start` does. Everything here is called on the event loop.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from edgewise.edge.serve.faults import Fault
from edgewise.edge.serve.tensors import Request, Response
from edgewise.runtimes.samples import Array
from edgewise.served_nouns import Signature


class Loaded(Protocol):
    """A version of a model that is in memory, warmed and proven."""

    @property
    def name(self) -> str:
        """As clients name it."""
        ...

    @property
    def version(self) -> str:
        """As clients name it."""
        ...

    @property
    def signature(self) -> Signature:
        """What goes in and comes out; a batch axis is a name, not a number."""
        ...

    @property
    def platform(self) -> str:
        """The protocol's word for the runtime: onnxruntime_onnx, openvino_openvino, litert_tflite, or pipeline."""
        ...

    @property
    def batch_limit(self) -> int:
        """Rows that may run together; 1 where the model has no batch axis or gains nothing by it."""
        ...

    @property
    def run_s(self) -> Sequence[float]:
        """Seconds that 1, 2, 4, … up to `batch_limit` rows take together, as probed at load time."""
        ...

    @property
    def delay_bound_s(self) -> float:
        """How long a request may wait for others to run with it, where many come; 0 for only those that wait anyway."""
        ...

    @property
    def inline(self) -> bool:
        """True where it runs on the event loop's own thread: a call costs less than handing it to another."""
        ...

    @property
    def threads(self) -> int:
        """Cores that a call keeps busy."""
        ...

    def run(self, inputs: Sequence[Array]) -> Sequence[Array]:
        """Outputs for `inputs`, in the signature's order; blocking, one call at a time for each loaded model.

        Outputs belong to the caller; they are not written again by the next call.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexEntry:
    """One version of a model in the repository. `state` is READY, LOADING, UNLOADING or UNAVAILABLE."""

    name: str
    version: str
    state: str
    reason: str = ""


class Models(Protocol):
    """The models of the server. Called on the event loop; nothing here blocks it."""

    def find(self, name: str, version: str = "") -> Loaded | None:
        """The loaded version (the newest for ""), None where it is known and not in memory yet.

        Raises:
            UnknownModel: there is no such model or version.
        """

    async def fetch(self, name: str, version: str = "") -> Loaded:
        """As `find`, and loaded first where it is not in memory.

        Raises:
            UnknownModel, NotReady, NoMemory, ModelFailed: it cannot be.
        """

    async def load(self, name: str) -> None:
        """Read the model's folder again, load what is newest beside what serves, and let it take over.

        Raises:
            As `fetch`; what served before serves on.
        """

    async def unload(self, name: str) -> None:
        """Let requests that are under way end, then free the model.

        Raises:
            UnknownModel: there is no such model.
        """

    def index(self) -> Sequence[IndexEntry]:
        """Every model and version that is known, by name."""


Done = Callable[[Response | Fault], None]
"""Called once, on the event loop, with what became of a request."""


class Pending(Protocol):
    """A request under way."""

    def cancel(self) -> None:
        """The client has gone: do not run it if it does not run yet, and answer nobody."""


class Core(Protocol):
    """One data plane under both skins. Called on the event loop."""

    @property
    def models(self) -> Models:
        """What can be asked."""
        ...

    @property
    def ready(self) -> bool:
        """True where every model that must be loaded at the start is, and the server does not shut down."""
        ...

    async def start(self) -> None:
        """Load, warm and prove every model that must be there before the first request.

        Raises:
            EdgewiseError: one is not to be had, or does not reproduce its golden; nothing may be served.
        """

    async def reload(self) -> None:
        """Read the model folders again (SIGHUP): what is newer takes over, what fails leaves what serves in place."""

    async def stop(self) -> None:
        """Answer what is under way, admit nothing further, free the models."""

    def refusal(self, model: str, version: str = "", deadline_s: float | None = None) -> Fault | None:
        """Why a request would be refused if it came now, told from its headers alone, before its body is read.

        Cheap, so that an overloaded server sheds early. None is no promise: `submit` decides.
        """

    def shed(self, model: str, version: str, priority: int, deadline_s: float | None) -> Fault | None:
        """The refusal of a moment ago, where it holds for this request too; costs next to nothing.

        An overloaded server is asked more often than it can look into, so who is no more patient and no more urgent
        than one that was refused since the model last ran is refused in the same words.
        """

    def submit(self, request: Request, done: Done) -> Pending:
        """Check `request` against its model, queue it, run it with others, and call `done`.

        Never raises and never blocks; a fault comes through `done`, possibly before this returns.
        """


class Observer(Protocol):
    """What is told as requests go through, for metrics and traces. On the event loop; quick; never raises.

    Core and skins hold `Observer | None` and call nothing where it is None. `request` is the same object at every
    call, so that what belongs together can be joined by its identity. `observe/opening.py` has the door.
    """

    def started(self, models: Models) -> None:
        """The core has started; `models` can be asked for their states."""

    def stopped(self) -> None:
        """The server ends; what is still held back is sent. May block for some seconds."""

    def received(self, request: Request, skin: str, size_bytes: int) -> None:
        """A skin ("http" or "grpc") has read a request of that many bytes, and hands it to the core."""

    def queued(self, request: Request, waiting: int) -> None:
        """The core has admitted it; with it, so many requests wait for that model."""

    def ran(self, model: Loaded, requests: Sequence[Request], rows: int, run_s: float) -> None:
        """`model` has run for `requests` together, `rows` rows in `run_s` seconds."""

    def answered(self, request: Request, outcome: Response | Fault, size_bytes: int, duration_s: float) -> None:
        """A skin has written its answer, so long after `received`."""

    def gone(self, request: Request, duration_s: float) -> None:
        """The client went away before it was answered; instead of `answered`."""

    def refused(self, skin: str, fault: Fault, size_bytes: int, model: str = "") -> None:
        """A skin has refused what never became a request: malformed, too large, without a key, or shed for `model`."""

    def page(self, accept: str = "") -> tuple[str, bytes]:
        """Content type and content of /metrics, in the format that the Accept header `accept` wants."""
        ...
