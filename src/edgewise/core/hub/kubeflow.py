"""Kubeflow Model Registry's REST API over the registry, so that its clients work unchanged.

The paths are the same under `v1` and `v1alpha3`: clients of both are about. Errors have Kubeflow's form. Serving
environments and inference services are not part of it: what runs where is known from devices.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from edgewise.core.database.schema import artifacts, versions
from edgewise.core.hub import audit, refusals, routes, users
from edgewise.core.hub.call import Hub
from edgewise.core.hub.users import Role
from edgewise.core.registry import entries
from edgewise.core.registry.entries import ARTIFACT, MODEL, VERSION, Document, Kind
from edgewise.core.registry.pages import Paging, listed
from edgewise.errors import BadInput, EdgewiseError, NotFound

PREFIXES = ("/api/model_registry/v1", "/api/model_registry/v1alpha3")
LIMIT_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A call: the connection is of a transaction that writes where the method does."""

    connection: Any
    path: dict[str, str]
    query: dict[str, str]
    document: Document
    now_ms: int
    who: str

    def number(self, name: str) -> int:
        """A number in the path."""
        if not re.fullmatch("[0-9]{1,18}", self.path[name]):
            raise NotFound(f"there is no {name} {self.path[name][:40]!r}")
        return int(self.path[name])

    @property
    def paging(self) -> Paging:
        """How a list is asked for."""
        size = self.query.get("pageSize") or "100"
        if not re.fullmatch("[0-9]{1,9}", size):
            raise BadInput(f"pageSize is {size[:40]!r}, not a number")
        return Paging(
            size=int(size),
            order_by=self.query.get("orderBy", ""),
            descending=self.query.get("sortOrder", "ASC").upper() == "DESC",
            token=self.query.get("nextPageToken", ""),
        )

    def note(self, action: str, document: Document) -> None:
        """A line of the audit log."""
        about = {"id": document["id"], "name": document.get("name", "")}
        audit.note(
            self.connection,
            at_s=self.now_ms // 1000,
            who=self.who,
            action=action,
            subject=document.get("name") or document["id"],
            details=about,
        )


Run = Callable[[Asked], Document]


def _create(kind: Kind) -> Run:
    def run(asked: Asked) -> Document:
        made = entries.create(asked.connection, kind, asked.document, now_ms=asked.now_ms)
        asked.note(f"register {kind.word}", made)
        return made

    return run


def _get(kind: Kind) -> Run:
    return lambda asked: entries.get(asked.connection, kind, asked.number("id"))


def _change(kind: Kind) -> Run:
    def run(asked: Asked) -> Document:
        done = entries.change(asked.connection, kind, asked.number("id"), asked.document, now_ms=asked.now_ms)
        asked.note(f"change {kind.word}", done)
        return done

    return run


def _list(kind: Kind, *, models_only: bool = False) -> Run:
    def run(asked: Asked) -> Document:
        wanted = asked.query.get("artifactType", "model-artifact" if models_only else "")
        conditions = (artifacts.c.type == wanted,) if kind is ARTIFACT and wanted else ()
        return listed(asked.connection, kind, asked.paging, *conditions)

    return run


def _find(kind: Kind) -> Run:
    def run(asked: Asked) -> Document:
        wanted: dict[str, Any] = {}
        if asked.query.get("name"):
            wanted["name"] = asked.query["name"]
        if asked.query.get("externalId"):
            wanted["external_id"] = asked.query["externalId"]
        parent = asked.query.get("parentResourceId", "")
        if parent and kind is not MODEL:
            wanted["model" if kind is VERSION else "version"] = (
                int(parent) if re.fullmatch("[0-9]{1,18}", parent) else -1
            )
        if not wanted.keys() - {"model", "version"}:
            raise BadInput("name or externalId says what to find")
        return entries.one(asked.connection, kind, wanted)

    return run


def _versions_of(asked: Asked) -> Document:
    number = int(entries.get(asked.connection, MODEL, asked.number("id"))["id"])
    more = (versions.c.name == asked.query["name"],) if asked.query.get("name") else ()
    return listed(asked.connection, VERSION, asked.paging, versions.c.model == number, *more)


def _artifacts_of(asked: Asked) -> Document:
    number = int(entries.get(asked.connection, VERSION, asked.number("id"))["id"])
    conditions = [artifacts.c.version == number]
    for name, column in (("artifactType", artifacts.c.type), ("name", artifacts.c.name)):
        if asked.query.get(name):
            conditions.append(column == asked.query[name])
    return listed(asked.connection, ARTIFACT, asked.paging, *conditions)


def _put_artifact(asked: Asked) -> Document:
    """Create an artifact of a version, or change the one whose id stands in the document."""
    version = int(entries.get(asked.connection, VERSION, asked.number("id"))["id"])
    known = str(asked.document.get("id") or "") if isinstance(asked.document, dict) else ""
    if known:
        if not re.fullmatch("[0-9]{1,18}", known):
            raise NotFound(f"there is no artifact {known[:40]!r}")
        return entries.change(asked.connection, ARTIFACT, int(known), asked.document, now_ms=asked.now_ms)
    made = entries.create(asked.connection, ARTIFACT, asked.document, now_ms=asked.now_ms, version=version)
    asked.note("register artifact", made)
    return made


def _new_version_of(asked: Asked) -> Document:
    owner = str(asked.number("id"))
    if not isinstance(asked.document, dict):
        raise BadInput("a version is a JSON object")
    made = entries.create(
        asked.connection, VERSION, {**asked.document, "registeredModelId": owner}, now_ms=asked.now_ms
    )
    asked.note("register version", made)
    return made


TABLE: tuple[tuple[str, str, Run], ...] = (
    ("GET", "/registered_models", _list(MODEL)),
    ("POST", "/registered_models", _create(MODEL)),
    ("GET", "/registered_model", _find(MODEL)),
    ("GET", "/registered_models/{id}", _get(MODEL)),
    ("PATCH", "/registered_models/{id}", _change(MODEL)),
    ("GET", "/registered_models/{id}/versions", _versions_of),
    ("POST", "/registered_models/{id}/versions", _new_version_of),
    ("GET", "/model_versions", _list(VERSION)),
    ("POST", "/model_versions", _create(VERSION)),
    ("GET", "/model_version", _find(VERSION)),
    ("GET", "/model_versions/{id}", _get(VERSION)),
    ("PATCH", "/model_versions/{id}", _change(VERSION)),
    ("GET", "/model_versions/{id}/artifacts", _artifacts_of),
    ("POST", "/model_versions/{id}/artifacts", _put_artifact),
    ("GET", "/model_artifacts", _list(ARTIFACT, models_only=True)),
    ("POST", "/model_artifacts", _create(ARTIFACT)),
    ("GET", "/model_artifact", _find(ARTIFACT)),
    ("GET", "/model_artifacts/{id}", _get(ARTIFACT)),
    ("PATCH", "/model_artifacts/{id}", _change(ARTIFACT)),
    ("GET", "/artifacts", _list(ARTIFACT)),
    ("POST", "/artifacts", _create(ARTIFACT)),
    ("GET", "/artifact", _find(ARTIFACT)),
    ("GET", "/artifacts/{id}", _get(ARTIFACT)),
    ("PATCH", "/artifacts/{id}", _change(ARTIFACT)),
)


def kubeflow_routes(hub: Hub) -> list[Route]:
    """A route for every line of the table, under every prefix."""
    return [
        Route(prefix + path, _endpoint(hub, method, run), methods=[method])
        for prefix in PREFIXES
        for method, path, run in TABLE
    ]


def _endpoint(hub: Hub, method: str, run: Run) -> Callable[[Request], Any]:
    async def endpoint(request: Request) -> Response:
        try:
            body = await routes.body_of(request, LIMIT_BYTES)
            done = await run_in_threadpool(_done, hub, method, run, request, body)
        except EdgewiseError as error:
            code = refusals.status(error)
            said = json.loads(refusals.body(error))
            return JSONResponse({"code": str(code), "message": said["error"]}, code, refusals.headers(error))
        except ClientDisconnect:
            return Response(status_code=400)
        return JSONResponse(done, 201 if method == "POST" else 200)

    return endpoint


def _done(hub: Hub, method: str, run: Run, request: Request, body: bytes) -> Document:
    reads = method == "GET"
    user = users.require(routes.who(hub, request, only_look=not reads), Role.VIEWER if reads else Role.PUBLISHER)
    try:
        document = {} if reads else json.loads(body.decode())
    except (ValueError, RecursionError) as error:
        raise BadInput("the body is no JSON") from error
    for value in request.query_params.values():
        if "\0" in value or re.search("[\ud800-\udfff]", value):
            raise BadInput("a parameter is no text")
    with hub.database.reading() if reads else hub.database.writing() as connection:
        return run(
            Asked(
                connection=connection,
                path=dict(request.path_params),
                query=dict(request.query_params),
                document=document,
                now_ms=hub.now_s() * 1000,
                who=user.name,
            )
        )
