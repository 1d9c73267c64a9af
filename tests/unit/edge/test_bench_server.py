"""The bounds that the standard library's server lacks, and the agent lives through whatever comes."""

import http.client
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgewise.edge.bench import server as server_module
from edgewise.edge.bench.server import Server
from fakes import benches
from fakes.benches import TOKEN


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with benches.device(tmp_path) as (_, _, running):
        yield running


def dial(server: Server) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.server_port), timeout=5)


def alive(server: Server) -> bool:
    line = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=5)
    try:
        line.request("GET", "/v1/machine", headers={"Authorization": f"Bearer {TOKEN}"})
        return line.getresponse().status == 200
    finally:
        line.close()


HEAD = b"GET /v1/machine HTTP/1.1\r\nX: "
BODY = (
    f"POST /v1/workers/{'2' * 32}/calls HTTP/1.1\r\nAuthorization: Bearer {TOKEN}\r\nContent-Length: 1000\r\n\r\n"
).encode()


@pytest.mark.parametrize("head", [b"", HEAD, BODY], ids=["nothing", "head", "body"])
def test_a_client_that_drips_is_closed(server: Server, monkeypatch: pytest.MonkeyPatch, head: bytes) -> None:
    monkeypatch.setattr(server_module, "PATIENCE_S", 0.5)
    with dial(server) as line:
        line.sendall(head)
        began = time.monotonic()
        try:
            while time.monotonic() - began < 10:
                line.sendall(b"x")
                time.sleep(0.1)
        except OSError:
            pass
    assert time.monotonic() - began < 4
    assert alive(server)


def test_connections_are_bounded(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "MAX_CONNECTIONS", 3)
    lines = [dial(server) for _ in range(3)]
    while len(server.connections.open()) < 3:
        time.sleep(0.01)
    with dial(server) as refused:
        assert refused.recv(1) == b""
    for line in lines:
        line.close()
    deadline = time.monotonic() + 5
    while server.connections.open() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert alive(server)


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=300), st.sampled_from([b"", b"\r\n\r\n", b" HTTP/1.1\r\n\r\n"]))
def test_no_bytes_take_it_down(server: Server, content: bytes, end: bytes) -> None:
    with dial(server) as line:
        line.sendall(content + end)
        line.shutdown(socket.SHUT_WR)
        try:
            while line.recv(4096):
                pass
        except ConnectionResetError:
            pass
    assert alive(server)


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(["calls", "", "log"]), st.binary(max_size=200))
def test_no_document_is_a_bug_of_the_agent(server: Server, part: str, body: bytes) -> None:
    lease = "1" * 32
    server.bench.take(lease)
    line = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=5)
    headers = {"Authorization": f"Bearer {TOKEN}", "Edgewise-Lease": lease}
    line.request("POST" if part == "calls" else "PUT", f"/v1/workers/{'2' * 32}/{part}".rstrip("/"), body, headers)
    assert line.getresponse().status in (400, 404)
    line.close()
