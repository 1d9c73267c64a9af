"""Which MicroShift and which KServe a cluster has, as far as it says so.

MicroShift publishes a ConfigMap that everybody may read. KServe publishes nothing of the kind: Open Data Hub and
OpenShift AI say in the status of their component what they have brought, and elsewhere the image of its controller has
the release as its tag. MicroShift pins that image by digest, and brings a version that is known. What is not there,
not ours to see, or no version, is not known; that is no fault.
"""

from collections.abc import Iterator
from typing import Any, Protocol

from edgewise.build.nodes.kubernetes.microshift import BUNDLED_KSERVE
from edgewise.build.nodes.versions import Version, version
from edgewise.errors import NotDeployable

Json = Any
LONGEST = 64
"""Characters of what can be a version."""
RELEASE = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {"name": "microshift-version", "namespace": "kube-public"},
}
COMPONENT = {
    "apiVersion": "components.platform.opendatahub.io/v1alpha1",
    "kind": "Kserve",
    "metadata": {"name": "default-kserve"},
}
CONTROLLER, IMAGE, NAMESPACES = "kserve-controller-manager", "kserve-controller", ("kserve", "opendatahub")


class Api(Protocol):
    """What is asked of a cluster: `api.Cluster`."""

    def look(self, one: Json) -> Json | None:
        """The object as it is; None where there is none to be seen."""
        ...


def microshift(api: Api) -> Version | None:
    """The version of MicroShift, by the ConfigMap that it writes at its start."""
    data = _inside(api.look(RELEASE), "data")
    return _version(f"{_inside(data, 'major')}.{_inside(data, 'minor')}")


def kserve(api: Api) -> Version | None:
    """The version of KServe, by the platform that brought it, or by its controller; on MicroShift the bundled one."""
    found = next((found for text in _kserve(api) if (found := _version(text)) is not None), None)
    return found or (BUNDLED_KSERVE if microshift(api) is not None else None)


def _kserve(api: Api) -> Iterator[Json]:
    for one in _list(api.look(COMPONENT), "status", "releases"):
        if _inside(one, "name") == "KServe":
            yield _inside(one, "version")
    for namespace in NAMESPACES:
        asked = {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": CONTROLLER, "namespace": namespace},
        }
        for one in _list(api.look(asked), "spec", "template", "spec", "containers"):
            name, _, tag = str(_inside(one, "image")).partition("@")[0].rpartition("/")[2].partition(":")
            if name == IMAGE:  # another name is another's build, with another's numbers
                yield tag


def _version(text: Json) -> Version | None:
    try:
        return version(text) if isinstance(text, str) and len(text) <= LONGEST else None
    except NotDeployable:
        return None


def _inside(found: Json, *names: str) -> Json:
    """What lies under `names`; None where something else is on the way."""
    for name in names:
        found = found.get(name) if isinstance(found, dict) else None
    return found


def _list(found: Json, *names: str) -> list[Json]:
    inside = _inside(found, *names)
    return inside if isinstance(inside, list) else []
