"""Sockets below folders that are deeper than an address may be long, at every place that binds or connects."""

import http.client
import os
import socket
import threading
from pathlib import Path

import pytest

from edgewise.edge import unix
from edgewise.edge.agent import agent, control, podman
from edgewise.edge.agent.proving import Local
from edgewise.edge.serve.addresses import Listener, parse
from edgewise.errors import NotFound

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"


@pytest.fixture
def deep(tmp_path: Path) -> Path:
    """A folder whose path alone is longer than an address may be."""
    made = tmp_path / ("d" * 60) / ("e" * 60)
    made.mkdir(parents=True)
    assert len(os.fsencode(made)) > unix.LONGEST_BYTES
    return made


def test_a_path_that_is_short_enough_stays_and_one_byte_more_is_named_by_its_folder(tmp_path: Path) -> None:
    for length in (unix.LONGEST_BYTES, unix.LONGEST_BYTES + 1):
        folder = tmp_path / ("d" * (length - len(os.fsencode(tmp_path)) - len("//s")))
        folder.mkdir()
        with unix.address(folder / "s") as short, socket.socket(socket.AF_UNIX) as made:
            assert (short == str(folder / "s")) == (length == unix.LONGEST_BYTES)
            made.bind(short)
        assert (folder / "s").is_socket()


def test_no_descriptor_is_left(deep: Path) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(5):
        with (
            pytest.raises(FileNotFoundError),
            socket.socket(socket.AF_UNIX) as asking,
            unix.address(deep / "s") as short,
        ):
            asking.connect(short)
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_server_listens_there_and_the_agent_asks_it_there(deep: Path) -> None:
    path = deep / "private.sock"
    listener = Listener(parse(f"unix:{path}"))
    assert listener.listen() == f"unix:{path}"
    listener.socket.setblocking(True)

    def answer() -> None:
        for _ in range(3):
            connection, _address = listener.socket.accept()
            with connection:
                connection.recv(1 << 16)
                connection.sendall(OK)

    thread = threading.Thread(target=answer)
    thread.start()
    assert podman._answers(path)
    assert agent.metrics(path) == "ok"
    connection = Local(str(path), 5.0)
    connection.request("GET", "/")
    assert connection.getresponse().status == http.client.OK
    connection.close()
    thread.join()
    listener.close()
    assert list(deep.iterdir()) == []


def test_a_person_reaches_the_agent_there(deep: Path) -> None:
    (deep / "run").mkdir()
    with pytest.raises(NotFound, match="no agent runs"):
        control.tell(deep, "fetch")
    heard: list[tuple[str, str]] = []
    control.listen(deep / "run", lambda what, release: heard.append((what, release)))
    control.tell(deep, "retry", "sha256:1")
    assert heard == [("retry", "sha256:1")]
