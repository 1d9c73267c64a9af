"""From the table of calls to routes: who asks, what was asked, the work in a thread, the answer or the refusal.

Calls with a browser's cookie may only look: what changes something carries a token in its head, which no other site's
page can make a browser send.
"""

import asyncio
import json
import sys
import traceback
from collections.abc import Sequence
from functools import cache
from typing import Any

from pydantic import BaseModel, TypeAdapter, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from edgewise.core.hub import refusals, users
from edgewise.core.hub.call import Asked, Call, Hub, Raw
from edgewise.core.hub.refusals import TooLarge, TooSlow, WrongMediaType, WrongMethod
from edgewise.core.hub.users import User
from edgewise.errors import BadInput, EdgewiseError

COOKIE = "edgewise_session"
PATIENCE_S = 30.0
"""For a whole body."""


def routes(calls: Sequence[Call], hub: Hub) -> list[Route]:
    """A route for every address; methods that it does not know are refused."""
    paths: dict[str, dict[str, Call]] = {}
    for call in calls:
        paths.setdefault(call.path, {})[call.method] = call
    return [_route(path, methods, hub) for path, methods in paths.items()]


def _route(path: str, methods: dict[str, Call], hub: Hub) -> Route:
    async def endpoint(request: Request) -> Response:
        method = "GET" if request.method == "HEAD" else request.method
        call = methods.get(method)
        if call is None:
            refused = refusal(WrongMethod(f"{request.method} is not taken here", hint=f"{', '.join(methods)} is"))
            refused.headers["Allow"] = ", ".join(methods)
            return refused
        return await _answered(call, hub, request)

    # Starlette's own answer to a wrong method is no JSON: every method comes here.
    known = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "QUERY"]
    return Route(path, endpoint, methods=known)


async def _answered(call: Call, hub: Hub, request: Request) -> Response:
    try:
        body = await body_of(request, call.limit_bytes) if call.body else b""
        answer = await run_in_threadpool(_done, call, hub, request, body)
    except EdgewiseError as error:
        if refusals.status(error) == 500:
            traceback.print_exc(file=sys.stderr)
        return refusal(error)
    except ClientDisconnect:
        return Response(status_code=400)
    return response(call, answer)


def _done(call: Call, hub: Hub, request: Request, body: bytes) -> Any:
    user = who(hub, request, only_look=call.method != "GET")
    if call.role is not None:
        users.require(user, call.role)
    values = {
        one.name: one.value(request.path_params.get(one.name) if one.inside == "path" else _query(request, one.name))
        for one in call.parameters
    }
    unknown = set(request.query_params) - {one.name for one in call.parameters if one.inside == "query"}
    if unknown:
        raise BadInput(f"there is no parameter {min(unknown)[:80]!r}")
    document = _document(call, request, body)
    address = request.client.host if request.client else ""
    return call.run(hub, Asked(values=values, user=user, body=body, document=document, address=address))


def _query(request: Request, name: str) -> str | None:
    found = request.query_params.getlist(name)
    if len(found) > 1:
        raise BadInput(f"{name} stands in the address {len(found)} times")
    return found[0] if found else None


def who(hub: Hub, request: Request, *, only_look: bool = False) -> User | None:
    """Who asks: by the token in the head, or by a browser's session where that is enough; None for nobody.

    Raises:
        TokenRefused: a token was shown, and it does not count.
    """
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    session = "" if only_look else request.cookies.get(COOKIE, "")
    if scheme.lower() != "bearer" and not session:
        return None
    with hub.database.reading() as connection:
        if scheme.lower() == "bearer":
            return users.by_token(connection, token.strip(), now_s=hub.now_s())
        return users.by_session(connection, session, now_s=hub.now_s())


async def body_of(request: Request, limit_bytes: int) -> bytes:
    """The body, whole.

    Raises:
        TooLarge: it is longer than `limit_bytes`.
        TooSlow: it takes longer than `PATIENCE_S`.
    """
    stated = request.headers.get("content-length", "0")
    if stated.isascii() and stated.isdigit() and int(stated) > limit_bytes:
        raise TooLarge(f"a body of {stated} bytes is longer than {limit_bytes}")
    content = bytearray()
    try:
        async with asyncio.timeout(PATIENCE_S):
            async for piece in request.stream():
                content += piece
                if len(content) > limit_bytes:
                    raise TooLarge(f"a body is longer than {limit_bytes} bytes")
    except TimeoutError as error:
        raise TooSlow(f"the body did not come within {PATIENCE_S:.0f} s") from error
    return bytes(content)


def _document(call: Call, request: Request, body: bytes) -> Any:
    model = call.body
    if model is None or model is bytes:
        return None
    given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if given != "application/json":
        raise WrongMediaType(f"a body of {given or 'no type'} is not taken", hint="Content-Type: application/json")
    assert issubclass(model, BaseModel)
    return parsed(model, body)


def parsed(model: type[BaseModel], body: bytes) -> Any:
    """The document in `body`.

    Raises:
        BadInput: it is none; names the first faults.
    """
    try:
        return model.model_validate_json(body.decode())
    except UnicodeDecodeError as error:
        raise BadInput("the body is no UTF-8") from error
    except ValidationError as error:
        faults = [f"{'.'.join(map(str, one['loc'])) or 'body'}: {one['msg']}" for one in error.errors()[:5]]
        raise BadInput("; ".join(faults)) from error


def response(call: Call, answer: Any) -> Response:
    """What `run` returned, as HTTP."""
    if isinstance(answer, Raw):
        return Response(answer.content, call.status, dict(answer.headers), answer.media_type)
    if call.answer is None:
        return Response(status_code=204)
    return Response(adapter(call.answer).dump_json(answer), call.status, media_type="application/json")


@cache
def adapter(kind: Any) -> TypeAdapter[Any]:
    """What writes values of `kind` as JSON; making one takes longer than using it."""
    return TypeAdapter(kind)


def refusal(error: EdgewiseError) -> Response:
    """`error` as HTTP."""
    content, code = refusals.body(error), refusals.status(error)
    return Response(content, code, refusals.headers(error), media_type="application/json")


def bug() -> Response:
    """What whoever asked is told of a bug; its traceback is in the log."""
    said = {"error": "the hub has a bug", "hint": "its log has the details"}
    return Response(json.dumps(said), 500, media_type="application/json")
