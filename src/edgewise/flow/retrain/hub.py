"""What a round asks of the hub, over HTTP or of its database: judged cases, their inputs, and versions of the model.

Versions are registered by Kubeflow's API, which the hub speaks, so that both ways write the same.
"""

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from edgewise.core.database.engine import Database
from edgewise.core.hub import inputs, kubeflow, local, remote
from edgewise.core.hub.calls import CALLS
from edgewise.core.hub.reviews import State
from edgewise.errors import NotFound
from edgewise.flow.retrain.cases import Reviewed

API = "/api/model_registry/v1"
PAGE = "100"
Ask = Callable[[str, str, Mapping[str, str], Mapping[str, Any] | None], Any]
"""Method, path with its `{names}`, values and body of a call; what it answers, as JSON."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewVersion:
    """A version with its lineage.

    Attributes:
        parent: the version that it takes the place of; "" for none.
        data_digest: of the manifest of cases that it has learnt from.
        training_run: what names the run, and is the same when the run is looked at again.
    """

    name: str
    model_digest: str
    metrics: Mapping[str, float]
    parent: str = ""
    data_digest: str = ""
    training_run: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hub:
    """The hub, however it is reached.

    Attributes:
        content: the bytes of an input, by digest.
    """

    ask: Ask
    content: Callable[[str], bytes]

    def reviewed(self, model: str) -> list[Reviewed]:
        """Every case of `model` that a person has judged and whose input has come."""
        found: list[Reviewed] = []
        after = ""
        while True:
            wanted = {"state": State.ANSWERED.value, "model": model, "after": after, "limit": PAGE}
            page = self.ask("GET", "/api/v1/cases", wanted, None)
            found += [_reviewed(one) for one in page["cases"] if one["has_input"]]
            after = page["next"]
            if not after:
                return found

    def versions(self, model: str) -> list[dict[str, Any]]:
        """All versions of `model`, newest first; none where the registry does not know it."""
        found: list[dict[str, Any]] = []
        after = ""
        while True:
            page = self.ask("GET", "/api/v1/versions", {"model": model, "after": after, "limit": PAGE}, None)
            found += page["versions"]
            after = page["next"]
            if not after:
                return found

    def register(self, model: str, version: NewVersion) -> None:
        """Add `version` to `model`, which is made where it is not there.

        Raises:
            Conflict: there is a version of that name.
        """
        try:
            owner = self.ask("GET", f"{API}/registered_model", {"name": model}, None)
        except NotFound:
            owner = self.ask("POST", f"{API}/registered_models", {}, {"name": model})
        texts = {
            "data_digest": version.data_digest,
            "training_run": version.training_run,
            "parent_version": version.parent,
        }
        said: dict[str, Any] = {name: _text(text) for name, text in texts.items() if text}
        said |= {name: _number(value) for name, value in version.metrics.items()}
        made = self.ask(
            "POST",
            f"{API}/registered_models/{{id}}/versions",
            {"id": str(owner["id"])},
            {"name": version.name, "customProperties": said},
        )
        artifact = {
            "artifactType": "model-artifact",
            "name": f"{model} {version.name}",
            "customProperties": {"digest": _text(version.model_digest)},
        }
        self.ask("POST", f"{API}/model_versions/{{id}}/artifacts", {"id": str(made["id"])}, artifact)


def over_http(address: str, token: str) -> Hub:
    """The hub at `address`."""
    return Hub(
        ask=lambda method, path, values, body: remote.ask(address, token, method, path, values, body),
        content=lambda digest: remote.content(address, token, digest),
    )


def at_home(database: Database) -> Hub:
    """The hub's database itself."""

    def content(digest: str) -> bytes:
        with database.reading() as connection:
            return inputs.content(connection, digest)

    def ask(method: str, path: str, values: Mapping[str, str], body: Mapping[str, Any] | None) -> Any:
        if not path.startswith(API):
            return local.ask(CALLS, database, method, path, values, body)
        run = next(run for how, line, run in kubeflow.TABLE if (how, f"{API}{line}") == (method, path))
        with database.reading() if method == "GET" else database.writing() as connection:
            return run(
                kubeflow.Asked(
                    connection=connection,
                    path=dict(values),
                    query=dict(values),
                    document=dict(body or {}),
                    now_ms=int(time.time() * 1000),
                    who=local.DATABASE_USER.name,
                )
            )

    return Hub(ask=ask, content=content)


def next_version(known: list[dict[str, Any]], first: str) -> str:
    """The name after the highest that is a number; what comes after `first` where there is none."""
    numbers = [int(one["name"]) for one in known if re.fullmatch("[0-9]{1,9}", one["name"])]
    return str(max([int(first), *numbers]) + 1)


def _reviewed(one: Mapping[str, Any]) -> Reviewed:
    names = [name for name in Reviewed.__slots__ if name != "label"]
    return Reviewed(label=one["answer"], **{name: one[name] for name in names})


def _text(value: str) -> dict[str, str]:
    return {"metadataType": "MetadataStringValue", "string_value": value}


def _number(value: float) -> dict[str, str | float]:
    return {"metadataType": "MetadataDoubleValue", "double_value": value}
