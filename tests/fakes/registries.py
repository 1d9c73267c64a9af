"""A registry in this process that misbehaves when told to.

Speaks as much of the OCI distribution specification 1.1 as clients use. `faults` are taken in turn by the requests that
they match.
"""

import base64
import contextlib
import hashlib
import json
import re
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4


@dataclass
class Fault:
    """What goes wrong with the next `times` requests whose "METHOD path" matches `when`."""

    when: str
    times: int = 1
    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b'{"errors":[{"code":"MADE_UP","message":"so it was wanted"}]}'
    cut_after: int | None = None
    flip: bool = False
    more: bytes = b""
    endless: bool = False
    sent_bytes: int = 0
    """Of a body without an end, in all."""
    drop: bool = False
    hang_s: float = 0
    swallow: int | None = None
    """Of a chunk that is sent, keep so many bytes and break off."""


@dataclass
class Asked:
    """A request that came."""

    line: str
    headers: Mapping[str, str]


class FakeRegistry:
    """Listens on loopback until the block ends."""

    def __init__(self) -> None:
        self.blobs: dict[tuple[str, str], bytes] = {}
        self.documents: dict[tuple[str, str], tuple[bytes, str]] = {}
        self.uploads: dict[str, bytearray] = {}
        self.faults: list[Fault] = []
        self.asked: list[Asked] = []
        self.referrers_api = False
        self.ranges = True
        self.mounts = True
        self.password = ""
        """user:password that is wanted, for a token of the token service."""
        self.basic_only = False
        self.lock = threading.Lock()
        registry = self

        class Handler(_Handler):
            def __init__(self, *arguments: object) -> None:
                self.registry = registry
                super().__init__(*arguments)  # type: ignore[arg-type]

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.host = f"127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> "FakeRegistry":
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def lines(self, pattern: str = "") -> list[str]:
        """The requests so far that match."""
        return [one.line for one in self.asked if re.search(pattern, one.line)]

    def fault(self, line: str) -> Fault | None:
        """The fault for a request, used up."""
        with self.lock:
            for fault in self.faults:
                if fault.times > 0 and re.search(fault.when, line):
                    fault.times -= 1
                    return fault
        return None


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    registry: FakeRegistry

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        self._serve()

    do_HEAD = do_PUT = do_POST = do_PATCH = do_GET

    def _serve(self) -> None:
        line = f"{self.command} {self.path}"
        self.registry.asked.append(Asked(line, dict(self.headers)))
        length = int(self.headers.get("Content-Length") or 0)
        fault = self.registry.fault(line)
        if fault and fault.swallow is not None:
            self._keep_some(self.rfile.read(fault.swallow))
            self.close_connection = True
            return
        body = self.rfile.read(length)
        if fault and fault.hang_s:
            time.sleep(fault.hang_s)
        if fault and fault.drop:
            self.close_connection = True
            return
        if fault and fault.status:
            self._say(fault.status, fault.body, fault.headers)
            return
        with contextlib.suppress(ConnectionError):
            self._answer(body, fault)

    def _keep_some(self, content: bytes) -> None:
        found = self.registry.uploads.get(urlsplit(self.path).path.rpartition("/")[2])
        if found is not None:
            found += content

    def _answer(self, body: bytes, fault: Fault | None) -> None:
        parts = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        if parts.path == "/token":
            self._token()
        elif not self._allowed():
            if self.registry.basic_only:
                header = 'Basic realm="here"'
            else:
                header = f'Bearer realm="http://{self.registry.host}/token",service="fake",scope="repository:x:pull"'
            self._say(401, b"{}", {"WWW-Authenticate": header})
        elif match := re.fullmatch(r"/v2/(.+)/blobs/uploads/([^/]*)", parts.path):
            self._upload(match[1], match[2], query, body)
        elif match := re.fullmatch(r"/v2/(.+)/(blobs|manifests|referrers)/([^/]+)", parts.path):
            {"blobs": self._blob, "manifests": self._document, "referrers": self._referrers}[match[2]](
                match[1], match[3], body, fault
            )
        else:
            self._say(404, b"")

    def _allowed(self) -> bool:
        if not self.registry.password:
            return True
        given = self.headers.get("Authorization", "")
        if self.registry.basic_only:
            return given == "Basic " + base64.b64encode(self.registry.password.encode()).decode()
        return given == "Bearer a-token"

    def _token(self) -> None:
        wanted = "Basic " + base64.b64encode(self.registry.password.encode()).decode()
        if self.headers.get("Authorization") == wanted:
            self._say(200, b'{"token":"a-token"}')
        else:
            self._say(401, b"{}")

    def _blob(self, repository: str, digest: str, _: bytes, fault: Fault | None) -> None:
        content = self.registry.blobs.get((repository, digest))
        if content is None:
            self._say(404, b"{}")
            return
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", "")) if self.registry.ranges else None
        first = int(asked[1]) if asked else 0
        headers = {"Content-Range": f"bytes {first}-{len(content) - 1}/{len(content)}"} if asked else {}
        self._say(206 if asked else 200, content[first:], headers, fault)

    def _document(self, repository: str, name: str, body: bytes, fault: Fault | None) -> None:
        if self.command == "PUT":
            digest = f"sha256:{hashlib.sha256(body).hexdigest()}"
            kept = body, self.headers["Content-Type"]
            self.registry.documents[repository, digest] = self.registry.documents[repository, name] = kept
            subject = json.loads(body).get("subject")
            headers = {"Docker-Content-Digest": digest}
            if subject and self.registry.referrers_api:
                headers["OCI-Subject"] = subject["digest"]
            self._say(201, b"", headers, fault)
        elif (repository, name) not in self.registry.documents:
            self._say(404, b"{}")
        else:
            content, media_type = self.registry.documents[repository, name]
            self._say(200, content, {"Content-Type": media_type}, fault)

    def _referrers(self, repository: str, digest: str, _: bytes, fault: Fault | None) -> None:
        if not self.registry.referrers_api:
            self._say(404, b"404 page not found", {"Content-Type": "text/plain"})
            return
        found = {}
        for (where, _name), (content, media_type) in self.registry.documents.items():
            about = json.loads(content)
            if where == repository and about.get("subject", {}).get("digest") == digest:
                own = f"sha256:{hashlib.sha256(content).hexdigest()}"
                found[own] = {"mediaType": media_type, "digest": own, "size": len(content)}
        kind = "application/vnd.oci.image.index.v1+json"
        document = {"schemaVersion": 2, "mediaType": kind, "manifests": list(found.values())}
        self._say(200, json.dumps(document).encode(), {"Content-Type": kind}, fault)

    def _upload(self, repository: str, upload: str, query: Mapping[str, str], body: bytes) -> None:
        uploads = self.registry.uploads
        if self.command == "POST":
            mounted = self.registry.blobs.get((query.get("from", ""), query.get("mount", "")))
            if mounted is not None and self.registry.mounts:
                self.registry.blobs[repository, query["mount"]] = mounted
                self._say(201, b"")
                return
            upload = uuid4().hex
            uploads[upload] = bytearray()
        elif upload not in uploads:
            self._say(404, b"{}")
            return
        here = f"/v2/{repository}/blobs/uploads/{upload}"
        if self.command == "PATCH":
            first = int(self.headers.get("Content-Range", "0-").partition("-")[0])
            if first != len(uploads[upload]):
                self._say(416, b"{}", {"Location": here, "Range": f"0-{max(0, len(uploads[upload]) - 1)}"})
                return
            uploads[upload] += body
        if self.command == "PUT":
            content = bytes(uploads.pop(upload)) + body
            if f"sha256:{hashlib.sha256(content).hexdigest()}" != query.get("digest"):
                self._say(400, b'{"errors":[{"code":"DIGEST_INVALID"}]}')
                return
            self.registry.blobs[repository, query["digest"]] = content
            self._say(201, b"")
            return
        status = 204 if self.command == "GET" else 202
        self._say(status, b"", {"Location": here, "Range": f"0-{max(0, len(uploads[upload]) - 1)}"})

    def _say(
        self, status: int, body: bytes, headers: Mapping[str, str] | None = None, fault: Fault | None = None
    ) -> None:
        if fault and fault.flip:
            body = bytes([body[0] ^ 1]) + body[1:]
        if fault:
            body += fault.more
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        if fault and fault.endless and self.command == "GET":
            self._say_for_ever(body, fault)
            return
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "HEAD":
            return
        if fault and fault.cut_after is not None:
            body = body[: fault.cut_after]
            self.close_connection = True
        self.wfile.write(body)

    def _say_for_ever(self, body: bytes, fault: Fault) -> None:
        self.close_connection = True
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)
        while True:
            fault.sent_bytes += self.wfile.write(bytes(1 << 16))


@contextlib.contextmanager
def running() -> Iterator[FakeRegistry]:
    """A registry on loopback."""
    with FakeRegistry() as registry:
        yield registry
