"""What each call of the gRPC service does."""

import asyncio
import time
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, Protocol

import grpc
from google.protobuf.message import DecodeError

from edgewise.edge.serve import describe
from edgewise.edge.serve.contract import Core, Observer, Pending
from edgewise.edge.serve.faults import BadRequest, Fault, ModelFailed
from edgewise.edge.serve.grpc import descriptors, reading, writing
from edgewise.edge.serve.guard.keys import Keys
from edgewise.edge.serve.guard.limits import Limits
from edgewise.edge.serve.parameters import whole
from edgewise.edge.serve.tensors import Request, Response

DATA_TYPES = ("BOOL", "UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64", "FP16", "FP32", "FP64",
              "BYTES", "BF16")  # fmt: skip
"""In the order of Triton's enumeration of data types, from 1."""
STREAM_AHEAD = 64
"""So many requests of one stream may be under way; answers come in the order of the requests."""
BUG = "the server has a bug; its own output has the details"
OPEN_TO_ALL = ("ServerLive", "ServerReady")


class Context(Protocol):
    """What is used of grpc.aio.ServicerContext."""

    def set_code(self, code: Any) -> None:
        """What the call ends with."""

    def set_details(self, details: str) -> None:
        """Why, in a sentence."""

    def set_trailing_metadata(self, trailing_metadata: tuple[tuple[str, str], ...]) -> None:
        """What goes beside it."""

    def time_remaining(self) -> float | None:
        """Seconds until the client stops waiting."""

    def invocation_metadata(self) -> Sequence[tuple[str, str | bytes]] | None:
        """What the client said beside its message."""


class Calls:
    """The calls, over `core`."""

    def __init__(self, core: Core, *, limits: Limits, keys: Keys | None, observer: Observer | None) -> None:
        self._core, self._limits, self._keys, self._observer = core, limits, keys, observer
        self.draining = False

    def handlers(self) -> dict[str, Any]:
        """The service's calls by name; they take and give bytes."""
        simple: dict[str, Callable[[Any], Awaitable[Any]]] = {
            "ServerLive": self._server_live,
            "ServerReady": self._server_ready,
            "ModelReady": self._model_ready,
            "ServerMetadata": self._server_metadata,
            "ModelMetadata": self._model_metadata,
            "ModelConfig": self._model_config,
            "RepositoryIndex": self._index,
            "RepositoryModelLoad": self._load,
            "RepositoryModelUnload": self._unload,
        }
        found = {name: grpc.unary_unary_rpc_method_handler(self._plain(name, act)) for name, act in simple.items()}
        found["ModelInfer"] = grpc.unary_unary_rpc_method_handler(self._infer)
        found["ModelStreamInfer"] = grpc.stream_stream_rpc_method_handler(self._stream)
        return found

    # --- inference ----------------------------------------------------------------------------

    async def _infer(self, content: bytes, context: Context) -> bytes:
        try:
            self._admit(context)
            asked = Asked(self, content, context)
        except Fault as fault:
            return _failed(context, fault)
        answer = await asked.answer()
        return _failed(context, answer) if isinstance(answer, Fault) else answer

    async def _stream(self, contents: AsyncIterator[bytes], context: Context) -> AsyncIterator[bytes]:
        try:
            self._admit(context)
        except Fault as fault:
            _failed(context, fault)
            return
        under_way: asyncio.Queue[Asked | Fault | None] = asyncio.Queue(STREAM_AHEAD)

        async def read() -> None:
            try:
                async for content in contents:
                    try:
                        asked: Asked | Fault = Asked(self, content, context)
                    except Fault as fault:
                        asked = fault
                    await under_way.put(asked)
            finally:
                await under_way.put(None)

        reader = asyncio.create_task(read())
        try:
            while (one := await under_way.get()) is not None:
                yield await _streamed(one)
        finally:
            reader.cancel()
            while not under_way.empty():
                left = under_way.get_nowait()
                if isinstance(left, Asked):
                    left.cancel()

    def begin(self, content: bytes, context: Context, done: Callable[[Response | Fault], None]) -> "Begun":
        """Hand a request to the core.

        Raises:
            Fault: it never becomes one.
        """
        started = time.monotonic()
        try:
            request, raw = reading.read(content, self._limits)
            request.deadline_s = _deadline_s(started, request, context.time_remaining())
        except Fault as fault:
            if self._observer is not None:
                self._observer.refused("grpc", fault, len(content))
            raise
        shed = self._core.shed(request.model, request.version, request.priority, request.deadline_s)
        if shed is not None:
            if self._observer is not None:
                self._observer.refused("grpc", shed, len(content), request.model)
            raise type(shed)(shed.message, retry_after_s=shed.retry_after_s)
        if self._observer is not None:
            request.traceparent = _header(context, "traceparent")
            self._observer.received(request, "grpc", len(content))
        try:
            return Begun(request, raw, started, self._core.submit(request, done))
        except Exception as error:
            traceback.print_exc()
            raise ModelFailed(BUG) from error

    def answered(self, begun: "Begun", outcome: Response | Fault, size_bytes: int) -> None:
        """Tell who observes."""
        if self._observer is not None:
            self._observer.answered(begun.request, outcome, size_bytes, time.monotonic() - begun.started)

    def gone(self, begun: "Begun") -> None:
        """The client does not wait any more."""
        begun.pending.cancel()
        if self._observer is not None:
            self._observer.gone(begun.request, time.monotonic() - begun.started)

    def _admit(self, context: Context) -> None:
        if self._keys is not None:
            self._keys.check(_header(context, "authorization"))

    # --- the rest -----------------------------------------------------------------------------

    def _plain(self, name: str, act: Callable[[Any], Awaitable[Any]]) -> Callable[[bytes, Context], Awaitable[bytes]]:
        request_class = descriptors.of(f"{name}Request")

        async def call(content: bytes, context: Context) -> bytes:
            try:
                if name not in OPEN_TO_ALL:
                    self._admit(context)
                if len(content) > self._limits.head_bytes:
                    raise BadRequest("the message is too long")
                written: bytes = (await act(request_class.FromString(content))).SerializeToString()
            except DecodeError:
                return _failed(context, BadRequest(f"this is no {name}Request"))
            except Fault as fault:
                return _failed(context, fault)
            except Exception:
                traceback.print_exc()
                return _failed(context, ModelFailed(BUG))
            return written

        return call

    async def _server_live(self, _request: Any) -> Any:
        return descriptors.of("ServerLiveResponse")(live=True)

    async def _server_ready(self, _request: Any) -> Any:
        return descriptors.of("ServerReadyResponse")(ready=self._core.ready and not self.draining)

    async def _model_ready(self, request: Any) -> Any:
        ready = self._core.models.find(request.name, request.version) is not None
        return descriptors.of("ModelReadyResponse")(ready=ready)

    async def _server_metadata(self, _request: Any) -> Any:
        made = descriptors.of("ServerMetadataResponse")
        return made(name=describe.SERVER, version=describe.VERSION, extensions=describe.EXTENSIONS)

    async def _model_metadata(self, request: Any) -> Any:
        found = describe.model(await self._core.models.fetch(request.name, request.version))
        made = descriptors.of("ModelMetadataResponse")(
            name=found.name, versions=describe.versions(self._core.models, found), platform=found.platform
        )
        for into, tensors in ((made.inputs, found.inputs), (made.outputs, found.outputs)):
            for one in tensors:
                into.add(name=one.name, datatype=one.datatype, shape=one.shape)
        return made

    async def _model_config(self, request: Any) -> Any:
        loaded = await self._core.models.fetch(request.name, request.version)
        said = describe.configuration(loaded)
        found = describe.model(loaded)
        made = descriptors.of("ModelConfigResponse")()
        config = made.config
        config.name, config.platform, config.backend = said["name"], said["platform"], said["backend"]
        config.max_batch_size = said["max_batch_size"]
        for into, tensors in ((config.input, found.inputs), (config.output, found.outputs)):
            for one in tensors:
                dims = one.shape[1:] if config.max_batch_size else one.shape
                into.add(name=one.name, data_type=DATA_TYPES.index(one.datatype) + 1, dims=dims)
        return made

    async def _index(self, request: Any) -> Any:
        made = descriptors.of("RepositoryIndexResponse")()
        for one in self._core.models.index():
            if one.state == "READY" or not request.ready:
                made.models.add(name=one.name, version=one.version, state=one.state, reason=one.reason)
        return made

    async def _load(self, request: Any) -> Any:
        if request.parameters:
            raise BadRequest("a model is loaded as its folder has it: no configuration or files come with the request")
        await self._core.models.load(request.model_name)
        return descriptors.of("RepositoryModelLoadResponse")()

    async def _unload(self, request: Any) -> Any:
        await self._core.models.unload(request.model_name)
        return descriptors.of("RepositoryModelUnloadResponse")()


class Begun:
    """A request that the core has."""

    __slots__ = ("pending", "raw", "request", "started")

    def __init__(self, request: Request, raw: bool, started: float, pending: Pending) -> None:
        self.request, self.raw, self.started, self.pending = request, raw, started, pending


class Asked:
    """A request under way, and who waits for it."""

    __slots__ = ("_begun", "_calls", "_outcome")

    def __init__(self, calls: Calls, content: bytes, context: Context) -> None:
        self._calls = calls
        self._outcome: asyncio.Future[Response | Fault] = asyncio.get_running_loop().create_future()
        self._begun = calls.begin(content, context, self._done)

    @property
    def id(self) -> str:
        """As the client named it."""
        return self._begun.request.id

    async def answer(self) -> bytes | Fault:
        """The bytes of the ModelInferResponse, or why there are none."""
        try:
            outcome = await self._outcome
        except asyncio.CancelledError:
            self._calls.gone(self._begun)
            raise
        written = b""
        if not isinstance(outcome, Fault):
            try:
                written = writing.written(outcome, raw=self._begun.raw)
            except (ValueError, TypeError) as error:
                traceback.print_exc()
                outcome = ModelFailed(f"the answer cannot be written: {error}")
        self._calls.answered(self._begun, outcome, len(written))
        return outcome if isinstance(outcome, Fault) else written

    def cancel(self) -> None:
        """The client has gone."""
        if not self._outcome.done():
            self._outcome.cancel()
            self._calls.gone(self._begun)

    def _done(self, outcome: Response | Fault) -> None:
        if not self._outcome.done():
            self._outcome.set_result(outcome)


async def _streamed(one: Asked | Fault) -> bytes:
    if isinstance(one, Fault):
        return writing.streamed_fault(one, "")
    answer = await one.answer()
    return writing.streamed_fault(answer, one.id) if isinstance(answer, Fault) else writing.streamed(answer)


def _failed(context: Context, fault: Fault) -> bytes:
    """End the call with `fault`; what it returns is not sent.

    `context.abort` would do so by an exception that it keeps: a circle through every frame, and with them the request,
    which would stay in memory until the collector comes by.
    """
    context.set_code(writing.code(fault))
    context.set_details(fault.message)
    context.set_trailing_metadata(writing.trailers(fault))
    return b""


def _header(context: Context, name: str) -> str:
    for key, value in context.invocation_metadata() or ():
        if key == name:
            return value if isinstance(value, str) else value.decode("latin-1")
    return ""


def _deadline_s(started: float, request: Request, remaining_s: float | None) -> float | None:
    timeout_us = whole(request.parameters, "timeout") if request.parameters else 0
    waits = [timeout_us / 1e6] if timeout_us else []
    if remaining_s is not None:
        waits.append(remaining_s)
    return started + min(waits) if waits else None
