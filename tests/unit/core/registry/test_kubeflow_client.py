"""Kubeflow's own client, unchanged, against the registry."""

from collections.abc import Iterator

import httpx
import pytest
from model_registry import ModelRegistry
from model_registry.types import ModelArtifact, RegisteredModel

from edgewise.core.database.engine import Database
from edgewise.core.hub.users import Role
from fakes.hubs import head, serving


@pytest.fixture
def served(database: Database) -> Iterator[tuple[httpx.Client, dict[str, str]]]:
    with serving(database) as client:
        yield client, head(database, Role.PUBLISHER)


@pytest.fixture
def registry(served: tuple[httpx.Client, dict[str, str]]) -> ModelRegistry:
    client, heads = served
    url = client.base_url
    token = heads["Authorization"].removeprefix("Bearer ")
    return ModelRegistry(f"http://{url.host}", url.port, author="anna", is_secure=False, user_token=token)


def register(registry: ModelRegistry, version: str = "1", **more: object) -> RegisteredModel:
    return registry.register_model(
        "meter-reader",
        f"oci://registry.example/meter-reader@sha256:{'c' * 64}",
        version=version,
        description="reads meters",
        model_format_name="onnx",
        model_format_version="1",
        metadata={"accuracy": 0.97, "epochs": 3, "team": "press", "checked": True},
        **more,  # type: ignore[arg-type]
    )


def test_a_registered_model_is_read_as_it_was_written(registry: ModelRegistry) -> None:
    made = register(registry)
    model = registry.get_registered_model("meter-reader")
    version = registry.get_model_version("meter-reader", "1")
    artifact = registry.get_model_artifact("meter-reader", "1")
    assert model is not None
    assert version is not None
    assert artifact is not None
    assert (model.id, model.name) == (made.id, "meter-reader")
    assert (version.name, version.author, version.description) == ("1", "anna", "reads meters")
    assert version.custom_properties == {"accuracy": 0.97, "epochs": 3, "team": "press", "checked": True}
    assert artifact.uri.endswith("c" * 64)
    assert (artifact.model_format_name, artifact.model_format_version) == ("onnx", "1")
    assert registry.get_model_version("meter-reader", "2") is None
    assert registry.get_registered_model("nobody") is None


def test_what_is_changed_stays_changed_and_the_rest_as_it_was(registry: ModelRegistry) -> None:
    register(registry)
    model, version = registry.get_registered_model("meter-reader"), registry.get_model_version("meter-reader", "1")
    artifact = registry.get_model_artifact("meter-reader", "1")
    assert model is not None
    assert version is not None
    assert artifact is not None
    model.description = "reads all meters"
    version.custom_properties = {"accuracy": 0.98}
    artifact.uri = "oci://elsewhere"
    for entry in (model, version, artifact):
        registry.update(entry)
    again = registry.get_model_version("meter-reader", "1")
    assert again is not None
    assert (again.custom_properties, again.author) == ({"accuracy": 0.98}, "anna")
    assert registry.get_registered_model("meter-reader").description == "reads all meters"  # type: ignore[union-attr]
    changed = registry.get_model_artifact("meter-reader", "1")
    assert changed is not None
    assert (changed.uri, changed.model_format_name) == ("oci://elsewhere", "onnx")


def test_lists_are_walked_to_their_end(registry: ModelRegistry) -> None:
    for number in range(7):
        register(registry, version=str(number))
    forth = [one.name for one in registry.get_model_versions("meter-reader").page_size(3).order_by_creation_time()]
    back = [one.name for one in registry.get_model_versions("meter-reader").page_size(3).order_by_id().descending()]
    assert forth == [str(number) for number in range(7)]
    assert back == forth[::-1]
    assert [one.name for one in registry.get_registered_models()] == ["meter-reader"]


def test_a_version_is_registered_once(registry: ModelRegistry) -> None:
    register(registry)
    with pytest.raises(Exception, match=r"already|exists|409"):
        register(registry)


def test_kubeflow_s_own_paths_of_before_are_served_too(served: tuple[httpx.Client, dict[str, str]]) -> None:
    client, heads = served
    base = "/api/model_registry/v1alpha3"
    made = client.post(f"{base}/registered_models", json={"name": "m", "externalId": "x"}, headers=heads)
    assert made.status_code == 201
    number = made.json()["id"]
    assert client.get(f"{base}/registered_model?externalId=x", headers=heads).json()["id"] == number
    assert client.get(f"/api/model_registry/v1/registered_models/{number}", headers=heads).json()["name"] == "m"
    missing = client.get(f"{base}/registered_models/999", headers=heads)
    assert (missing.status_code, missing.json()["code"]) == (404, "404")
    version = client.post(f"{base}/registered_models/{number}/versions", json={"name": "1"}, headers=heads).json()
    artifact = {"artifactType": "doc-artifact", "name": "card", "uri": "https://example"}
    kept = client.post(f"{base}/model_versions/{version['id']}/artifacts", json=artifact, headers=heads).json()
    changed = client.post(
        f"{base}/model_versions/{version['id']}/artifacts", json={**kept, "description": "new"}, headers=heads
    ).json()
    assert (changed["id"], changed["description"]) == (kept["id"], "new")
    listed = client.get(f"{base}/model_versions/{version['id']}/artifacts", headers=heads).json()
    assert [one["artifactType"] for one in listed["items"]] == ["doc-artifact"]


@pytest.mark.parametrize(
    "document",
    [
        {},
        [],
        {"name": "m\0"},
        {"name": "m", "state": "Production"},
        {"name": "m" * 300},
        {"name": "m", "customProperties": {"a": 1}},
        {"name": "m", "customProperties": {"a": {"metadataType": "MetadataIntValue", "int_value": "1.5"}}},
        {"name": "m", "language": "en"},
    ],
)
def test_what_is_no_model_is_refused(served: tuple[httpx.Client, dict[str, str]], document: object) -> None:
    client, heads = served
    path = "/api/model_registry/v1/registered_models"
    assert client.post(path, json=document, headers=heads).status_code == 400
    assert client.get(path, headers=heads).json()["size"] == 0


def test_a_viewer_looks_and_does_not_write(database: Database) -> None:
    heads = head(database, Role.VIEWER)
    with serving(database) as client:
        path = "/api/model_registry/v1/registered_models"
        assert client.get(path).status_code == 401
        assert client.get(path, headers=heads).status_code == 200
        assert client.post(path, json={"name": "m"}, headers=heads).status_code == 403
        assert client.get(f"{path}?nextPageToken=abc", headers=heads).status_code == 400


def test_an_artifact_of_its_own(registry: ModelRegistry, served: tuple[httpx.Client, dict[str, str]]) -> None:
    client, heads = served
    made = ModelArtifact(name="alone", uri="oci://x").create().to_dict()
    kept = client.post("/api/model_registry/v1/model_artifacts", json=made, headers=heads)
    assert kept.json()["name"] == "alone"
