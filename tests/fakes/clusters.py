"""A double of a Kubernetes API over HTTP: discovery, get, list, server-side apply with dry runs and managers of fields.

It keeps what is sent, and refuses as a server would what is no clean server-side apply: another type of content, no
field manager, a body that is not the path's object, that the schemas do not take, or with what only the server may say.
"""

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import yaml

from edgewise.build.nodes.kubernetes.validate import validate
from edgewise.build.nodes.versions import Version

DNS_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
KINDS = {
    "v1": [
        ("Namespace", "namespaces", False),
        ("ConfigMap", "configmaps", True),
        ("Service", "services", True),
        ("PersistentVolumeClaim", "persistentvolumeclaims", True),
    ],
    "apps/v1": [("Deployment", "deployments", True)],
    "networking.k8s.io/v1": [("NetworkPolicy", "networkpolicies", True)],
    "policy/v1": [("PodDisruptionBudget", "poddisruptionbudgets", True)],
    "route.openshift.io/v1": [("Route", "routes", True)],
    "serving.kserve.io/v1beta1": [("InferenceService", "inferenceservices", True)],
    "serving.kserve.io/v1alpha1": [("ServingRuntime", "servingruntimes", True)],
    "components.platform.opendatahub.io/v1alpha1": [("Kserve", "kserves", False)],
    "monitoring.coreos.com/v1": [("ServiceMonitor", "servicemonitors", True)],
}


APPLY = "application/apply-patch+yaml"
SERVERS_OWN = {"managedFields", "resourceVersion", "uid", "creationTimestamp", "generation", "generateName", "selfLink"}
Leaf = tuple[str, ...]


def leaves(value: Any, path: Leaf = ()) -> Iterator[tuple[Leaf, Any]]:
    """Fields that have managers of their own, with their values; lists are taken as one."""
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from leaves(inner, (*path, key))
    else:
        yield path, value


class Double:
    """A cluster that keeps objects by their paths.

    Attributes:
        managers: who owns which field, by path of the object.
        sent: method, path, query and body of every request that is no discovery.
        ready: whether what serves becomes ready.
        refused: answers by path, as (code, message), instead of taking what is applied.
        hidden: paths that whoever asks may not see.
    """

    def __init__(self, without: str = "") -> None:
        self.kinds = {group: rows for group, rows in KINDS.items() if not without or without not in group}
        self.objects: dict[str, Any] = {}
        self.sent: list[tuple[str, str, dict[str, list[str]], Any, str]] = []
        self.ready = True
        self.refused: dict[str, tuple[int, str]] = {}
        self.managers: dict[str, dict[Leaf, str]] = {}
        self.token = ""
        self.hidden: set[str] = set()

    def applied(self) -> list[str]:
        """Paths of what was applied and not only tried, in order."""
        return [path for method, path, query, _, _ in self.sent if method == "PATCH" and "dryRun" not in query]

    def answer(self, method: str, path: str, query: dict[str, list[str]], body: Any, kind: str) -> tuple[int, Any]:
        """Code and document."""
        if found := self._discovery(path):
            return 200, found
        self.sent.append((method, path, query, body, kind))
        if method == "GET" and path in self.hidden:
            return _status(403, f"{path} is forbidden")
        if method == "GET" and self._is_list(path):
            inside = [one for name, one in self.objects.items() if name.startswith(f"{path}/")]
            return 200, {"kind": "List", "items": inside}
        if method == "GET":
            return (200, self.objects[path]) if path in self.objects else _status(404, f"{path} not found")
        if wrong := self._unclean(path, query, body, kind):
            return _status(400, wrong)
        if path in self.refused:
            return _status(*self.refused[path])
        space = path.split("/namespaces/")[1].split("/")[0] if "/namespaces/" in path else ""
        if space and not path.endswith(f"/namespaces/{space}") and f"/api/v1/namespaces/{space}" not in self.objects:
            return _status(404, f'namespaces "{space}" not found')
        manager = query["fieldManager"][0]
        if conflict := self._conflict(path, body, manager, force=query.get("force") == ["true"]):
            return _status(409, conflict)
        made = {**self.objects.get(path, {}), **body, "status": self._state(body)}
        made["metadata"] = {**body["metadata"], "generation": 1, "uid": "1", "managedFields": [{"manager": "edgewise"}]}
        if "dryRun" not in query:
            self.objects[path] = made
            self.managers.setdefault(path, {}).update({leaf: manager for leaf, _ in leaves(body)})
        return 200, made

    def given(self, path: str, body: Any, manager: str) -> None:
        """Let somebody else's object be there already."""
        self.objects[path] = body
        self.managers[path] = {leaf: manager for leaf, _ in leaves(body)}

    def _unclean(self, path: str, query: dict[str, list[str]], body: Any, kind: str) -> str:
        """Why a server would not take the request as a server-side apply; "" where it would."""
        if kind != APPLY or not query.get("fieldManager"):
            return f"{kind} by {query.get('fieldManager')} is no server-side apply"
        metadata = body.get("metadata", {})
        space = path.split("/namespaces/")[1].split("/")[0] if "/namespaces/" in path else ""
        wanted = (
            metadata.get("name"),
            metadata.get("namespace", metadata.get("name") if body["kind"] == "Namespace" else ""),
        )
        if wanted != (path.rpartition("/")[2], space):
            return f"the object is {wanted}, and the path {path}"
        if said := SERVERS_OWN & set(metadata) or ({"status"} & set(body)):
            return f"only the server says {sorted(said)}"
        if not DNS_LABEL.fullmatch(metadata["name"]):
            return f"{metadata['name']} is no DNS label"
        return "; ".join(fault.reason for fault in validate([("body", body)], Version(1, 33)))

    def _conflict(self, path: str, body: Any, manager: str, *, force: bool) -> str:
        owned = self.managers.get(path, {})
        there = dict(leaves(self.objects.get(path, {})))
        lost = [
            (leaf, owned[leaf])
            for leaf, value in leaves(body)
            if owned.get(leaf, manager) != manager and there.get(leaf) != value
        ]
        if force or not lost:
            return ""
        fields = ", ".join(f'conflict with "{who}": .{".".join(leaf)}' for leaf, who in lost)
        return f"Apply failed with {len(lost)} conflict{'s' if len(lost) > 1 else ''}: {fields}"

    def _is_list(self, path: str) -> bool:
        return any(path.endswith(f"/{plural}") for rows in self.kinds.values() for _, plural, spaced in rows if spaced)

    def _state(self, body: Any) -> Any:
        up = "True" if self.ready else "False"
        conditions = [{"type": "Ready", "status": up, "message": "" if self.ready else "image cannot be pulled"}]
        replicas = body.get("spec", {}).get("replicas", 1) if self.ready else 0
        return {
            "observedGeneration": 1,
            "conditions": conditions,
            "updatedReplicas": replicas,
            "availableReplicas": replicas,
        }

    def _discovery(self, path: str) -> Any:
        if path == "/version":
            return {"major": "1", "minor": "33", "gitVersion": "v1.33.4"}
        if path == "/api":
            return {"kind": "APIVersions", "versions": ["v1"]}
        if path == "/apis":
            groups = {}
            for one in self.kinds:
                if "/" in one:
                    name, version = one.split("/")
                    versions = groups.setdefault(name, {"name": name, "versions": []})["versions"]
                    versions.append({"groupVersion": one, "version": version})
            for group in groups.values():
                group["preferredVersion"] = group["versions"][0]
            return {"kind": "APIGroupList", "groups": list(groups.values())}
        name = path.removeprefix("/apis/").removeprefix("/api/")
        if path in (f"/apis/{name}", f"/api/{name}") and name in self.kinds:
            resources = [
                {"name": plural, "kind": kind, "namespaced": spaced, "verbs": ["get", "patch"], "singularName": ""}
                for kind, plural, spaced in self.kinds[name]
            ]
            return {"kind": "APIResourceList", "groupVersion": name, "resources": resources}
        return None


def _status(code: int, message: str) -> tuple[int, Any]:
    return code, {"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": message, "code": code}


@contextmanager
def cluster(folder: Path, double: Double) -> Iterator[Path]:
    """Serve `double` on loopback; a kubeconfig for it."""

    class Handler(BaseHTTPRequestHandler):
        def _do(self) -> None:
            url = urlsplit(self.path)
            length = int(self.headers.get("Content-Length") or 0)
            raw = self.rfile.read(length)
            body = yaml.safe_load(raw) if raw else None
            if double.token and self.headers.get("Authorization") != f"Bearer {double.token}":
                code, said = _status(401, "Unauthorized")
            else:
                kind = self.headers.get("Content-Type", "")
                code, said = double.answer(self.command, url.path, parse_qs(url.query), body, kind)
            content = json.dumps(said).encode()
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_PATCH = _do

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    path = folder / "kubeconfig"
    address = f"http://127.0.0.1:{server.server_port}"
    path.write_text(
        yaml.safe_dump(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "clusters": [{"name": "c", "cluster": {"server": address}}],
                "users": [{"name": "u", "user": {"token": "secret"}}],
                "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
                "current-context": "x",
            }
        )
    )
    try:
        yield path
    finally:
        server.shutdown()
        server.server_close()
        thread.join(30)
