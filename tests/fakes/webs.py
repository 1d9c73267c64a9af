"""Servers on loopback that keep a tree of releases: a bucket that checks signatures, and a web root that takes PUT.

The bucket computes AWS's signature (version 4) anew from the request, by the published steps. Both keep If-Match and
If-None-Match (RFC 9110, section 13) and can be made to fail as real ones do.
"""

import hashlib
import hmac
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

KEY, SECRET = "AKID", "wJalr/secret"
_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]+)/s3/aws4_request, SignedHeaders=([^,]+), "
    r"Signature=([0-9a-f]{64})"
)


class Webs(ThreadingHTTPServer):
    """The server, and what it holds.

    Attributes:
        files: by path of the request.
        asked: methods and paths, in their order.
        fails: how many requests are answered by 500.
        loses: how many writes are done and not answered.
        conditions: whether conditions are kept.
        deletes: whether deleting is granted.
        authorization: what a web root wants in that header; "" for nothing.
        collections: folders that are there; None where a PUT makes its own.
        tag: the entity tag of a content.
    """

    daemon_threads = True

    def __init__(self, kind: str) -> None:
        super().__init__(("127.0.0.1", 0), _Answers)
        self.kind = kind
        self.files: dict[str, bytes] = {}
        self.asked: list[tuple[str, str]] = []
        self.fails = 0
        self.loses = 0
        self.conditions = True
        self.deletes = True
        self.authorization = ""
        self.collections: set[str] | None = None
        self.tag: Callable[[bytes], str] = strong
        self.guard = threading.Lock()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def writes(self) -> int:
        return sum(method == "PUT" for method, _ in self.asked)


def strong(content: bytes) -> str:
    return f'"{hashlib.sha256(content).hexdigest()[:16]}"'


def weak(content: bytes) -> str:
    return f"W/{strong(content)}"


class _Answers(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Webs

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        content = self._begun()
        if content is None:
            return
        there = self.server.files.get(self.path)
        if there is None:
            self._say(404)
        else:
            self._say(200, there, self.server.tag(there))

    def do_PUT(self) -> None:
        content = self._begun()
        if content is None:
            return
        with self.server.guard:
            status = self._written(content)
        if status is not None:
            self._say(status)

    def do_DELETE(self) -> None:
        if self._begun() is None:
            return
        if self.server.deletes:
            self.server.files.pop(self.path, None)
        self._say(204 if self.server.deletes else 403)

    def do_MKCOL(self) -> None:
        if self._begun() is None:
            return
        folders, folder = self.server.collections, self.path.rstrip("/")
        if folders is None or folder in folders:
            self._say(405)
        elif folder.rpartition("/")[0] not in folders:
            self._say(409)
        else:
            folders.add(folder)
            self._say(201)

    def _begun(self) -> bytes | None:
        """The body; None where the request is answered already."""
        content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.asked.append((self.command, self.path))
        if self.server.fails:
            self.server.fails -= 1
            self._say(500)
        elif self.server.kind == "bucket" and not self._signed(content):
            self._say(403, b"SignatureDoesNotMatch")
        elif self.server.kind == "root" and self.headers.get("Authorization", "") != self.server.authorization:
            self._say(401)
        else:
            return content
        return None

    def _written(self, content: bytes) -> int | None:
        there = self.server.files.get(self.path)
        wanted = self.headers.get("If-Match")
        if self.server.conditions:
            if self.headers.get("If-None-Match") == "*" and there is not None:
                return 412
            if wanted and (there is None or wanted.startswith("W/") or wanted != self.server.tag(there)):
                return 412
        folders = self.server.collections
        if folders is not None and self.path.rpartition("/")[0] not in folders:
            return 409
        self.server.files[self.path] = content
        if self.server.loses:
            self.server.loses -= 1
            self.close_connection = True
            return None
        return 200

    def _say(self, status: int, content: bytes = b"", tag: str = "") -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        if tag:
            self.send_header("ETag", tag)
        self.end_headers()
        self.wfile.write(content)

    def _signed(self, content: bytes) -> bool:
        found = _AUTHORIZATION.fullmatch(self.headers.get("Authorization", ""))
        hashed = hashlib.sha256(content).hexdigest()
        if found is None or found[1] != KEY or hashed != self.headers["x-amz-content-sha256"]:
            return False
        names = found[4].split(";")
        if not {"host", "x-amz-date"} <= set(names):
            return False
        headers = [f"{name}:{' '.join(self.headers[name].split())}" for name in names]
        canonical = "\n".join([self.command, self.path, "", *headers, "", found[4], hashed])
        scope = f"{found[2]}/{found[3]}/s3/aws4_request"
        digest = hashlib.sha256(canonical.encode()).hexdigest()
        signing = f"AWS4{SECRET}".encode()
        for part in scope.split("/"):
            signing = hmac.new(signing, part.encode(), hashlib.sha256).digest()
        said = "\n".join(["AWS4-HMAC-SHA256", self.headers["x-amz-date"], scope, digest])
        return hmac.compare_digest(hmac.new(signing, said.encode(), hashlib.sha256).hexdigest(), found[5])


@contextmanager
def serving(kind: str) -> Iterator[Webs]:
    """A bucket ("bucket") or a web root ("root") on a free port."""
    server = Webs(kind)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join(30)
