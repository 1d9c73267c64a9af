"""The inference server as a process of its own, as an agent or an image starts it."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

PATIENCE_S = 60.0
MODULE = "edgewise.edge.serve"


class ServerProcess:
    """A context manager around `python -m edgewise.edge.serve`; `ready` is its first line."""

    def __init__(
        self,
        *arguments: str | Path,
        environment: dict[str, str] | None = None,
        inherit: Sequence[int] = (),
        http: bool = True,
        module: str = MODULE,
        verb: str = "",
    ) -> None:
        given = [*map(str, arguments), *(["--http", "127.0.0.1:0"] if http else [])]
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, *([verb] if verb else []), *given],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | (environment or {}),
            pass_fds=inherit,
        )
        self.errors: list[str] = []
        self._drained = threading.Thread(target=self._drain, daemon=True)
        self._drained.start()
        self.ready = self.line()

    def __enter__(self) -> "ServerProcess":
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.terminate()
        try:
            self._process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            raise
        finally:
            self._drained.join(PATIENCE_S)
            for stream in (self._process.stdout, self._process.stderr):
                assert stream is not None
                stream.close()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def address(self) -> tuple[str, int]:
        """Host and port of its first REST address."""
        host, _, port = self.ready["http"][0].rpartition(":")
        return host, int(port)

    @property
    def netloc(self) -> str:
        return str(self.ready["http"][0])

    def line(self) -> Any:
        """The next line of stdout, as JSON; None at its end."""
        assert self._process.stdout is not None
        text = self._process.stdout.readline()
        return json.loads(text) if text else None

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def exit_code(self) -> int:
        """Wait for its end."""
        return self._process.wait(PATIENCE_S)

    def ended(self) -> bool:
        return self._process.poll() is not None

    def connect(self) -> socket.socket:
        """A bare connection to its first REST address."""
        return socket.create_connection(self.address, timeout=PATIENCE_S)

    def _drain(self) -> None:
        assert self._process.stderr is not None
        for text in self._process.stderr:
            self.errors.append(text)


def exchange(connection: socket.socket, content: bytes) -> tuple[int, dict[str, str], bytes]:
    """Send bytes, read one answer: status, headers by lower-case name, body."""
    connection.sendall(content)
    return read_answer(connection)


def read_answer(connection: socket.socket) -> tuple[int, dict[str, str], bytes]:
    """One answer: status, headers by lower-case name, body."""
    received = b""
    while b"\r\n\r\n" not in received:
        piece = connection.recv(65536)
        if not piece:
            raise ConnectionError(f"closed after {received!r}")
        received += piece
    head, _, body = received.partition(b"\r\n\r\n")
    line, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (one.partition(":") for one in lines)}
    while len(body) < int(headers["content-length"]):
        piece = connection.recv(65536)
        if not piece:
            raise ConnectionError("closed in the midst of a body")
        body += piece
    return int(line.split()[1]), headers, body


def request(method: str, target: str, body: bytes = b"", **headers: str) -> bytes:
    """A request; keywords are headers, with _ for -."""
    lines = [f"{method} {target} HTTP/1.1", "Host: here", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def open_connection(address: tuple[str, int]) -> socket.socket:
    """A bare connection."""
    return socket.create_connection(address, timeout=PATIENCE_S)
