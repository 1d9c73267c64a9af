"""Servers to compare: how each is installed, started, asked, and stopped.

A peer has an environment of its own below the cache folder, made once from peers/NAME.txt, and an adapter,
peers/with_NAME.py, that serves a model with it. All get one thread for the model.
"""

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from edgewise.nouns import RuntimeName
from serving.messages import BINARY, GRPC, JSON, Way, message, right
from serving.subjects import Subject, model_folder

PEERS = Path(__file__).resolve().parents[1] / "peers"
START_S = 60.0
STOP_S = 15.0


class NotStarted(Exception):
    """A server that does not install, start or answer; says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """A server and the ways in which it can be asked.

    Attributes:
        first: how it is asked until it answers; over REST.
    """

    name: str
    title: str
    ways: tuple[Way, ...]
    first: Way = BINARY
    runtime: RuntimeName = RuntimeName.ONNXRUNTIME

    @property
    def ours(self) -> bool:
        """Edgewise, rather than a peer."""
        return self.name.startswith("edgewise")


PLAIN = Way(kind="plain", path="/predict")
OURS = (
    Contender(name="edgewise", title="Edgewise", ways=(BINARY, JSON)),
    Contender(name="edgewise-grpc", title="Edgewise with gRPC", ways=(GRPC,)),
    Contender(name="edgewise-litert", title="Edgewise, LiteRT", ways=(BINARY,), runtime=RuntimeName.LITERT),
)
PEER_TABLE = (
    Contender(name="kserve", title="KServe's Python server", ways=(BINARY, JSON, GRPC)),
    Contender(name="mlserver", title="MLServer, in process", ways=(JSON, GRPC), first=JSON),
    Contender(name="pytriton", title="Triton by PyTriton (Python backend)", ways=(BINARY, JSON, GRPC)),
    Contender(name="litserve", title="LitServe", ways=(PLAIN,), first=PLAIN),
    Contender(name="bentoml", title="BentoML", ways=(PLAIN,), first=PLAIN),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A server that answers.

    Attributes:
        cold_s: from its start to its first right answer.
    """

    contender: Contender
    pid: int
    ports: dict[str, int]
    cold_s: float


def install(peer: Contender, cache: Path) -> Path:
    """The Python of the environment of `peer` below `cache`, made where it is not there.

    Raises:
        NotStarted: it does not install.
    """
    folder = cache / peer.name
    python, wanted = folder / "bin/python", PEERS / f"{peer.name}.txt"
    done = folder / "installed.txt"
    if done.exists() and done.read_text() == wanted.read_text():
        return python
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    made = subprocess.run(
        [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", str(wanted)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if made.returncode:
        raise NotStarted(f"does not install: {made.stderr.strip().splitlines()[-1:]}")
    done.write_text(wanted.read_text())
    return python


@contextlib.contextmanager
def running(contender: Contender, subject: Subject, *, python: Path, folder: Path) -> Iterator[Running]:
    """`contender` with `subject`, from its start to its end.

    Raises:
        NotStarted: it ends, or gives no right answer in time.
    """
    ports = {"rest": free_port(), "grpc": free_port()}
    log = folder / f"{contender.name}-{subject.name}.log"
    environment = {**os.environ, "ORT_DISABLE_TELEMETRY": "1", "PYTHONUNBUFFERED": "1"}
    with log.open("wb") as out:
        started = time.perf_counter()
        process = subprocess.Popen(
            command(contender, subject, ports, python, folder),
            stdout=out, stderr=out, stdin=subprocess.DEVNULL, env=environment, start_new_session=True, cwd=folder,
        )  # fmt: skip
        try:
            first_answer(contender, subject, ports, process, log)
            cold_s = time.perf_counter() - started
            yield Running(contender=contender, pid=process.pid, ports=ports, cold_s=cold_s)
        finally:
            stop(process)


def command(contender: Contender, subject: Subject, ports: dict[str, int], python: Path, folder: Path) -> list[str]:
    """What starts it."""
    rest, grpc = str(ports["rest"]), str(ports["grpc"])
    if not contender.ours:
        return [str(python), str(PEERS / f"with_{contender.name}.py"), subject.name, str(subject.path), rest, grpc]
    served = folder / f"{contender.runtime}-{subject.name}"
    if not served.exists():
        model_folder(subject, served, contender.runtime)
    words = [sys.executable, "-m", "edgewise.edge.serve", str(served), "--http", f"127.0.0.1:{rest}"]
    return [*words, "--grpc", f"127.0.0.1:{grpc}"] if GRPC in contender.ways else words


def first_answer(
    contender: Contender, subject: Subject, ports: dict[str, int], process: "subprocess.Popen[bytes]", log: Path
) -> None:
    """Ask in its first way, every few milliseconds, until the answer is right."""
    way = contender.first
    ends = time.perf_counter() + START_S
    answer: bytes = b""
    while time.perf_counter() < ends:
        if process.poll() is not None:
            raise NotStarted(f"ended with {process.returncode}: {tail(log)}")
        try:
            answer = asked(ports["rest"], message(way, subject))
        except OSError:
            time.sleep(0.005)
            continue
        if right(way, answer, subject):
            return
        time.sleep(0.005)
    raise NotStarted(f"no right answer within {START_S:g} s: {answer[:200]!r} {tail(log)}")


def asked(port: int, request: bytes) -> bytes:
    """The body of the answer to one request on a connection of its own."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(request)
        response = http.client.HTTPResponse(connection)
        response.begin()
        return response.read()


def stop(process: "subprocess.Popen[bytes]") -> None:
    """End it as a supervisor would, and what is left of its session after that."""
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def free_port() -> int:
    """A port that nobody listens at, at this moment."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def tail(log: Path) -> str:
    """The last line that says something."""
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return lines[-1][:300] if lines else "it said nothing"
