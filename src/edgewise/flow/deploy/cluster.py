"""A release onto a cluster: looked at first, applied by the server, waited for.

1. Every manifest is held against the schemas of the cluster's version.
2. What is there by our names, and is not ours, is told, and nothing is sent.
3. A dry run by the server says what would become of each object; the difference is shown.
4. Applied in order, by server-side apply under one field manager, and waited for until pods are ready.
"""

import difflib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import yaml

from edgewise.build.nodes.kubernetes import tree
from edgewise.build.nodes.kubernetes.objects import Object, document
from edgewise.build.nodes.kubernetes.validate import validate
from edgewise.build.nodes.versions import Version
from edgewise.errors import BadNodeFile, ForeignObjects, NodeRefused

Json = Any
POLL_S = 2.0
NOISE = ("managedFields", "resourceVersion", "uid", "creationTimestamp", "generation", "selfLink")
SHOWN = 6
"""So many objects of others are named."""
Say = Callable[[str], None]


class Api(Protocol):
    """What is asked of a cluster: `api.Cluster`."""

    @property
    def version(self) -> Version:
        """Of its Kubernetes."""
        ...

    def read(self, one: Json) -> Json | None:
        """The object as it is."""
        ...

    def beside(self, one: Json) -> list[Json]:
        """All objects of the kind and namespace of `one`."""
        ...

    def apply(self, one: Json, *, dry_run: bool, force: bool = False) -> Json:
        """The object as it is after applying, or would be."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What applying would do to one object; `difference` has the lines of a unified diff, if it changes."""

    name: str
    new: bool
    difference: tuple[str, ...]


def plan(api: Api, objects: Sequence[Object], *, adopt: bool = False) -> list[Change]:
    """What applying `objects` would do. Nothing is changed.

    Objects of a namespace that is not there yet cannot be tried by the server, and are told as they are written.

    Raises:
        BadNodeFile: the cluster's version would refuse one.
        ForeignObjects: something of our names is not ours, and shall not be adopted.
        NodeRefused, NodeUnreachable, NotDeployable: as the cluster has it.
    """
    documents = [document(one) for one in objects]
    faults = validate([(_name(one), one) for one in documents], api.version)
    if faults:
        raise BadNodeFile("; ".join(f"{fault.file}: {fault.reason}" for fault in faults))
    live = [api.read(one) for one in documents]
    foreign = [_name(one) for one, there in zip(documents, live, strict=True) if there is not None and not _ours(there)]
    if foreign and not adopt:
        others = _others(api, documents) if any(name.startswith("Namespace ") for name in foreign) else []
        raise ForeignObjects(
            f"the cluster has {', '.join(foreign)}, which edgewise does not manage"
            + (f"; in the namespace are {', '.join(others)}" if others else ""),
            hint="choose --namespace or --name, or take them over by --adopt",
        )
    missing = {
        one["metadata"]["name"]
        for one, there in zip(documents, live, strict=True)
        if one["kind"] == "Namespace" and there is None
    }
    return [
        _change(api, one, there, tried=one["metadata"].get("namespace") not in missing, adopt=adopt)
        for one, there in zip(documents, live, strict=True)
    ]


def apply(api: Api, objects: Sequence[Object], say: Say, *, adopt: bool = False) -> None:
    """Apply `objects` in order.

    Raises:
        ForeignObjects, NodeRefused, NodeUnreachable: as the cluster has it; what was applied before stays.
    """
    for one in objects:
        found = document(one)
        api.apply(found, dry_run=False, force=adopt)
        say(f"applied {_name(found)}")


def wait(api: Api, objects: Sequence[Object], *, up_s: float) -> None:
    """Wait until everything that serves is ready.

    Raises:
        NodeRefused: it is not within `up_s`; says what the cluster says.
    """
    until = time.monotonic() + up_s
    for one in (document(one) for one in objects if one.kind in ("Deployment", "InferenceService")):
        while True:
            there = api.read(one) or {}
            ready, why = _ready(there)
            if ready:
                break
            if time.monotonic() > until:
                raise NodeRefused(
                    f"{_name(one)} is not ready after {up_s:g} s: {why}",
                    hint="what was there before is applied again by deploying its release",
                )
            time.sleep(min(POLL_S, max(0.0, until - time.monotonic())))


def _change(api: Api, one: Json, there: Json | None, *, tried: bool, adopt: bool) -> Change:
    would = api.apply(one, dry_run=True, force=adopt) if tried else one
    before, after = _lines(there), _lines(would)
    difference = difflib.unified_diff(before, after, f"now/{_name(one)}", f"then/{_name(one)}", lineterm="", n=2)
    return Change(name=_name(one), new=there is None, difference=tuple(difference))


def _others(api: Api, documents: Sequence[Json]) -> list[str]:
    """Objects of the kinds that we write which are in the namespace and somebody else's; the first few."""
    spaced = {one["kind"]: one for one in documents if "namespace" in one["metadata"]}
    names = [
        f"{kind} {other['metadata']['name']}"
        for kind, one in spaced.items()
        for other in api.beside(one)
        if not _ours(other)
    ]
    return [*names[:SHOWN], *(["others"] if len(names) > SHOWN else [])]


def _ours(there: Json) -> bool:
    labels = there.get("metadata", {}).get("labels") or {}
    return labels.get(tree.MANAGER_LABEL) == tree.MANAGER


def _lines(one: Json | None) -> list[str]:
    """The YAML of an object without what changes by itself."""
    if one is None:
        return []
    metadata = {key: value for key, value in one.get("metadata", {}).items() if key not in NOISE}
    shown = {key: value for key, value in one.items() if key not in ("status", "metadata")}
    text: str = yaml.safe_dump({**shown, "metadata": metadata}, sort_keys=True, allow_unicode=True)
    return text.splitlines()


def _ready(there: Json) -> tuple[bool, str]:
    """Whether an object serves what was applied last, and what the cluster says of it."""
    status = there.get("status") or {}
    seen = status.get("observedGeneration", -1) >= there.get("metadata", {}).get("generation", 0)
    if there.get("kind") == "Deployment":
        wanted = there["spec"].get("replicas", 1)
        ready = min(status.get("updatedReplicas", 0), status.get("availableReplicas", 0)) >= wanted
        return seen and ready, "; ".join(_conditions(status)) or "no pod is available"
    ready = any(one.get("type") == "Ready" and one.get("status") == "True" for one in status.get("conditions") or ())
    return seen and ready, "; ".join(_conditions(status)) or "KServe says nothing of it"


def _conditions(status: Json) -> Iterator[str]:
    for one in status.get("conditions") or ():
        if one.get("status") != "True" and one.get("message"):
            yield f"{one.get('type')}: {one['message']}"


def _name(one: Json) -> str:
    space = one["metadata"].get("namespace")
    return f"{one['kind']} {space}/{one['metadata']['name']}" if space else f"{one['kind']} {one['metadata']['name']}"
