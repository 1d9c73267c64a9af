"""The REST skin against its own OpenAPI document, by Schemathesis."""

from collections.abc import Iterator
from typing import Any

import orjson
import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from edgewise.edge.serve.http.routes import OPENAPI
from fakes.serve_core import Skins
from fakes.serve_process import exchange, open_connection, request

DOCUMENT = orjson.loads(OPENAPI.read_bytes())
CHECKS = [not_a_server_error, content_type_conformance, response_schema_conformance, status_code_conformance]
MODELS = ["echo", "echo-BYTES", "echo-BOOL", "nothing", "\u00e4"]


def narrowed() -> dict[str, Any]:
    """The document, with models that are there among the names, and without what keeps no metrics here."""
    made: dict[str, Any] = orjson.loads(OPENAPI.read_bytes())
    for path in made["paths"].values():
        for parameter in path.get("parameters", []):
            parameter["schema"] = {"enum": MODELS if parameter["name"] == "model_name" else ["1", "2"]}
    return made


schema = schemathesis.openapi.from_dict(narrowed())


@pytest.fixture(scope="module")
def skins() -> Iterator[Skins]:
    with Skins() as started:
        yield started


@schema.parametrize()
@settings(max_examples=12, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), database=None)
def test_every_answer_is_as_the_document_says(case: Any, skins: Skins):
    case.call_and_validate(base_url=f"http://{skins.netloc}", checks=CHECKS, timeout=30)


def test_the_document_is_served(skins: Skins):
    with open_connection(skins.address) as connection:
        status, _, body = exchange(connection, request("GET", "/openapi.json"))
    assert (status, orjson.loads(body)) == (200, DOCUMENT)


def test_every_path_of_the_document_is_there(skins: Skins):
    skins.core.models.loaded = set(skins.core.models.known)
    for path, operations in DOCUMENT["paths"].items():
        target = path.replace("{model_name}", "echo").replace("{model_version}", "1")
        for method in operations.keys() & {"get", "post"}:
            with open_connection(skins.address) as connection:
                status, _, body = exchange(connection, request(method.upper(), target))
            assert status in (200, 400) or (path, b"no metrics" in body) == ("/metrics", True), (method, path, body)
