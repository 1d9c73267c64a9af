"""python -m edgewise.edge.serve.health [URL]: 0 where the server is ready, else 1. For images without a shell."""

import os
import socket
import ssl
import sys
from collections.abc import Sequence
from urllib.parse import unquote, urlsplit

DEFAULT = "http://127.0.0.1:8080/v2/health/ready"
VARIABLE = "EDGEWISE_HEALTH_URL"
PATIENCE_S = 5.0


def main(arguments: Sequence[str]) -> int:
    """Ask; the exit code. `http+unix://%2Frun%2Fserver.sock/v2/health/ready` asks at a UNIX socket.

    A certificate is not checked: this asks the server beside it whether it is there, and tells it nothing.
    """
    url = urlsplit(arguments[0] if arguments else os.environ.get(VARIABLE) or DEFAULT)
    try:
        status = _status(url.scheme, unquote(url.hostname or ""), url.port, url.path or "/v2/health/ready", url.netloc)
    except (OSError, ValueError) as error:
        sys.stderr.write(f"edgewise: {url.geturl()} does not answer: {error}\n")
        return 1
    if status != 200:
        sys.stderr.write(f"edgewise: {url.geturl()} answers {status}\n")
    return 0 if status == 200 else 1


def _status(scheme: str, host: str, port: int | None, path: str, netloc: str) -> int:
    with _connected(scheme, host, port, netloc) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: {host or 'localhost'}\r\nConnection: close\r\n\r\n".encode())
        line = connection.makefile("rb").readline(256)
    words = line.split()
    if len(words) < 2 or not words[0].startswith(b"HTTP/1.") or not words[1].isdigit():
        raise ValueError("what it says is no HTTP")
    return int(words[1])


def _connected(scheme: str, host: str, port: int | None, netloc: str) -> socket.socket:
    if scheme == "http+unix":
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(PATIENCE_S)
        connection.connect(unquote(netloc))
        return connection
    if scheme not in ("http", "https") or not host:
        raise ValueError("it is no URL of a server")
    connection = socket.create_connection((host, port or (443 if scheme == "https" else 80)), timeout=PATIENCE_S)
    if scheme == "http":
        return connection
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context.wrap_socket(connection)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
