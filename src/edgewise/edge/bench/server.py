"""The HTTP of the bench, on the standard library's server, with the bounds that it lacks.

- At most `MAX_CONNECTIONS` at once; further ones are closed at the door.
- Every connection has a moment by which the rest of its request must be there, and one thread closes those that
  are late: a client that sends a byte a second holds nothing for long.
- Bodies have a stated length, and no more than that is read. Chunked bodies are refused.
- Who does not know the token learns nothing but that.
- A client that is gone in the midst of a call is noticed, and no longer renews its lease.
"""

import contextlib
import io
import select
import socket
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

from edgewise.edge.bench import routes
from edgewise.edge.bench.bench import Bench
from edgewise.edge.bench.routes import Asked, Reply
from edgewise.errors import EdgewiseError
from edgewise.runtimes import pairing

MAX_CONNECTIONS = 96
PATIENCE_S = 15.0
"""For the head of a request, for each `PIECE_BYTES` of its body, and for the client to take as many of ours."""
PIECE_BYTES = 64 << 10
LOOK_S = 0.5
SHUT_DOWN_S = 0.1
_KEEP_ALIVE = ((socket.TCP_KEEPIDLE, 5), (socket.TCP_KEEPINTVL, 3), (socket.TCP_KEEPCNT, 3))


class Server(ThreadingHTTPServer):
    """Serves `bench` to who knows `token`; a context manager that stops both.

    Raises:
        OSError: the address cannot be listened at.
    """

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, host: str, port: int, *, bench: Bench, token: str) -> None:
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.bench, self.token = bench, token
        self.connections = Connections(bench)
        self._stopped = threading.Event()
        self._loops = (
            threading.Thread(target=self.serve_forever, args=(SHUT_DOWN_S,), daemon=True),
            threading.Thread(target=self._look_after, daemon=True),
        )
        super().__init__((host, port), _Conversation)

    def __enter__(self) -> "Server":
        for thread in self._loops:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self.shutdown()
        self.server_close()
        self.bench.stop()

    def server_bind(self) -> None:
        """Bind, without asking a name server what we are called, as the library does."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    def process_request(self, request: Any, client_address: Any) -> None:
        """Begin a conversation, if there is room for it."""
        if self.connections.admit(request):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def shutdown_request(self, request: Any) -> None:
        """End a conversation."""
        self.connections.forget(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 - as the library calls it
        """A connection that broke is the client's affair; anything else is a bug, and the agent lives on."""
        if not isinstance(sys.exception(), OSError):
            traceback.print_exc()

    def _look_after(self) -> None:
        while not self._stopped.wait(LOOK_S):
            self.connections.look_after()
            self.bench.look_after()


class Connections:
    """The open connections: how long each may take, and for whom it waits."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._lock = threading.Lock()
        self._late: dict[socket.socket, float] = {}
        self._calling: dict[socket.socket, str] = {}

    def admit(self, connection: socket.socket) -> bool:
        """Take note of a new connection; False where there are too many."""
        with self._lock:
            if len(self._late) >= MAX_CONNECTIONS:
                return False
            self._late[connection] = time.monotonic() + PATIENCE_S
            return True

    def open(self) -> list[socket.socket]:
        """The connections that are open now."""
        with self._lock:
            return list(self._late)

    def forget(self, connection: socket.socket) -> None:
        """The connection is closed."""
        with self._lock:
            self._late.pop(connection, None)
            self._calling.pop(connection, None)

    def allow(self, connection: socket.socket, seconds: float) -> None:
        """Let the client take so many seconds more, from now on."""
        with self._lock:
            self._late[connection] = time.monotonic() + seconds

    @contextlib.contextmanager
    def calling(self, connection: socket.socket, holder: str) -> Iterator[None]:
        """While the client waits for us, it cannot be late, and that it is still there renews its lease."""
        with self._lock:
            self._late[connection] = float("inf")
            self._calling[connection] = holder
        try:
            yield
        finally:
            with self._lock:
                self._calling.pop(connection, None)
            self.allow(connection, PATIENCE_S)

    def look_after(self) -> None:
        """Close who is late, and renew the leases of those who wait."""
        now = time.monotonic()
        with self._lock:
            late = [connection for connection, until in self._late.items() if until < now]
            waiting = list(self._calling.items())
        for connection in late:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for connection, holder in waiting:
            if holder and _alive(connection):
                with contextlib.suppress(EdgewiseError):  # over already: the call will find out
                    self._bench.renew(holder)


def _alive(connection: socket.socket) -> bool:
    """False where the other side has closed the connection, or was lost (TCP keep-alive)."""
    try:
        poll = select.poll()
        poll.register(connection, select.POLLIN)
        return not poll.poll(0) or bool(connection.recv(1, socket.MSG_PEEK))
    except (OSError, ValueError):
        return False


class _Conversation(BaseHTTPRequestHandler):
    """One connection: requests one after the other."""

    server: Server
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "edgewise", ""
    timeout = PATIENCE_S
    disable_nagle_algorithm = True
    error_content_type = "application/json"
    error_message_format = '{"error": "this is no request that the agent understands"}'
    _keep_alive: ClassVar = _KEEP_ALIVE

    def setup(self) -> None:
        super().setup()
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in self._keep_alive:
            self.connection.setsockopt(socket.IPPROTO_TCP, option, value)

    def do_GET(self) -> None:
        """Serve; as all methods do."""
        self._left = 0
        try:
            reply = self._reply()
        except EdgewiseError as error:
            reply = routes.refusal(error)
        except ConnectionError:
            raise
        except Exception:
            traceback.print_exc()
            reply = routes.refusal(EdgewiseError("the agent has a bug", hint="its own output has the details"))
        self._send(reply)

    do_HEAD = do_PUT = do_POST = do_DELETE = do_GET  # noqa: N815 - as the library calls them

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: what is asked of us is no news, and a token must never get into a log."""

    def _reply(self) -> Reply:
        self._left = self._length()
        if not pairing.same(self.headers.get("Authorization", ""), f"Bearer {self.server.token}"):
            return routes.UNAUTHORISED
        asked = Asked(method=self.command, path=self.path, headers=self.headers, size=self._left, read=self._read)
        route = routes.find(asked)
        if not route.answers_later:
            return route.answer(self.server.bench, asked)
        body = io.BytesIO(b"".join(iter(lambda: self._read(PIECE_BYTES), b"")) if asked.is_document else b"")
        with self.server.connections.calling(self.connection, asked.holder):
            return route.answer(self.server.bench, replace(asked, read=body.read))

    def _length(self) -> int:
        """Bytes of the body."""
        lengths = self.headers.get_all("Content-Length", [])
        if "Transfer-Encoding" in self.headers or len(lengths) > 1:
            self.close_connection = True
            raise routes.Misunderstood("a body has one stated length")
        text = lengths[0].strip() if lengths else "0"
        if not (text.isascii() and text.isdigit() and len(text) < 16):
            self.close_connection = True
            raise routes.Misunderstood("the length of the body is no number")
        return int(text)

    def _read(self, size: int) -> bytes:
        """Up to `size` bytes of the body; b"" at its end.

        Raises:
            ConnectionError: the client has gone before its end.
        """
        wanted = min(size, self._left, PIECE_BYTES)
        if not wanted:
            return b""
        self.server.connections.allow(self.connection, PATIENCE_S)
        try:
            piece = self.rfile.read(wanted)
        except OSError as error:
            raise ConnectionAbortedError("the client is too slow, or gone") from error
        self._left -= len(piece)
        if len(piece) < wanted:
            raise ConnectionAbortedError("the client has gone")
        return piece

    def _send(self, reply: Reply) -> None:
        if 0 < self._left <= PIECE_BYTES:  # a client that still writes would not read why it was refused
            self._read(self._left)
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Type", reply.content_type)
        self.send_header("Content-Length", str(reply.size))
        if self._left:
            self.send_header("Connection", "close")
            self.close_connection = True
        self.end_headers()
        if self.command != "HEAD":
            with contextlib.closing(reply.pieces()) as pieces:
                for piece in pieces:
                    self.server.connections.allow(self.connection, PATIENCE_S)
                    self.wfile.write(piece)
        self.server.connections.allow(self.connection, PATIENCE_S)
