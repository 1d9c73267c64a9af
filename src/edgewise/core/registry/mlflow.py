"""Models of an MLflow registry, read through its REST API (2.0) and written into ours. Again is no harm.

Versions keep their numbers as names. Aliases, tags and descriptions come along; metrics of the run that made a version
become its metrics, and the run its lineage. Files stay where MLflow has them: an artifact names their address.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
from sqlalchemy import Connection

from edgewise.core.registry import entries, search
from edgewise.core.registry.entries import ARTIFACT, MODEL, VERSION, Document
from edgewise.errors import BadImport, Conflict, NotFound

PATIENCE_S = 30.0
PAGE = 100
MAX_PAGES = 10_000
API = "/api/2.0/mlflow"


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What came: names of models, and how many versions were new or there before."""

    models: tuple[str, ...]
    new: int
    known: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A model as MLflow has it, with its versions, and the runs of these by id."""

    model: Document
    versions: tuple[Document, ...]
    runs: dict[str, Document]


def read(address: str, token: str = "") -> Iterator[Found]:
    """The models of the registry at `address`, one after the other.

    Raises:
        BadImport: it does not answer, refuses, or answers otherwise than MLflow's documents say.
    """
    heads = {"Authorization": f"Bearer {token}"} if token else {}
    with httpx.Client(base_url=address.rstrip("/"), headers=heads, timeout=PATIENCE_S) as client:
        for model in _pages(client, "registered-models/search", "registered_models", {}):
            name = _text(model, "name")
            pages = _pages(client, "model-versions/search", "model_versions", {"filter": _named(name)})
            versions = tuple(one for one in pages if one.get("name") == name)
            ids = {one["run_id"] for one in versions if one.get("run_id")}
            yield Found(model=model, versions=versions, runs={name: _run(client, name) for name in sorted(ids)})


def _named(name: str) -> str:
    """MLflow's filter for the versions of `name`. It knows two kinds of quotes and no escapes: "" lets all through."""
    return next((f"name={quote}{name}{quote}" for quote in "'\"" if quote not in name), "")


def keep(connection: Connection, found: Found, address: str, *, now_ms: int) -> Imported:
    """Write a model and its versions; those that are here already stay as they are, but for their aliases."""
    name = _text(found.model, "name")
    try:
        model = entries.one(connection, MODEL, {"name": name})
    except NotFound:
        about = {"name": name, "description": str(found.model.get("description") or "")}
        tags = _properties({}, _tags(found.model))
        model = entries.create(connection, MODEL, {**about, "customProperties": tags}, now_ms=now_ms)
    new = sum(_keep_version(connection, model["id"], one, found, address, now_ms) for one in found.versions)
    named = {str(one["alias"]): str(one["version"]) for one in found.model.get("aliases") or ()}
    for one in found.versions:
        named |= {str(alias): _text(one, "version") for alias in one.get("aliases") or ()}
    for alias, version in named.items():
        search.name_alias(connection, name, alias, version)
    return Imported(models=(name,), new=new, known=len(found.versions) - new)


def _keep_version(connection: Connection, model: str, given: Document, found: Found, address: str, now_ms: int) -> bool:
    """True where the version is new."""
    run = found.runs.get(given.get("run_id") or "", {})
    said = {str(one["key"]): float(one["value"]) for one in run.get("data", {}).get("metrics") or ()}
    metrics = {key: value for key, value in said.items() if math.isfinite(value)}  # MLflow keeps NaN; nothing finds it
    tags = _tags(given)
    if given.get("run_id"):
        tags["training_run"] = f"{address.rstrip('/')}#run/{given['run_id']}"
    about = {
        "name": _text(given, "version"),
        "registeredModelId": model,
        "description": str(given.get("description") or ""),
        "author": str(given.get("user_id") or ""),
        "customProperties": _properties(metrics, tags),
    }
    try:
        made = entries.create(connection, VERSION, about, now_ms=int(given.get("creation_timestamp") or now_ms))
    except Conflict:
        return False
    artifact = {
        "artifactType": "model-artifact",
        "name": "model",
        "uri": str(given.get("source") or ""),
        "state": "LIVE",
    }
    entries.create(connection, ARTIFACT, artifact, now_ms=now_ms, version=int(made["id"]))
    return True


def _properties(metrics: dict[str, float], tags: dict[str, str]) -> Document:
    texts = {key: {"metadataType": "MetadataStringValue", "string_value": value} for key, value in tags.items()}
    numbers = {key: {"metadataType": "MetadataDoubleValue", "double_value": value} for key, value in metrics.items()}
    return texts | numbers


def _tags(given: Document) -> dict[str, str]:
    return {str(one["key"]): str(one.get("value", "")) for one in given.get("tags") or ()}


def _pages(client: httpx.Client, path: str, key: str, wanted: dict[str, str]) -> Iterator[Document]:
    token = ""
    for _ in range(MAX_PAGES):
        more = {"page_token": token} if token else {}
        page = _ask(client, path, {**wanted, "max_results": str(PAGE), **more})
        rows = page.get(key, [])
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise BadImport(f"MLflow's {path} has no list of {key}")
        yield from rows
        token = str(page.get("next_page_token") or "")
        if not token:
            return
    raise BadImport(f"MLflow's {path} never ends")


def _run(client: httpx.Client, name: str) -> Document:
    """A run; nothing where MLflow has forgotten it."""
    try:
        found = _ask(client, "runs/get", {"run_id": name}).get("run", {})
    except NotFound:
        return {}
    return found if isinstance(found, dict) else {}


def _ask(client: httpx.Client, path: str, wanted: dict[str, str]) -> Document:
    hint = "the address of an MLflow server, such as http://mlflow.example:5000"
    try:
        answer = client.get(f"{API}/{path}", params=wanted)
        found: Any = answer.json()
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        raise BadImport(f"what answers at {client.base_url} is no MLflow: {error}", hint=hint) from error
    if answer.status_code == 404 and isinstance(found, dict) and found.get("error_code") == "RESOURCE_DOES_NOT_EXIST":
        raise NotFound(str(found.get("message", path)))
    if not answer.is_success or not isinstance(found, dict):
        said = found.get("message", "") if isinstance(found, dict) else ""
        raise BadImport(f"MLflow answers {answer.status_code} to {path}: {said}", hint=hint)
    return found


def _text(given: Document, name: str) -> str:
    value = given.get(name)
    if not isinstance(value, str | int) or value == "":
        raise BadImport(f"MLflow has an entry without {name}")
    return str(value)
