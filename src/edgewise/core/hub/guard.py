"""Around every call: how many are let through, the heads that keep browsers safe, how long it took.

Written as plain ASGI, so that nothing is buffered twice.
"""

from collections import OrderedDict
from time import monotonic
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from edgewise.core.hub import refusals
from edgewise.core.hub.metrics import Metrics
from edgewise.core.hub.refusals import TooMany

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = (
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
REMEMBERED = 10_000


class Allowance:
    """Token buckets by name: `per_s` come back every second, up to `most`."""

    def __init__(self, per_s: float, most: float) -> None:
        self._per_s, self._most = per_s, most
        self._held: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, name: str) -> float:
        """Take one; 0 where there was one, else the seconds until there is."""
        now = monotonic()
        left, at = self._held.pop(name, (self._most, now))
        left = min(self._most, left + (now - at) * self._per_s)
        self._held[name] = (left - 1 if left >= 1 else left, now)
        if len(self._held) > REMEMBERED:
            self._held.popitem(last=False)
        return 0.0 if left >= 1 else (1 - left) / self._per_s


class Guard:
    """Lets requests through to `app`.

    Args:
        per_s: requests a second of one address, on average.
        attempts_per_s: of them, tries to enrol or to sign in.
    """

    def __init__(self, app: ASGIApp, *, metrics: Metrics, per_s: float = 200, attempts_per_s: float = 5) -> None:
        self._app, self._metrics = app, metrics
        self._all = Allowance(per_s, per_s * 5)
        self._attempts = Allowance(attempts_per_s, attempts_per_s * 10)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status = monotonic(), [500]

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                status[0] = message["status"]
                given = {name for name, _ in message["headers"]}
                message["headers"] = [*message["headers"], *(pair for pair in HEADERS if pair[0] not in given)]
            await send(message)

        wait_s = self._wait_s(scope)
        try:
            if wait_s:
                await _refuse(TooMany("too many requests", wait_s=max(1, round(wait_s + 0.5))), sending)
            else:
                await self._app(scope, receive, sending)
        finally:
            route = str(getattr(scope.get("route"), "path", "")) or "none"
            self._metrics.count("edgewise_hub_requests_total", route=route, method=_method(scope), code=str(status[0]))
            self._metrics.time("edgewise_hub_request_seconds", monotonic() - started, route=route)

    def _wait_s(self, scope: Scope) -> float:
        address = str((scope.get("client") or ("",))[0])
        if scope["method"] == "POST" and scope["path"] in ("/api/v1/enrol", "/signin"):
            return max(self._all.take(address), self._attempts.take(address))
        return self._all.take(address)


def _method(scope: Scope) -> str:
    known = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
    return str(scope["method"]) if scope["method"] in known else "other"


async def _refuse(error: TooMany, send: Any) -> None:
    content = refusals.body(error)
    heads = [(b"content-type", b"application/json"), (b"content-length", str(len(content)).encode())]
    heads += [(name.lower().encode(), value.encode()) for name, value in refusals.headers(error).items()]
    await send({"type": "http.response.start", "status": 429, "headers": heads})
    await send({"type": "http.response.body", "body": content})
