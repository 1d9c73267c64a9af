"""A core of the server that gives inputs back, refuses or waits, by the name of the model; and skins around it."""

import asyncio
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import uvloop

from edgewise.edge.serve.addresses import Listener, parse
from edgewise.edge.serve.contract import Done, IndexEntry
from edgewise.edge.serve.faults import (
    DeadlineExceeded,
    Fault,
    ModelFailed,
    NoMemory,
    NotReady,
    Overloaded,
    UnknownModel,
)
from edgewise.edge.serve.guard import tls
from edgewise.edge.serve.guard.keys import Keys
from edgewise.edge.serve.guard.limits import Limits
from edgewise.edge.serve.guard.tls import TlsFiles
from edgewise.edge.serve.http.site import Site
from edgewise.edge.serve.tensors import DTYPES, Request, Response
from edgewise.nouns import Signature, Tensor
from edgewise.runtimes.samples import Array

PATIENCE_S = 30.0
FAULTS: dict[str, Fault] = {
    "full": Overloaded("the queue is full", retry_after_s=2.5),
    "late": DeadlineExceeded("it took too long"),
    "big": NoMemory("it does not fit"),
    "loading": NotReady("it is being loaded"),
    "broken": ModelFailed("it fails on this input"),
}
NUMPY = {
    name: "bfloat16" if name == "BF16" else "object" if name == "BYTES" else str(dtype)
    for name, dtype in DTYPES.items()
}


@dataclass
class EchoModel:
    """A model with one input and one output, both of any size."""

    name: str
    datatype: str = "FP32"
    version: str = "1"
    platform: str = "onnxruntime_onnx"
    batch_limit: int = 8
    run_s: Sequence[float] = (1e-5,)
    delay_bound_s: float = 0.0

    @property
    def signature(self) -> Signature:
        dtype = NUMPY[self.datatype]
        return Signature(
            inputs=(Tensor(name="x", dtype=dtype, shape=("batch", 2)),),
            outputs=(Tensor(name="x", dtype=dtype, shape=("batch", 2)),),
        )

    def run(self, inputs: Sequence[Array]) -> Sequence[Array]:
        return inputs


class EchoModels:
    """The models of an `EchoCore`."""

    def __init__(self) -> None:
        self.known = {name: EchoModel(name) for name in ("echo", "wait", "bug", "shed", *FAULTS)}
        self.known |= {f"echo-{datatype}": EchoModel(f"echo-{datatype}", datatype) for datatype in DTYPES}
        self.loaded = set(self.known)
        self.calls: list[str] = []

    def find(self, name: str, version: str = "") -> EchoModel | None:
        if name not in self.known or version not in ("", "1"):
            raise UnknownModel(f"there is no model {name!r} in version {version!r}")
        return self.known[name] if name in self.loaded else None

    async def fetch(self, name: str, version: str = "") -> EchoModel:
        found = self.find(name, version)
        if found is None:
            raise NotReady(f"{name} is not loaded")
        return found

    async def load(self, name: str) -> None:
        self.find(name)
        self.calls.append(f"load {name}")
        self.loaded.add(name)

    async def unload(self, name: str) -> None:
        self.find(name)
        self.calls.append(f"unload {name}")
        self.loaded.discard(name)

    def index(self) -> Sequence[IndexEntry]:
        return [
            IndexEntry(name=name, version="1", state="READY" if name in self.loaded else "UNAVAILABLE")
            for name in sorted(self.known)
        ]


@dataclass
class Waiting:
    """A request that nobody answers until `finish`."""

    core: "EchoCore"
    request: Request
    done: Done

    def cancel(self) -> None:
        self.core.cancelled.append(self.request.id)


@dataclass
class EchoCore:
    """Answers with the inputs, on the next turn; "wait" waits, the names of `FAULTS` refuse, "bug" raises."""

    models: EchoModels = field(default_factory=EchoModels)
    ready: bool = True
    requests: list[Request] = field(default_factory=list)
    waiting: list[Waiting] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)

    async def start(self) -> None:
        return

    async def reload(self) -> None:
        return

    async def stop(self) -> None:
        return

    def shed(self, model: str, version: str, priority: int, deadline_s: float | None) -> Fault | None:
        return FAULTS["full"] if model == "shed" else None

    def submit(self, request: Request, done: Done) -> Waiting:
        self.requests.append(request)
        made = Waiting(self, request, done)
        if request.model == "bug":
            raise RuntimeError("a bug")
        if request.model == "wait":
            self.waiting.append(made)
        else:
            asyncio.get_running_loop().call_soon(done, self._outcome(request))
        return made

    def finish(self) -> None:
        """Answer all that wait."""
        for one in self.waiting:
            one.done(self._outcome(one.request))
        self.waiting.clear()

    def _outcome(self, request: Request) -> Response | Fault:
        if request.model in FAULTS:
            return FAULTS[request.model]
        try:
            self.models.find(request.model, request.version)
        except Fault as fault:
            return fault
        outputs = tuple(
            (name, request.datatypes[name], array)
            for name, array in request.inputs.items()
            if not request.outputs or name in request.outputs
        )
        return Response(model=request.model, version="1", id=request.id, outputs=outputs)


class Skins:
    """A context manager: the REST skin, and the gRPC skin where wanted, on a loop in a thread of their own."""

    def __init__(
        self,
        core: Any = None,
        *,
        limits: Limits | None = None,
        keys: Keys | None = None,
        files: TlsFiles | None = None,
        grpc: bool = False,
        observer: Any = None,
    ) -> None:
        self.core = core or EchoCore()
        self._limits, self._keys, self._files, self._grpc = limits or Limits(), keys, files, grpc
        self._observer = observer
        self._started = threading.Event()
        self._thread = threading.Thread(target=lambda: uvloop.run(self._serve()), daemon=True)

    def __enter__(self) -> "Skins":
        self._thread.start()
        assert self._started.wait(PATIENCE_S)
        return self

    def __exit__(self, *_: object) -> None:
        self.on_loop(self._stop.set)
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive()

    def on_loop(self, act: Callable[[], Any]) -> Any:
        """Do `act` on the loop, and wait for it."""
        done = threading.Event()
        found: list[Any] = []

        def run() -> None:
            found.append(act())
            done.set()

        self._loop.call_soon_threadsafe(run)
        assert done.wait(PATIENCE_S)
        return found[0]

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        listener = Listener(parse("127.0.0.1:0"))
        self.site = Site(self.core, limits=self._limits, keys=self._keys, observer=self._observer)
        self.netloc = listener.listen()
        self.address = (self.netloc.split(":")[0], int(self.netloc.split(":")[1]))
        self.context = tls.context(self._files) if self._files else None
        await self.site.accept(listener.socket, self.context)
        side = await self._grpc_side() if self._grpc else None
        self._started.set()
        await self._stop.wait()
        await self.site.drain()
        if side is not None:
            await side.drain()
        listener.close()

    async def _grpc_side(self) -> Any:
        from edgewise.edge.serve.grpc.side import Side

        self.side = Side(
            self.core,
            parse("127.0.0.1:0"),
            limits=self._limits,
            files=self._files,
            keys=self._keys,
            observer=self._observer,
        )
        self.grpc_netloc = await self.side.accept()
        return self.side
