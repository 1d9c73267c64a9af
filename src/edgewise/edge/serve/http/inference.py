"""An inference over HTTP: from the body to the core, and from its response to the answer."""

import time
import zlib
from collections.abc import Mapping
from typing import TYPE_CHECKING

from edgewise.edge.serve import describe
from edgewise.edge.serve.contract import Pending
from edgewise.edge.serve.faults import BadRequest, Fault, ModelFailed, NotReady, TooLarge
from edgewise.edge.serve.guard.limits import Limits
from edgewise.edge.serve.http import answers, reading, writing
from edgewise.edge.serve.http.answers import Answer, Refusal
from edgewise.edge.serve.http.message import Message
from edgewise.edge.serve.http.reading import Asked
from edgewise.edge.serve.tensors import Request, Response
from edgewise.runtimes.samples import Array

if TYPE_CHECKING:
    from edgewise.edge.serve.http.connection import Connection
    from edgewise.edge.serve.http.routes import Route
    from edgewise.edge.serve.http.site import Site

_GZIP_OR_ZLIB = 47
_RAW_DEFLATE = -15


def begin(site: "Site", connection: "Connection", received: Message, route: "Route") -> Answer | None:
    """Hand the request to the core; its answer goes to `connection`. Where it is shed, the answer is there at once.

    Raises:
        Fault, Refusal: it never becomes a request.
    """
    started = time.monotonic()
    headers = received.headers
    try:
        body = received.body
        if b"content-encoding" in headers:
            body = inflated(body, headers[b"content-encoding"], site.limits)
        json_size = received.json_size
        if json_size == 0:
            asked = _raw(site, route, body)
            arrays: Mapping[str, Array] | None = reading.arrays(asked, memoryview(body), site.limits)
        else:
            asked = site.reader.asked(body, json_size)
            arrays = None
        deadline_s = _deadline_s(site, started, asked, received.timeout_ms)
        shed = site.core.shed(route.model, route.version, asked.priority, deadline_s)
        if shed is not None:
            if site.observer is not None:
                site.observer.refused("http", shed, len(received.body), route.model)
            return site.refusal(shed)
        if arrays is None:
            arrays = site.reader.arrays(asked, body, json_size)
    except Fault as fault:
        if site.observer is not None:
            site.observer.refused("http", fault, len(received.body))
        raise
    request = Request(
        model=route.model,
        version=route.version,
        id=asked.id,
        inputs=arrays,
        datatypes=asked.datatypes,
        outputs=asked.outputs,
        priority=asked.priority,
        deadline_s=deadline_s,
        parameters=asked.parameters,
        traceparent=headers[b"traceparent"].decode("latin-1") if b"traceparent" in headers else "",
    )
    exchange = Exchange(site, connection, request, asked, started)
    connection.exchange = exchange
    if site.observer is not None:
        site.observer.received(request, "http", len(received.body))
    exchange.pending = site.core.submit(request, exchange.done)
    return None


class Exchange:
    """A request that the core has, and the connection that waits for it."""

    __slots__ = ("_asked", "_connection", "_request", "_site", "_started", "pending")

    def __init__(self, site: "Site", connection: "Connection", request: Request, asked: Asked, started: float) -> None:
        self._site, self._request, self._asked, self._started = site, request, asked, started
        self._connection: Connection | None = connection
        self.pending: Pending | None = None

    def done(self, outcome: Response | Fault) -> None:
        """The core has done with it."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        if isinstance(outcome, Fault):
            answer = answers.fault(outcome)
        else:
            try:
                answer = writing.answer(outcome, self._asked)
            except ModelFailed as fault:
                outcome, answer = fault, answers.fault(fault)
        connection.answer(answer)
        observer = self._site.observer
        if observer is not None:
            observer.answered(self._request, outcome, answer.size_bytes, time.monotonic() - self._started)

    def gone(self) -> None:
        """The client does not wait any more."""
        self._connection = None
        if self.pending is not None:
            self.pending.cancel()
        if self._site.observer is not None:
            self._site.observer.gone(self._request, time.monotonic() - self._started)


def inflated(body: bytes | memoryview, coding: bytes, limits: Limits) -> bytes | memoryview:
    """The body without its compression, which may not make more of it than a body may have.

    Raises:
        Refusal: the coding is neither gzip nor deflate. BadRequest: it is broken. TooLarge: it is beyond the limit.
    """
    if coding.lower() == b"identity":
        return body
    if coding.lower() not in (b"gzip", b"x-gzip", b"deflate"):
        raise Refusal(415, "bodies may be compressed by gzip or deflate", headers=b"Accept-Encoding: gzip, deflate\r\n")
    bare = coding.lower() == b"deflate" and bytes(body[:1]) != b"\x78"
    inflating = zlib.decompressobj(_RAW_DEFLATE if bare else _GZIP_OR_ZLIB)
    try:
        whole = inflating.decompress(body, limits.body_bytes + 1)
    except zlib.error as error:
        raise BadRequest(f"the compressed body is broken: {error}") from error
    if len(whole) > limits.body_bytes:
        raise TooLarge(f"the body has more than {limits.body_bytes} bytes without its compression")
    if not inflating.eof or inflating.unused_data:
        raise BadRequest("the compressed body does not end where it should")
    return whole


def _raw(site: "Site", route: "Route", body: bytes | memoryview) -> Asked:
    loaded = site.core.models.find(route.model, route.version)
    if loaded is None:
        raise NotReady(f"the model {route.model} is not loaded")
    inputs = loaded.signature.inputs
    return reading.whole_body(body, inputs, [describe.datatype(one) for one in inputs])


def _deadline_s(site: "Site", started: float, asked: Asked, timeout_ms: int | None) -> float | None:
    waits = [asked.timeout_us / 1e6] if asked.timeout_us else []
    if timeout_ms:
        waits.append(timeout_ms / 1e3)
    return site.earliest_s(started) + min(waits) if waits else None
