"""The backend of containers with a Podman that runs nothing: what it is told, and every way in which it fails."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace

import pytest

from edgewise.edge import unix
from edgewise.edge.agent import podman as subject
from edgewise.edge.agent.backend import Running
from edgewise.edge.agent.disk import Disk
from edgewise.edge.agent.podman import Container, Podman
from edgewise.errors import EngineFailed, WrongBytes
from edgewise.exchange import release as releases
from edgewise.exchange.release import Part, PartKind, Release, Strategy
from edgewise.flow.deploy import contained
from edgewise.runtimes import served
from fakes import podman as fake
from fakes import served as models

IMAGE = f"sha256:{'a' * 64}"


def described(release: bytes, *, images: Mapping[str, str], model: str) -> tuple[list[str], str]:
    """In this process, what a child says."""
    told = contained.container(release.decode(), dict(images), model)
    return told["flags"], told["image"]


class Here:
    """A device with one embedded release on its disk, and a Podman that does as `fail` says."""

    def __init__(self, root: Path) -> None:
        self.folder = root / "podman"
        for name in ("images", "containers", "fail"):
            (self.folder / name).mkdir(parents=True)
        self.disk = Disk(root / "device")
        self.disk.run.mkdir(parents=True)
        inside = models.linear_folder(self.folder / "inside")
        part = Part(name="inference", kind=PartKind.IMAGE, digest=IMAGE, size_bytes=1, source="oci:there")
        self.made = Release(
            site="here",
            version="1",
            strategy=Strategy.EMBEDDED,
            parts=(part,),
            model_name="line",
            model_version="1",
            model_digest=releases.digest((inside / served.NAME).read_bytes()),
        )
        content = releases.written(self.made)
        self.release = releases.digest(content)
        self.disk.folder(self.release).mkdir(parents=True)
        (self.disk.folder(self.release) / "release.json").write_bytes(content)
        self.public = socket.create_server(("127.0.0.1", 0))
        self.ended: list[str] = []
        self.backend = self.another()

    def another(self) -> Podman:
        """The backend of an agent that comes after."""
        return Podman(self.disk, described, (sys.executable, "-S", fake.__file__, str(self.folder)))

    def fail(self, command: str, said: str, code: int = 125) -> None:
        (self.folder / "fail" / command).write_text(f"{code}\n{said}")

    def start(self) -> Container:
        return self.backend.start(self.release, self.made, self.public, self._tell)

    def _tell(self, one: Running) -> None:
        self.ended.append(one.ended())

    @property
    def asked(self) -> list[list[str]]:
        return [json.loads(line) for line in (self.folder / "asked").read_text().splitlines()]

    @property
    def containers(self) -> set[str]:
        return {one.name for one in (self.folder / "containers").iterdir()}

    def end(self, container: Container, code: int, *, starved: bool = False) -> None:
        """Its process is killed, and Podman has written down how."""
        path = self.folder / "containers" / container.name
        path.write_text(json.dumps(json.loads(path.read_text()) | {"code": code, "starved": starved}))
        os.kill(container.pid, signal.SIGKILL)


@pytest.fixture
def really(tmp_path: Path) -> Iterator[Here]:
    """Its Podman is a program."""
    made = Here(tmp_path)
    yield made
    made.public.close()
    for name in made.containers:
        fake.answer(made.folder, ["rm", name])


@pytest.fixture
def here(really: Here, monkeypatch: pytest.MonkeyPatch) -> Here:
    """Its Podman is a function, which is quicker."""

    def run(argv: list[str], **_: object) -> subprocess.CompletedProcess[bytes]:
        code, printed, said = fake.answer(really.folder, argv[argv.index(str(really.folder)) + 1 :])
        return subprocess.CompletedProcess(argv, code, printed.encode(), said.encode())

    monkeypatch.setattr(subject, "subprocess", SimpleNamespace(**{**vars(subprocess), "run": run}))
    return really


def test_a_container_is_told_all_that_its_unit_would_be_and_reached_by_sockets_alone(really: Here) -> None:
    here = really
    container = here.start()
    (words,) = (one for one in here.asked if one[0] == "run")
    assert {"--network", "none", "--read-only", "--preserve-fds=1", "--cap-drop", "all"} <= set(words)
    assert "--publish" not in words
    assert words[-4:] == ["--http", "unix:/run/edgewise/private.sock", "--later", "fd:3"]
    assert words[words.index("--user") + 1] == "65532:65532"
    assert f"EDGEWISE_MODEL_DIGEST={here.made.model_digest}" in words
    assert words[-5].startswith("localhost/edgewise-")
    assert words[-5].endswith(f":{'a' * 64}")
    assert served.read((container.proof / served.NAME).read_bytes()).golden
    container.stop(drain_s=1)
    assert here.containers == set()
    assert list(here.disk.run.iterdir()) == []


def test_an_image_is_imported_once(here: Here) -> None:
    here.backend.stage(here.made)
    here.start()
    assert sum(one[0] == "pull" for one in here.asked) == 1


@pytest.mark.parametrize(
    ("command", "said", "expected"),
    [
        ("image", "Error: cannot connect", "podman image: cannot connect"),
        ("pull", "WARN\nError: writing blob: no space left on device", "podman pull: writing blob: no space left"),
        ("tag", "", "podman tag: it ended with exit code 125"),
        ("create", "Error: no such image", "podman create: no such image"),
        ("cp", "Error: no such file", "podman cp: no such file"),
        ("run", "Error: OCI runtime error: crun: cgroups", "podman run: OCI runtime error"),
        ("inspect", "Error: no such object", "podman inspect: no such object"),
    ],
)
def test_where_podman_refuses_nothing_is_said_of_the_release_and_nothing_is_left(
    here: Here, command: str, said: str, expected: str
) -> None:
    here.fail(command, said)
    with pytest.raises(EngineFailed, match=expected):
        here.start()
    assert here.containers == set()
    (here.folder / "fail" / command).unlink()
    assert here.start().ended() == ""


def test_a_podman_that_is_missing_is_named(really: Here) -> None:
    backend = Podman(really.disk, described, ("podman-that-is-not-there",))
    with pytest.raises(EngineFailed, match="podman-that-is-not-there cannot be run"):
        backend.stage(really.made)


def test_a_podman_that_hangs_is_given_up(really: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subject, "IMPORT_S", 0.01)
    with pytest.raises(EngineFailed, match=r"podman pull took longer than 0\.01 s"):
        really.backend.stage(really.made)


@pytest.mark.parametrize("name", [served.NAME, "golden.npz"])
def test_an_image_with_another_model_than_the_release_names_is_not_run(here: Here, name: str) -> None:
    path = here.folder / "inside" / name
    path.write_bytes(path.read_bytes() + b"\n")
    with pytest.raises(WrongBytes, match=name):
        here.start()
    assert not any(one[0] == "run" for one in here.asked)
    assert here.containers == set()


@pytest.mark.parametrize(
    ("code", "starved", "expected"),
    [
        (3, False, "its container ended with exit code 3"),
        (137, True, "its container was ended because it took more memory than it may"),
        (137, False, "its container was ended by SIGKILL (out of memory?)"),
        (139, False, "its container was ended by SIGSEGV"),
    ],
)
def test_the_end_of_a_container_is_told_with_its_cause(here: Here, code: int, starved: bool, expected: str) -> None:
    container = here.start()
    waiting = threading.Thread(target=container.wait)
    waiting.start()
    here.end(container, code, starved=starved)
    waiting.join(30)
    assert here.ended == [expected]
    assert here.containers == set()


def test_a_container_that_dies_before_it_is_ready_gives_the_servers_own_reason(here: Here) -> None:
    container = here.start()
    (here.folder / "said").write_text('starting\n{"ready": false, "reason": "the golden is not reproduced"}\n')
    here.end(container, 1)
    assert container.ready(30) == "the golden is not reproduced"


def test_one_that_says_nothing_is_given_its_time_and_one_that_answers_is_ready(
    here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    container = here.start()
    assert container.ready(0.1) == "its server was not ready in 0.1 s"
    with socket.socket(socket.AF_UNIX) as listening:
        with unix.address(container.private) as address:
            listening.bind(address)
        listening.listen()
        threading.Thread(target=answer_once, args=(listening,), daemon=True).start()
        assert container.ready(30) == ""
    assert container.resident_bytes() > 0


def answer_once(listening: socket.socket) -> None:
    connection, _ = listening.accept()
    connection.recv(100)
    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    connection.close()


def test_what_no_kept_release_needs_is_collected_and_another_devices_images_are_not(here: Here) -> None:
    here.backend.stage(here.made)
    own = next(iter((here.folder / "images").iterdir())).name
    for name in (own.replace("a" * 64, "b" * 64), f"localhost%edgewise-other:{'b' * 64}", "docker.io%library%x:1"):
        (here.folder / "images" / name).touch()
    here.backend.collect(frozenset({here.release}))
    left = {one.name for one in (here.folder / "images").iterdir()}
    assert left == {own, f"localhost%edgewise-other:{'b' * 64}", "docker.io%library%x:1"}


def test_nothing_is_collected_where_what_is_needed_cannot_be_read(here: Here) -> None:
    here.backend.stage(here.made)
    with pytest.raises(Exception, match="No such file"):
        here.backend.collect(frozenset({f"sha256:{'c' * 64}"}))
    assert len(list((here.folder / "images").iterdir())) == 1


def test_what_an_earlier_agent_left_goes_once_ours_has_taken_over(here: Here) -> None:
    old = here.start()
    here.backend = here.another()  # the agent was killed
    here.backend.collect(frozenset({here.release}))
    assert old.name in here.containers  # it may be the one that serves
    new = here.start()
    here.backend.collect(frozenset({here.release}))
    assert {old.name, new.name} <= here.containers
    new.accept()
    here.backend.collect(frozenset({here.release}))
    assert here.containers == {new.name}


@pytest.mark.parametrize("command", ["create", "cp", "run", "inspect"])
def test_a_collection_in_the_midst_of_a_start_takes_nothing_from_it(
    here: Here, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    serving = here.start()
    serving.accept()
    real = here.backend._engine._done

    def done(_: object, argv: list[str], what: str, timeout_s: float, **how: object) -> str:
        printed = real(argv, what, timeout_s, **how)  # type: ignore[arg-type]
        if what == command:
            monkeypatch.setattr(type(here.backend._engine), "_done", lambda _, *told, **how: real(*told, **how))
            here.backend.collect(frozenset({here.release}))
        return printed

    monkeypatch.setattr(type(here.backend._engine), "_done", done)
    assert here.start().ended() == ""


def test_what_has_ended_by_itself_goes_at_once(here: Here) -> None:
    old = here.start()
    here.end(old, 1)
    here.backend = here.another()
    wait_until(lambda: not fake.runs(old.pid))
    here.backend.collect(frozenset({here.release}))
    assert here.containers == set()


def wait_until(condition: Callable[[], bool]) -> None:
    for _ in range(1000):
        if condition():
            return
        threading.Event().wait(0.01)
    pytest.fail("it never came")
