"""A double of a Kubernetes API over HTTP: discovery, get, server-side apply with dry runs; it keeps what is sent."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import yaml

KINDS = {
    "v1": [
        ("Namespace", "namespaces", False),
        ("Service", "services", True),
        ("PersistentVolumeClaim", "persistentvolumeclaims", True),
    ],
    "apps/v1": [("Deployment", "deployments", True)],
    "networking.k8s.io/v1": [("NetworkPolicy", "networkpolicies", True)],
    "policy/v1": [("PodDisruptionBudget", "poddisruptionbudgets", True)],
    "route.openshift.io/v1": [("Route", "routes", True)],
    "serving.kserve.io/v1beta1": [("InferenceService", "inferenceservices", True)],
    "serving.kserve.io/v1alpha1": [("ServingRuntime", "servingruntimes", True)],
    "monitoring.coreos.com/v1": [("ServiceMonitor", "servicemonitors", True)],
}


class Double:
    """A cluster that keeps objects by their paths.

    Attributes:
        sent: method, path, query and body of every request that is no discovery.
        ready: whether what serves becomes ready.
        refused: answers by path, as (code, message), instead of taking what is applied.
    """

    def __init__(self, without: str = "") -> None:
        self.kinds = {group: rows for group, rows in KINDS.items() if not without or without not in group}
        self.objects: dict[str, Any] = {}
        self.sent: list[tuple[str, str, dict[str, list[str]], Any, str]] = []
        self.ready = True
        self.refused: dict[str, tuple[int, str]] = {}
        self.token = ""

    def applied(self) -> list[str]:
        """Paths of what was applied and not only tried, in order."""
        return [path for method, path, query, _, _ in self.sent if method == "PATCH" and "dryRun" not in query]

    def answer(self, method: str, path: str, query: dict[str, list[str]], body: Any, kind: str) -> tuple[int, Any]:
        """Code and document."""
        if found := self._discovery(path):
            return 200, found
        self.sent.append((method, path, query, body, kind))
        if method == "GET":
            return (200, self.objects[path]) if path in self.objects else _status(404, f"{path} not found")
        if path in self.refused:
            return _status(*self.refused[path])
        space = path.split("/namespaces/")[1].split("/")[0] if "/namespaces/" in path else ""
        if space and not path.endswith(f"/namespaces/{space}") and f"/api/v1/namespaces/{space}" not in self.objects:
            return _status(404, f'namespaces "{space}" not found')
        made = {**self.objects.get(path, {}), **body, "status": self._state(body)}
        made["metadata"] = {**body["metadata"], "generation": 1, "uid": "1", "managedFields": [{"manager": "edgewise"}]}
        if "dryRun" not in query:
            self.objects[path] = made
        return 200, made

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
