"""What each call of the gRPC service does."""

import asyncio
import time
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from typing import Any

from google.protobuf.message import DecodeError

from edgewise.edge.serve import describe
from edgewise.edge.serve.contract import Core, Observer, Pending
from edgewise.edge.serve.faults import BadRequest, Fault, ModelFailed
from edgewise.edge.serve.grpc import descriptors, reading, writing
from edgewise.edge.serve.grpc.stream import Stream
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
ENCODINGS = ("identity", "gzip", "deflate")


def _path(name: str) -> str:
    return f"/{descriptors.SERVICE}/{name}"


INFER, STREAM = _path("ModelInfer"), _path("ModelStreamInfer")
OPEN_TO_ALL = (_path("ServerLive"), _path("ServerReady"))


class Calls:
    """The calls, over `core`."""

    def __init__(self, core: Core, *, limits: Limits, keys: Keys | None, observer: Observer | None) -> None:
        self._core, self._limits, self._keys, self._observer = core, limits, keys, observer
        self.draining = False
        self._tasks: set[asyncio.Task[None]] = set()
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
        self._simple = {_path(name): (descriptors.of(f"{name}Request"), act) for name, act in simple.items()}

    # --- what a connection calls --------------------------------------------------------------

    def begun(self, stream: Stream) -> None:
        """A call has begun; its messages follow."""
        head = stream.head
        if head.method != "POST" or not head.content_type.startswith("application/grpc"):
            stream.unimplemented("calls are gRPC here: POST, application/grpc")
        elif head.path not in (INFER, STREAM) and head.path not in self._simple:
            stream.unimplemented(f"there is no {head.path}")
        elif head.encoding not in ENCODINGS:
            stream.unimplemented(f"messages may be compressed by {', '.join(ENCODINGS[1:])}")
        else:
            try:
                self._admit(stream)
            except Fault as fault:
                self.refused(stream, fault)
                return
            if head.path == STREAM:
                self._spawn(stream, self._converse(stream, stream.messages()))

    def whole(self, stream: Stream) -> None:
        """The client has said all."""
        if stream.over or stream.head.path == STREAM:
            return
        try:
            content = stream.whole()
            if stream.head.path == INFER:
                self._infer(content, stream)
            else:
                self._spawn(stream, self._answer(content, stream))
        except Fault as fault:
            stream.fail(fault)

    def refused(self, stream: Stream, fault: Fault) -> None:
        """What the client sends goes beyond a limit, or it may not send anything."""
        if self._observer is not None and stream.head.path in (INFER, STREAM):
            self._observer.refused("grpc", fault, 0)
        stream.fail(fault)

    def _spawn(self, stream: Stream, work: Coroutine[Any, Any, None]) -> None:
        stream.task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(stream.task)
        stream.task.add_done_callback(self._tasks.discard)

    # --- inference ----------------------------------------------------------------------------

    def _infer(self, content: bytes, stream: Stream) -> None:
        """Hand it to the core; the answer goes to `stream`.

        Raises:
            Fault: it never becomes a request.
        """

        def told(begun: Begun, outcome: Response | Fault) -> None:
            if stream.over:
                return
            stream.pending = None
            outcome, written = _written(begun, outcome)
            if isinstance(outcome, Fault):
                stream.fail(outcome)
            else:
                stream.reply(written)
            self.answered(begun, outcome, len(written))

        begun = self.begin(content, stream, told)
        if not stream.over:
            stream.pending = begun

    async def _converse(self, stream: Stream, contents: AsyncIterator[bytes]) -> None:
        try:
            async for answer in self._stream(contents, stream):
                await stream.say(answer)
            stream.done()
        except Fault as fault:
            stream.fail(fault)
        except Exception:
            traceback.print_exc()
            stream.fail(ModelFailed(BUG))

    async def _stream(self, contents: AsyncIterator[bytes], stream: Stream) -> AsyncIterator[bytes]:
        under_way: asyncio.Queue[Asked | Fault | None] = asyncio.Queue(STREAM_AHEAD)
        broken: list[Fault] = []

        async def read() -> None:
            try:
                async for content in contents:
                    try:
                        asked: Asked | Fault = Asked(self, content, stream)
                    except Fault as fault:
                        asked = fault
                    await under_way.put(asked)
            except Fault as fault:
                broken.append(fault)
            finally:
                await under_way.put(None)

        reader = asyncio.create_task(read())
        try:
            while (one := await under_way.get()) is not None:
                yield await _streamed(one)
            if broken:
                raise broken[0]
        finally:
            reader.cancel()
            while not under_way.empty():
                left = under_way.get_nowait()
                if isinstance(left, Asked):
                    left.cancel()

    def begin(self, content: bytes, stream: Stream, told: "Callable[[Begun, Response | Fault], None]") -> "Begun":
        """Hand a request to the core, which calls `told` with what becomes of it, possibly before this returns.

        Raises:
            Fault: it never becomes one.
        """
        started = time.monotonic()
        try:
            request, raw = reading.read(content, self._limits)
            request.deadline_s = _deadline_s(started, request, stream.time_remaining())
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
            request.traceparent = stream.header("traceparent")
            self._observer.received(request, "grpc", len(content))
        begun = Begun(request, raw, started)
        try:
            begun.pending = self._core.submit(request, lambda outcome: told(begun, outcome))
        except Exception as error:
            traceback.print_exc()
            raise ModelFailed(BUG) from error
        return begun

    def answered(self, begun: "Begun", outcome: Response | Fault, size_bytes: int) -> None:
        """Tell who observes."""
        if self._observer is not None:
            self._observer.answered(begun.request, outcome, size_bytes, time.monotonic() - begun.started)

    def gone(self, begun: "Begun") -> None:
        """The client does not wait any more."""
        if begun.pending is not None:
            begun.pending.cancel()
        if self._observer is not None:
            self._observer.gone(begun.request, time.monotonic() - begun.started)

    def _admit(self, stream: Stream) -> None:
        if self._keys is not None and stream.head.path not in OPEN_TO_ALL:
            self._keys.check(stream.header("authorization"))

    # --- the rest -----------------------------------------------------------------------------

    async def _answer(self, content: bytes, stream: Stream) -> None:
        """A call that is no inference."""
        request_class, act = self._simple[stream.head.path]
        try:
            if len(content) > self._limits.head_bytes:
                raise BadRequest("the message is too long")
            stream.reply((await act(request_class.FromString(content))).SerializeToString())
        except DecodeError:
            stream.fail(BadRequest(f"this is no {request_class.DESCRIPTOR.name}"))
        except Fault as fault:
            stream.fail(fault)
        except Exception:
            traceback.print_exc()
            stream.fail(ModelFailed(BUG))

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

    def __init__(self, request: Request, raw: bool, started: float) -> None:
        self.request, self.raw, self.started = request, raw, started
        self.pending: Pending | None = None


class Asked:
    """A request of a stream under way, and who waits for it."""

    __slots__ = ("_begun", "_calls", "_outcome")

    def __init__(self, calls: Calls, content: bytes, stream: Stream) -> None:
        self._calls = calls
        self._outcome: asyncio.Future[Response | Fault] = asyncio.get_running_loop().create_future()
        self._begun = calls.begin(content, stream, self._told)

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
        outcome, written = _written(self._begun, outcome)
        self._calls.answered(self._begun, outcome, len(written))
        return outcome if isinstance(outcome, Fault) else written

    def cancel(self) -> None:
        """The client has gone."""
        if not self._outcome.done():
            self._outcome.cancel()
            self._calls.gone(self._begun)

    def _told(self, _: Begun, outcome: Response | Fault) -> None:
        if not self._outcome.done():
            self._outcome.set_result(outcome)


def _written(begun: Begun, outcome: Response | Fault) -> tuple[Response | Fault, bytes]:
    """What became of a request, and the bytes of the answer; none for a fault."""
    if isinstance(outcome, Fault):
        return outcome, b""
    try:
        return outcome, writing.written(outcome, raw=begun.raw)
    except (ValueError, TypeError) as error:
        traceback.print_exc()
        return ModelFailed(f"the answer cannot be written: {error}"), b""


async def _streamed(one: Asked | Fault) -> bytes:
    if isinstance(one, Fault):
        return writing.streamed_fault(one, "")
    answer = await one.answer()
    return writing.streamed_fault(answer, one.id) if isinstance(answer, Fault) else writing.streamed(answer)


def _deadline_s(started: float, request: Request, remaining_s: float | None) -> float | None:
    timeout_us = whole(request.parameters, "timeout") if request.parameters else 0
    waits = [timeout_us / 1e6] if timeout_us else []
    if remaining_s is not None:
        waits.append(remaining_s)
    return started + min(waits) if waits else None
