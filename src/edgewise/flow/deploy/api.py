"""The door to clusters: Kubernetes' own client, and of it what applying needs. Only here it is imported.

Objects are plain data on both sides. Every request is bounded in time. Needs the extra `kubernetes`.
"""

import json
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import urllib3
from kubernetes import client, config
from kubernetes.client.exceptions import ApiException
from kubernetes.config.config_exception import ConfigException
from kubernetes.dynamic import DynamicClient
from kubernetes.dynamic.exceptions import DynamicApiError, ResourceNotFoundError

from edgewise.build.nodes.versions import Version, version
from edgewise.errors import ForeignObjects, NodeRefused, NodeUnreachable, NotDeployable

Json = Any
FIELD_MANAGER = "edgewise"
APPLY = "application/apply-patch+yaml"
REQUEST_S = 30
MOST_BYTES = 64 << 20
"""Of one answer: a list of all objects of a kind in a namespace."""


class Cluster:
    """A cluster, reached as kubectl reaches it: a kubeconfig and a context in it, or a pod's own account."""

    def __init__(self, kubeconfig: Path | None = None, context: str = "") -> None:
        """Connect.

        Raises:
            NodeUnreachable: there is no configuration, or the cluster does not answer.
        """
        try:
            settings = client.Configuration()
            if kubeconfig is None and os.environ.get("KUBERNETES_SERVICE_HOST"):
                config.load_incluster_config(client_configuration=settings)
            else:
                config.load_kube_config(
                    config_file=str(kubeconfig) if kubeconfig else None,
                    context=context or None,
                    client_configuration=settings,
                )
        except ConfigException as error:
            raise NodeUnreachable(
                f"no cluster is configured: {error}", hint="--kubeconfig FILE, or KUBECONFIG"
            ) from error
        settings.retries = 1
        self.host: str = settings.host
        self._cache = Path(tempfile.mkdtemp(prefix="edgewise-discovery-"))
        try:
            self._client = DynamicClient(client.ApiClient(settings), cache_file=str(self._cache / "cache.json"))
        except (urllib3.exceptions.HTTPError, OSError) as error:
            self.__exit__()
            raise self._unreachable(error) from error
        except (ApiException, DynamicApiError) as error:
            self.__exit__()
            raise self._refused(error, "discovery") from error

    def __enter__(self) -> "Cluster":
        return self

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self._cache, ignore_errors=True)

    @property
    def version(self) -> Version:
        """Of its Kubernetes."""
        return version(str(self._client.version["kubernetes"]["gitVersion"]))

    def read(self, one: Json) -> Json | None:
        """The object of the kind and name of `one` as it is; None where there is none.

        Raises:
            NotDeployable: the cluster has no such kind.
        """
        return self._asked("get", one, codes=(404,))

    def look(self, one: Json) -> Json | None:
        """The object of the kind and name of `one`; None where there is none, no such kind, or none for us to see."""
        try:
            return self._asked("get", one, codes=(403, 404))
        except NotDeployable:
            return None

    def beside(self, one: Json) -> list[Json]:
        """All objects of the kind and namespace of `one`; none where the cluster does not let us see them."""
        found = self._asked("get", one, codes=(403, 404), every=True)
        return [] if found is None else list(found.get("items") or ())

    def apply(self, one: Json, *, dry_run: bool, force: bool = False) -> Json:
        """Apply `one` by the server; the object as it is then, or would be.

        Args:
            force: take fields over from whoever owns them.

        Raises:
            ForeignObjects: somebody else owns a field that `one` sets.
            NodeRefused: the cluster does not take it.
        """
        found = self._asked(
            "patch",
            one,
            body=one,
            content_type=APPLY,
            field_manager=FIELD_MANAGER,
            force_conflicts="true" if force else "false",
            dry_run="All" if dry_run else None,
        )
        assert found is not None
        return found

    def _asked(
        self, method: str, one: Json, codes: Sequence[int] = (), *, every: bool = False, **params: Json
    ) -> Json | None:
        what = f"{one['kind']} {one['metadata']['name']}"
        try:
            path = self._path(one, every=every)
            said = self._client.request(method, path, serialize=False, _request_timeout=REQUEST_S, **params)
            content = said.read(MOST_BYTES + 1)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise self._unreachable(error) from error
        except (ApiException, DynamicApiError) as error:
            if error.status in codes:
                return None
            raise self._refused(error, what) from error
        if len(content) > MOST_BYTES:
            raise NodeRefused(f"{what}: the cluster's answer is larger than {MOST_BYTES >> 20} MiB", hint="")
        return json.loads(content)

    def _path(self, one: Json, *, every: bool = False) -> str:
        try:
            kind = self._client.resources.get(api_version=one["apiVersion"], kind=one["kind"])
        except ResourceNotFoundError as error:
            raise NotDeployable(
                f"the cluster has no {one['kind']} ({one['apiVersion']})", hint=_BROUGHT_BY.get(one["kind"], "")
            ) from error
        metadata = one["metadata"]
        name = None if every else metadata["name"]
        return str(kind.path(name=name, namespace=metadata.get("namespace")))

    def _unreachable(self, error: Exception) -> NodeUnreachable:
        return NodeUnreachable(f"{self.host} does not answer: {error}"[:500], hint="kubectl version says more")

    def _refused(self, error: Any, what: str) -> NodeUnreachable | NodeRefused | ForeignObjects:
        said = _message(error)
        if error.status == 401:
            return NodeUnreachable(f"{self.host} does not know who we are: {said}", hint="log in: oc login")
        if error.status == 409:
            return ForeignObjects(f"{what}: {said}", hint="--adopt takes its fields over")
        return NodeRefused(f"the cluster does not take {what}: {said}", hint="")


_BROUGHT_BY: Mapping[str, str] = {
    "InferenceService": "KServe brings it; --face microshift deploys without",
    "ServingRuntime": "KServe brings it; --face microshift deploys without",
    "Route": "OpenShift and MicroShift have it",
    "ServiceMonitor": "Prometheus Operator brings it; --no-monitoring leaves it out",
}


def _message(error: Any) -> str:
    """What the API says, of a Status object where it is one."""
    body = error.body.decode(errors="replace") if isinstance(error.body, bytes) else str(error.body or error)
    try:
        return str(json.loads(body)["message"])[:1000]
    except (ValueError, KeyError, TypeError):
        return body[:500]
