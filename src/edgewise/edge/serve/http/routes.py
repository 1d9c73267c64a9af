"""What a method and a target mean."""

import asyncio
import traceback
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from edgewise.edge.serve import describe
from edgewise.edge.serve.describe import TensorMetadata
from edgewise.edge.serve.faults import BadRequest, Fault
from edgewise.edge.serve.http import answers, inference, numbers
from edgewise.edge.serve.http.answers import Answer, Refusal
from edgewise.edge.serve.http.message import Message

if TYPE_CHECKING:
    from edgewise.edge.serve.http.connection import Connection
    from edgewise.edge.serve.http.site import Site


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """What a target is about: `act` answers now, or None and later through the connection."""

    methods: tuple[bytes, ...]
    act: "Callable[[Site, Connection, Message, Route], Answer | None]"
    model: str = ""
    version: str = ""
    open_to_all: bool = False


OPENAPI = Path(__file__).with_name("openapi.json")
GET = (b"GET", b"HEAD")
POST = (b"POST",)
_KEPT = 512
_kept: dict[bytes, Route] = {}


def answer(site: "Site", connection: "Connection", message: Message) -> Answer | None:
    """The answer to `message`, None where it comes later.

    Raises:
        Refusal, Fault: it has none.
    """
    route = _kept.get(message.target) or _found(message.target)
    if message.method not in route.methods:
        allowed = b", ".join(route.methods)
        raise Refusal(405, f"{allowed.decode()} is what can be done here", headers=b"Allow: %b\r\n" % allowed)
    if site.keys is not None and not route.open_to_all:
        site.keys.check(message.authorization)
    return route.act(site, connection, message, route)


def _found(target: bytes) -> Route:
    path = target.split(b"?", 1)[0]
    if not path.startswith(b"/"):  # the absolute form, as proxies send it
        scheme, _, rest = path.partition(b"://")
        if scheme.lower() not in (b"http", b"https"):
            raise Refusal(400, "this is no target")
        path = b"/" + rest.partition(b"/")[2]
    try:
        segments = [unquote(one, errors="strict") for one in path[1:].decode("ascii").split("/")]
    except UnicodeDecodeError as error:
        raise Refusal(400, "the target is no UTF-8") from error
    route = _route(segments[:-1] if segments[-1] == "" else segments)
    if route.model:
        if len(_kept) >= _KEPT:
            _kept.clear()
        _kept[target] = route
    return route


def _route(segments: list[str]) -> Route:
    match segments:
        case ["v2", "models", model, "infer"] if model:
            return Route(methods=POST, act=inference.begin, model=model)
        case ["v2", "models", model, "versions", version, "infer"] if model:
            return Route(methods=POST, act=inference.begin, model=model, version=version)
        case ["v2", "models", model, *rest] if model:
            version = rest[1] if rest[:1] == ["versions"] and len(rest) > 1 else ""
            return _about_model(model, version, rest[2:] if version else rest)
        case ["v2", "health", "live"]:
            return Route(methods=GET, act=_live, open_to_all=True)
        case ["v2", "health", "ready"]:
            return Route(methods=GET, act=_ready, open_to_all=True)
        case ["v2"]:
            return Route(methods=GET, act=_server)
        case ["v2", "repository", "index"]:
            return Route(methods=POST, act=_index)
        case ["v2", "repository", "models", model, "load"]:
            return Route(methods=POST, act=_load, model=model)
        case ["v2", "repository", "models", model, "unload"]:
            return Route(methods=POST, act=_unload, model=model)
        case ["metrics"]:
            return Route(methods=GET, act=_metrics)
        case ["openapi.json"]:
            return Route(methods=GET, act=_openapi)
        case _:
            raise Refusal(404, "there is nothing here; the protocol is served under /v2")


def _about_model(model: str, version: str, rest: list[str]) -> Route:
    match rest:
        case []:
            return Route(methods=GET, act=_model, model=model, version=version)
        case ["ready"]:
            return Route(methods=GET, act=_model_ready, model=model, version=version)
        case ["config"]:
            return Route(methods=GET, act=_config, model=model, version=version)
        case _:
            raise Refusal(404, "a model has infer, ready and config")


def _live(site: "Site", _connection: "Connection", _message: Message, _route: Route) -> Answer:
    return answers.document({"live": True, "draining": site.draining})


def _ready(site: "Site", _connection: "Connection", _message: Message, _route: Route) -> Answer:
    ready = site.core.ready and not site.draining
    return answers.document({"ready": ready}, 200 if ready else 503)


def _server(_site: "Site", _connection: "Connection", _message: Message, _route: Route) -> Answer:
    return answers.document({"name": describe.SERVER, "version": describe.VERSION, "extensions": describe.EXTENSIONS})


def _model_ready(site: "Site", _connection: "Connection", _message: Message, route: Route) -> Answer:
    found = site.core.models.find(route.model, route.version)
    ready = found is not None
    return answers.document({"name": route.model, "ready": ready}, 200 if ready else 503)


def _model(site: "Site", connection: "Connection", _message: Message, route: Route) -> None:
    async def tell() -> Answer:
        found = describe.model(await site.core.models.fetch(route.model, route.version))
        return answers.document(
            {
                "name": found.name,
                "versions": describe.versions(site.core.models, found),
                "platform": found.platform,
                "inputs": [_shown(one) for one in found.inputs],
                "outputs": [_shown(one) for one in found.outputs],
            }
        )

    _later(site, connection, tell())


def _shown(tensor: TensorMetadata) -> dict[str, Any]:
    return {"name": tensor.name, "datatype": tensor.datatype, "shape": tensor.shape}


def _config(site: "Site", connection: "Connection", _message: Message, route: Route) -> None:
    async def tell() -> Answer:
        return answers.document(describe.configuration(await site.core.models.fetch(route.model, route.version)))

    _later(site, connection, tell())


def _index(site: "Site", _connection: "Connection", message: Message, _route: Route) -> Answer:
    said = _object(message)
    only_ready = said.get("ready", False)
    if not isinstance(only_ready, bool):
        raise BadRequest("ready is neither true nor false")
    return answers.document(
        [
            {"name": one.name, "version": one.version, "state": one.state, "reason": one.reason}
            for one in site.core.models.index()
            if one.state == "READY" or not only_ready
        ]
    )


def _load(site: "Site", connection: "Connection", message: Message, route: Route) -> None:
    if _object(message).get("parameters"):
        raise BadRequest("a model is loaded as its folder has it: no configuration or files come with the request")

    async def load() -> Answer:
        await site.core.models.load(route.model)
        return answers.document({})

    _later(site, connection, load())


def _unload(site: "Site", connection: "Connection", message: Message, route: Route) -> None:
    _object(message)

    async def unload() -> Answer:
        await site.core.models.unload(route.model)
        return answers.document({})

    _later(site, connection, unload())


def _metrics(site: "Site", _connection: "Connection", message: Message, _route: Route) -> Answer:
    if site.observer is None:
        raise Refusal(404, "no metrics are kept")
    content_type, page = site.observer.page(message.headers.get(b"accept", b"").decode("latin-1"))
    return answers.whole(200, page, content_type=content_type.encode())


def _openapi(_site: "Site", _connection: "Connection", _message: Message, _route: Route) -> Answer:
    return answers.whole(200, OPENAPI.read_bytes())


def _object(message: Message) -> dict[str, Any]:
    """The small JSON object that may come as the body."""
    if not message.body:
        return {}
    found = numbers.parse(message.body, elements_limit=1024)
    if not isinstance(found, dict):
        raise BadRequest("the body is no JSON object")
    return found


def _later(site: "Site", connection: "Connection", work: Coroutine[Any, Any, Answer]) -> None:
    async def run() -> None:
        try:
            done = await work
        except Fault as fault:
            done = answers.fault(fault)
        except Exception:
            traceback.print_exc()
            done = answers.refusal(500, "the server has a bug; its own output has the details")
        connection.answer(done)

    task = asyncio.get_running_loop().create_task(run())
    site.tasks.add(task)
    task.add_done_callback(site.tasks.discard)
