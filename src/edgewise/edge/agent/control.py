"""How the command line speaks to the agent that runs: one JSON line each way, over a socket of the owner's."""

import contextlib
import json
import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path

from edgewise.edge import unix
from edgewise.errors import NotFound

SOCKET = "control"


def listen(run: Path, told: Callable[[str, str], None]) -> None:
    """Take words from the socket in `run`, on a thread, as long as the process lives."""
    path = run / SOCKET
    with contextlib.suppress(FileNotFoundError):
        path.unlink()
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    with unix.address(path) as short:
        server.bind(short)
    os.chmod(path, 0o600)  # noqa: PTH101
    server.listen(8)
    threading.Thread(target=_take, args=(server, told), daemon=True).start()


def tell(root: Path, what: str, release: str = "") -> None:
    """Give the running agent a word.

    Raises:
        NotFound: no agent runs here.
    """
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(10.0)
            with unix.address(root / "run" / SOCKET) as short:
                connection.connect(short)
            connection.sendall(json.dumps({"what": what, "release": release}).encode() + b"\n")
            connection.recv(16)
    except OSError as error:
        raise NotFound(f"no agent runs in {root}", hint="edgewise agent run, or the systemd unit") from error


def _take(server: socket.socket, told: Callable[[str, str], None]) -> None:
    while True:
        connection, _ = server.accept()
        with connection, contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            connection.settimeout(5.0)
            found = json.loads(connection.makefile("rb").readline(4096))
            told(str(found["what"]), str(found["release"]))
            connection.sendall(b"ok\n")
