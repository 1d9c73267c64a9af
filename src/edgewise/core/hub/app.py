"""The hub as an ASGI application: the table of calls, what watches it, and the guard around all."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager

from sqlalchemy import text
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from edgewise.core.database import migrate
from edgewise.core.database.engine import Database
from edgewise.core.hub import fleet, kubeflow, openapi, reviews, routes, upkeep
from edgewise.core.hub import signed as following
from edgewise.core.hub.call import SILENCE_S, Hub
from edgewise.core.hub.calls import CALLS
from edgewise.core.hub.guard import Guard
from edgewise.core.hub.metrics import METRICS
from edgewise.core.hub.pages.site import page_routes
from edgewise.core.hub.signed import Signed
from edgewise.errors import EdgewiseError, NotFound

HISTORY_S = 30 * 24 * 3600
Endpoint = Callable[[Request], Awaitable[Response]]


def make(
    database: Database,
    *,
    silence_s: int = SILENCE_S,
    history_s: int = HISTORY_S,
    per_s: float = 200,
    attempts_per_s: float = 5,
    signed: Signed | None = None,
) -> Guard:
    """The application over `database`, whose schema is current.

    Args:
        silence_s: a device that was not heard of for longer is Offline.
        history_s: how long reports are kept.
        per_s, attempts_per_s: requests of one address, and tries to enrol or sign in, that are let through.
        signed: the tree of releases that devices follow; None where it is not known.
    """
    due = fleet.unknown if signed is None else signed.due
    hub = Hub(database=database, now_s=lambda: int(time.time()), silence_s=silence_s, due=due)
    watched = [
        Route("/healthz", _healthy, methods=["GET"]),
        Route("/readyz", _ready(hub), methods=["GET"]),
        Route("/metrics", _metrics(hub), methods=["GET"]),
        Route("/api/v1/openapi.json", _document, methods=["GET"]),
    ]

    @asynccontextmanager
    async def life(_app: Starlette) -> AsyncIterator[None]:
        beside = [
            asyncio.create_task(upkeep.forever(database, hub.now_s, history_s)),
            asyncio.create_task(upkeep.carry_over(database)),
        ]
        if signed is not None:
            beside.append(asyncio.create_task(following.forever(signed, database)))
        yield
        for task in beside:
            task.cancel()

    app = Starlette(
        lifespan=life,
        routes=[*watched, *routes.routes(CALLS, hub), *kubeflow.kubeflow_routes(hub), *page_routes(hub)],
        exception_handlers={404: _nowhere, 405: _nowhere, Exception: _bug},
    )
    return Guard(app, metrics=METRICS, per_s=per_s, attempts_per_s=attempts_per_s)


async def _healthy(request: Request) -> Response:  # noqa: ARG001 - as Starlette calls it
    return PlainTextResponse("ok\n")


def _ready(hub: Hub) -> Endpoint:
    def look() -> bool:
        with hub.database.reading() as connection:
            connection.execute(text("SELECT 1"))
            return migrate.is_current(connection)

    async def ready(request: Request) -> Response:  # noqa: ARG001 - as Starlette calls it
        try:
            current = await run_in_threadpool(look)
        except EdgewiseError as error:
            return routes.refusal(error)
        return PlainTextResponse("ok\n") if current else PlainTextResponse("the schema is another one\n", 503)

    return ready


def _metrics(hub: Hub) -> Endpoint:
    def gauges() -> Iterator[tuple[str, dict[str, str], float]]:
        with hub.database.reading() as connection:
            counted = fleet.counts(connection, now_s=hub.now_s(), silence_s=hub.silence_s)
            waiting = reviews.waiting(connection)
        for one in counted:
            yield "edgewise_hub_devices", {"site": one.site, "status": one.status.value}, one.devices
        yield "edgewise_hub_cases_open", {}, waiting

    async def metrics(request: Request) -> Response:  # noqa: ARG001 - as Starlette calls it
        try:
            found = await run_in_threadpool(lambda: list(gauges()))
        except EdgewiseError:
            found = []  # what this process has counted is told all the same
        return PlainTextResponse(METRICS.text(found), media_type="text/plain; version=0.0.4")

    return metrics


async def _document(request: Request) -> Response:  # noqa: ARG001 - as Starlette calls it
    return JSONResponse(openapi.document(CALLS))


async def _nowhere(request: Request, _error: Exception) -> Response:
    return routes.refusal(NotFound(f"there is nothing at {request.url.path[:200]}"))


async def _bug(request: Request, _error: Exception) -> Response:  # noqa: ARG001 - as Starlette calls it
    return routes.bug()
