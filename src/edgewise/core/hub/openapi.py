"""The OpenAPI 3.1 document of `/api/v1`, written from the table of calls."""

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, TypeAdapter

from edgewise import __version__
from edgewise.core.hub.call import Call, Parameter

REFUSAL = {
    "type": "object",
    "properties": {"error": {"type": "string"}, "hint": {"type": "string"}},
    "required": ["error", "hint"],
}
MEANING = {
    200: "Done.",
    201: "Made.",
    204: "Done; there is nothing to say.",
    400: "Not understood.",
    401: "No token, or one that does not count.",
    403: "The role is too small.",
    404: "It is not there.",
    405: "Another method.",
    408: "The body did not come in time.",
    409: "It was changed before.",
    413: "The body is too long.",
    415: "Another media type.",
    429: "Too many requests; Retry-After says when.",
    503: "The database is not there; Retry-After says when to try again.",
}


def document(calls: Sequence[Call]) -> dict[str, Any]:
    """The document, as JSON."""
    schemas: dict[str, Any] = {"Refusal": REFUSAL}
    paths: dict[str, dict[str, Any]] = {}
    for call in calls:
        paths.setdefault(call.path, {})[call.method.lower()] = _operation(call, schemas)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Edgewise hub", "version": __version__, "description": "See docs/reference/hub-api.md."},
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _operation(call: Call, schemas: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {
        "summary": call.summary,
        "operationId": f"{call.method.lower()}-{call.path.removeprefix('/api/v1/').replace('/', '-').strip('{}')}",
        "parameters": [_parameter(one) for one in call.parameters],
        "responses": {str(call.status): _answer(call, schemas)},
        "security": [{"token": []}] if call.role else [],
    }
    if call.role:
        found["description"] = f"For the role {call.role.value} and above."
    if call.body is not None:
        schema = dict(call.schema) if not _is_model(call.body) else _schema(call.body, schemas, mode="validation")
        found["requestBody"] = {"required": True, "content": {call.takes: {"schema": schema}}}
    codes = {400, 429, 503, *call.refusals}
    codes |= {401, 403} if call.role else set()
    codes |= {408, 413} if call.body is not None else set()
    codes |= {415} if _is_model(call.body) else set()
    for code in sorted(codes):
        refusal = {"application/json": {"schema": {"$ref": "#/components/schemas/Refusal"}}}
        found["responses"][str(code)] = {"description": MEANING[code], "content": refusal}
    return found


def _parameter(one: Parameter) -> dict[str, Any]:
    return {
        "name": one.name,
        "in": one.inside,
        "required": one.inside == "path",
        "description": one.help,
        "schema": dict(one.schema),
    }


def _answer(call: Call, schemas: dict[str, Any]) -> dict[str, Any]:
    said: dict[str, Any] = {"description": MEANING[call.status]}
    if call.answer is not None:
        schema = {} if call.answer is bytes else _schema(call.answer, schemas, mode="serialization")
        said["content"] = {call.media_type: {"schema": schema}}
    return said


def _schema(kind: Any, schemas: dict[str, Any], *, mode: Any) -> dict[str, Any]:
    """A reference to the schema of `kind`, whose parts go to `schemas`."""
    made = TypeAdapter(kind).json_schema(mode=mode, ref_template="#/components/schemas/{model}")
    schemas.update(made.pop("$defs", {}))
    name = made.get("title") if isinstance(kind, type) else None
    if name:
        schemas[name] = made
        return {"$ref": f"#/components/schemas/{name}"}
    return made


def _is_model(body: Any) -> bool:
    return isinstance(body, type) and issubclass(body, BaseModel)
