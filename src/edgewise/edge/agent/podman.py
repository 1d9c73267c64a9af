"""The backend of containers: images from the release's own blobs, run by Podman without a network.

A container gets what a child process gets: the public socket as an open file, which Podman passes on, a private socket
in a folder that it shares with the agent, and the word to accept as a signal. So one switch serves both, no port is
published, and an old container answers what it has while the new one accepts.

Images are imported from the blobs that the release brought, by digest, and named after the part that they are; no
registry is asked. A container outlives its agent, as a process does. Its end is seen by its process, without a Podman
that waits. What an agent that died has left is known by its label.
"""

import contextlib
import hashlib
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from uuid import uuid4
from weakref import finalize

from edgewise.edge import unix
from edgewise.edge.agent.backend import DRAIN_S, Ended, resident_bytes
from edgewise.edge.agent.disk import Disk
from edgewise.errors import EdgewiseError, EngineFailed, WrongBytes
from edgewise.exchange.release import PartKind, Release
from edgewise.runtimes import served
from edgewise.runtimes.child import Child
from edgewise.store.blobs import digest_of, digest_of_file

COMMAND_S, IMPORT_S = 60.0, 3600.0
POLL_S = 0.05
LABEL = "io.edgewise.agent"
USER = 65532
"""Whom every image of ours runs as: it makes the private socket."""
INSIDE, SOCKET = "/run/edgewise", "private.sock"
"""The folder that the container shares with the agent, as the container sees it."""
PUBLIC = 3
"""The number by which a container knows the public socket: the first that Podman passes on."""
INHERIT = (
    "import os, sys; given = int(sys.argv[1]); given == 3 or (os.dup2(given, 3), os.close(given));"
    " os.execvp(sys.argv[2], sys.argv[2:])"
)
"""Becomes Podman, with the socket at `PUBLIC` and nowhere else: Podman's own children would keep it."""
MODELS, MODEL_PART = "/models", "model"
"""Where images have a model, and which part it is where it comes in an image of its own."""
GIVEN = "localhost/store:latest"
"""What Podman calls an image that it has pulled from a folder called "store"."""
LOG_OPTIONS = ("--log-driver=k8s-file", "--log-opt=max-size=1mb")


class Described(Protocol):
    """How a release is run: what `podman run` is told before the image's name, the image, and what stands after it."""

    def __call__(self, release: bytes, *, images: Mapping[str, str], model: str) -> tuple[list[str], str]:
        """Flags, and which of `images` it is.

        Args:
            release: its document.
            images: names of images here, by the name of their part.
            model: folder of the model's files; "" where it comes in an image.

        Raises:
            EdgewiseError: it cannot be run so.
        """


@dataclass(frozen=True, slots=True)
class ByChild:
    """Asks `module`, a child that ends when it has answered: what describes containers need not be in memory."""

    module: str

    def __call__(self, release: bytes, *, images: Mapping[str, str], model: str) -> tuple[list[str], str]:
        """See `Described`."""
        with Child(self.module, name="the description of a container") as child:
            told = child.call(
                "container", timeout_s=COMMAND_S, release=release.decode(), images=dict(images), model=model
            )
        return [str(one) for one in told["flags"]], str(told["image"])


class Podman:
    """Runs releases of one device in containers.

    Args:
        program: Podman, with options of its own.
    """

    def __init__(self, disk: Disk, described: Described, program: Sequence[str] = ("podman",)) -> None:
        self._disk, self._described = disk, described
        self._engine = Engine(tuple(program))
        self._mark = hashlib.sha256(str(disk.root.resolve()).encode()).hexdigest()[:8]
        self._begun: list[Container] = []
        self._making: set[str] = set()
        self._lock = threading.Lock()

    def stage(self, made: Release) -> None:
        """Import its images.

        Raises:
            EngineFailed: Podman is missing, or refuses; nothing is said of the release.
        """
        for part in made.parts:
            if part.kind is PartKind.IMAGE:
                self._import(part.digest)

    def start(self, release: str, made: Release, public: socket.socket, ended: Ended) -> "Container":
        """Run its server in a container of its own name.

        Raises:
            EngineFailed: Podman is missing, or refuses.
        """
        self.stage(made)
        images = {one.name: self._name(one.digest) for one in made.parts if one.kind is PartKind.IMAGE}
        files = made.part(PartKind.MODEL) is not None
        if files:
            _readable(self._disk.model(release))
        document = (self._disk.folder(release) / "release.json").read_bytes()
        flags, image = self._described(document, images=images, model=str(self._disk.model(release)) if files else "")
        name = self._new_name()
        shared = _shared(self._disk.run / name[-12:])
        own = (f"--name={name}", f"--label={LABEL}={self._mark}", f"--volume={shared}:{INSIDE}:rw,z", *LOG_OPTIONS)
        command = ("--http", f"unix:{INSIDE}/{SOCKET}", "--later", f"fd:{PUBLIC}")
        try:
            proof = self._disk.model(release) if files else self._proof(made, shared.with_suffix(".proof"))
            self._engine.run_with(public, [*own, *flags, image, *command])
            begun = Container(self._engine, name, release, shared, proof, ended)
        except EdgewiseError:
            self._engine.forget(name)
            _away(shared)
            self._made(name)
            raise
        self._made(name, begun)
        return begun

    def collect(self, needed: frozenset[str]) -> None:
        """Remove images of releases that are not needed, and containers that nobody looks after any more.

        Raises:
            EdgewiseError: what is needed cannot be read; nothing was removed.
        """
        kept = {part.digest for one in needed for part in self._disk.read(one).parts}
        for name in self._strays():
            self._engine.forget(name)
        repository = self._name("").rpartition(":")[0]
        for tag in self._engine.tags(repository):
            if f"sha256:{tag}" not in kept:
                with contextlib.suppress(EngineFailed):  # a container still runs it: with the next collection
                    self._engine.ask("rmi", f"{repository}:{tag}")

    def _proof(self, made: Release, folder: Path) -> Path:
        """model.json and its golden, read out of the image that has the model.

        Raises:
            WrongBytes: they are not the ones that the release names.
            EngineFailed: they cannot be read.
        """
        images = {one.name: one for one in made.parts if one.kind is PartKind.IMAGE}
        image = self._name((images.get(MODEL_PART) or next(iter(images.values()))).digest)
        holder = self._new_name()
        folder.mkdir()
        try:
            label = f"--label={LABEL}={self._mark}"
            self._engine.ask("create", "--pull=never", "--network=none", f"--name={holder}", label, image, "/never-run")
            self._engine.ask("cp", f"{holder}:{MODELS}/{served.NAME}", str(folder / served.NAME))
            content = (folder / served.NAME).read_bytes()
            if digest_of(content) != made.model_digest:
                raise WrongBytes(f"{served.NAME} in its image is not the one that the release names")
            if golden := served.read(content).golden:
                there = folder / golden.file.name
                there.parent.mkdir(parents=True, exist_ok=True)
                self._engine.ask("cp", f"{holder}:{MODELS}/{golden.file.name}", str(there))
                if digest_of_file(there) != golden.file.digest:
                    raise WrongBytes(f"{golden.file.name} in its image is other than {served.NAME} says")
        finally:
            self._engine.forget(holder)
            self._made(holder)
        return folder

    def _new_name(self) -> str:
        """Of a container that is about to be made, and that is not to be collected before it is."""
        name = f"edgewise-{self._mark}-{uuid4().hex[:12]}"
        with self._lock:
            self._making.add(name)
        return name

    def _made(self, name: str, *begun: "Container") -> None:
        """It was made, and is looked after; or it was not, or is gone."""
        with self._lock:
            self._begun = [*(one for one in self._begun if not one.over), *begun]
            self._making.discard(name)

    def _strays(self) -> list[str]:
        """Containers of this device that nobody looks after: those that have ended, and once ours accepts, all others.

        An agent that was killed has left its container serving; it stays until one of ours has taken over from it.
        """
        every = self._engine.containers(f"{LABEL}={self._mark}")  # first: what is made from here on is not in it
        with self._lock:
            begun = [one for one in self._begun if not one.over]
            ours = {*self._making, *(one.name for one in begun)}
        taken_over = any(one.accepting and not one.ended() for one in begun)
        return [name for name, runs in every.items() if name not in ours and (taken_over or not runs)]

    def _import(self, digest: str) -> None:
        name = self._name(digest)
        if self._engine.has(name):
            return
        layout = f"oci:store:{name.rpartition(':')[2]}"
        found = self._engine.ask("pull", "--quiet", layout, timeout_s=IMPORT_S, folder=self._disk.root).split()[-1]
        self._engine.ask("tag", found, name)
        self._engine.ask("untag", found, GIVEN)

    def _name(self, digest: str) -> str:
        """Of an image here: another device's agent on this machine has other names."""
        return f"localhost/edgewise-{self._mark}:{digest.removeprefix('sha256:')}"


class Container:
    """The server of `release` in a container that runs."""

    def __init__(self, engine: "Engine", name: str, release: str, shared: Path, proof: Path, ended: Ended) -> None:
        self._engine, self.name, self.release, self._ended = engine, name, release, ended
        self._shared, self.private, self.proof = shared, shared / SOCKET, proof
        self.accepting = self.over = False
        self._how = ""
        self.pid = engine.pid(name)
        self._process = _opened(self.pid)
        if self._process >= 0:  # not closed before: who waits for the end may look at it still
            finalize(self, os.close, self._process)

    def ready(self, timeout_s: float) -> str:
        """Wait until it answers on its private socket; why it does not, or ""."""
        deadline = time.monotonic() + timeout_s
        while not self.ended():
            if _answers(self.private):
                return ""
            if time.monotonic() > deadline:
                return f"its server was not ready in {timeout_s:g} s"
            time.sleep(POLL_S)
        return self._engine.last_word(self.name) or self.ended()

    def ended(self) -> str:
        """How its container has ended; "" while it runs."""
        if self._how or not _is_over(self._process):
            return self._how
        self._how = self._engine.how_ended(self.name)
        return self._how

    def accept(self) -> None:
        """Let it answer at the public socket."""
        self.accepting = True
        with contextlib.suppress(EngineFailed):  # it has ended, which `wait` tells
            self._engine.ask("kill", "--signal=USR1", self.name)

    def resident_bytes(self) -> int:
        """What its first process holds in memory; 0 where it has ended."""
        return resident_bytes(self.pid)

    def stop(self, *, drain_s: float = DRAIN_S) -> None:
        """End it: what is under way is answered first."""
        self._ended = lambda _: None
        with contextlib.suppress(EngineFailed):
            self._engine.ask("stop", f"--time={round(drain_s)}", self.name, timeout_s=drain_s + COMMAND_S)
        self._remove()

    def wait(self) -> None:
        """Wait for its end, and tell whoever wants to know."""
        if self._process >= 0:
            select.select([self._process], [], [])
        self.ended()
        self._ended(self)
        self._remove()

    def _remove(self) -> None:
        self._how = self._how or "its container was ended"
        self.over = True
        self._engine.forget(self.name)
        _away(self._shared)


@dataclass(frozen=True, slots=True)
class Engine:
    """The door to Podman: lists of words, bounded, its errors in a sentence."""

    program: tuple[str, ...]

    def ask(self, *words: str, timeout_s: float = COMMAND_S, folder: Path | None = None) -> str:
        """What Podman prints, run in `folder`.

        Raises:
            EngineFailed: it is missing, refuses, or takes longer than `timeout_s`.
        """
        return self._done([*self.program, *words], words[0], timeout_s, folder=folder)

    def read(self, *words: str, timeout_s: float, most_bytes: int) -> bytes:
        """What Podman prints, where it may be much.

        Raises:
            EngineFailed: it is missing, refuses, prints more than `most_bytes`, or takes longer than `timeout_s`.
        """
        quiet, what = subprocess.DEVNULL, f"podman {words[0]}"
        try:
            asked = subprocess.Popen(
                [*self.program, *words], stdin=quiet, stdout=subprocess.PIPE, stderr=quiet, start_new_session=True
            )
        except OSError as error:
            raise EngineFailed(f"{self.program[0]} cannot be run: {error.strerror}", hint="install Podman") from error
        with asked:
            assert asked.stdout is not None
            alarm = threading.Timer(timeout_s, _end, (asked,))
            alarm.daemon = True
            alarm.start()
            content = asked.stdout.read(most_bytes + 1)
            if len(content) > most_bytes:
                _end(asked)
            code = asked.wait()
            alarm.cancel()
        if len(content) > most_bytes:
            raise EngineFailed(f"{what} printed more than {most_bytes} bytes")
        if code:
            raise EngineFailed(f"{what} ended with {code}, or took longer than {timeout_s:g} s", code=code)
        return content

    def run_with(self, public: socket.socket, words: Sequence[str]) -> None:
        """`podman run` in the background, with the socket `public` passed on.

        Raises:
            EngineFailed: the container could not be started.
        """
        number = os.dup(public.fileno())  # a number that nothing else takes, whatever becomes of the socket
        try:
            told = [*self.program, "run", "--detach", "--pull=never", "--preserve-fds=1", *words]
            inherit = [sys.executable, "-I", "-S", "-c", INHERIT, str(number), *told]
            self._done(inherit, "run", COMMAND_S, keep=(number,))
        finally:
            os.close(number)

    def has(self, image: str) -> bool:
        """Whether there is such an image."""
        try:
            self.ask("image", "exists", image)
        except EngineFailed as error:
            if error.code == 1:
                return False
            raise
        return True

    def tags(self, repository: str) -> list[str]:
        """Of all images that are named so."""
        told = self.ask("images", "--format={{.Repository}} {{.Tag}}", f"--filter=reference={repository}")
        pairs = (line.split() for line in told.splitlines())
        return [pair[1] for pair in pairs if len(pair) == 2 and pair[0] == repository]

    def containers(self, label: str) -> dict[str, bool]:
        """Names of containers that have the label, and whether each runs."""
        told = self.ask("ps", "--all", "--format={{.Names}} {{.State}}", f"--filter=label={label}")
        return {line.split()[0]: line.split()[-1] == "running" for line in told.splitlines() if line.strip()}

    def pid(self, name: str) -> int:
        """Of the container's first process; 0 where it has ended."""
        return int(self.ask("inspect", "--format={{.State.Pid}}", name).strip() or 0)

    def how_ended(self, name: str) -> str:
        """The end of a container, in a sentence."""
        try:
            self.ask("wait", name)
            told = self.ask("inspect", "--format={{.State.ExitCode}} {{.State.OOMKilled}}", name).split()
        except EngineFailed:
            return "its container is gone"
        code, starved = int(told[0]), told[1] == "true"
        if starved:
            return "its container was ended because it took more memory than it may"
        if code > 128 and code - 128 in set(signal.Signals):
            name = signal.Signals(code - 128).name
            return f"its container was ended by {name}" + (" (out of memory?)" if name == "SIGKILL" else "")
        return f"its container ended with exit code {code}"

    def last_word(self, name: str) -> str:
        """Why the server in the container says that it is not ready; "" where it says nothing."""
        with contextlib.suppress(EngineFailed):
            for line in reversed(self.ask("logs", "--tail=20", name).splitlines()):
                with contextlib.suppress(ValueError):
                    told: Any = json.loads(line)
                    if isinstance(told, dict) and told.get("ready") is False:
                        return str(told.get("reason") or "")
        return ""

    def forget(self, name: str) -> None:
        """Remove the container, whatever it does; no matter if there is none."""
        with contextlib.suppress(EngineFailed):
            self.ask("rm", "--force", "--ignore", "--time=5", "--volumes", name)

    def _done(
        self,
        argv: Sequence[str],
        what: str,
        timeout_s: float,
        *,
        keep: tuple[int, ...] = (),
        folder: Path | None = None,
    ) -> str:
        try:
            done = subprocess.run(
                argv,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=timeout_s,
                check=False,
                pass_fds=keep,
                cwd=folder,
                start_new_session=True,
            )
        except subprocess.TimeoutExpired as error:
            raise EngineFailed(f"podman {what} took longer than {timeout_s:g} s") from error
        except OSError as error:
            raise EngineFailed(f"{self.program[0]} cannot be run: {error.strerror}", hint="install Podman") from error
        if done.returncode:
            lines = done.stderr.decode(errors="replace").strip().splitlines()
            said = lines[-1].removeprefix("Error: ") if lines else f"it ended with exit code {done.returncode}"
            raise EngineFailed(f"podman {what}: {said[:300]}", code=done.returncode)
        return done.stdout.decode(errors="replace")


def _end(asked: subprocess.Popen[bytes]) -> None:
    """End it with all that it has started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(asked.pid, signal.SIGKILL)


def _shared(folder: Path) -> Path:
    """A folder that the container's user may make its socket in; nobody else comes here, `run` is the agent's."""
    folder.mkdir(mode=0o700)
    if os.geteuid() == 0:
        os.chown(folder, USER, USER)
    return folder


def _readable(folder: Path) -> None:
    """Let the container's user read the model's files. They lie in a folder that is closed to everybody else."""
    for path in (folder, *folder.rglob("*")):
        path.chmod(path.stat().st_mode | (0o055 if path.is_dir() else 0o044))


def _away(shared: Path) -> None:
    """Remove what a container shared with the agent, and what it was proven by."""
    for folder in (shared, shared.with_suffix(".proof")):
        shutil.rmtree(folder, ignore_errors=True)


def _opened(pid: int) -> int:
    """A descriptor that can be read once the process has ended; -1 where it has."""
    try:
        return os.pidfd_open(pid) if pid else -1
    except OSError:
        return -1


def _is_over(process: int) -> bool:
    return process < 0 or bool(select.select([process], [], [], 0)[0])


def _answers(private: Path) -> bool:
    """Whether the server at the socket says that it is ready."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(5.0)
            with unix.address(private) as short:
                connection.connect(short)
            connection.sendall(b"GET /v2/health/ready HTTP/1.1\r\nHost: server\r\nConnection: close\r\n\r\n")
            return connection.recv(64).startswith(b"HTTP/1.1 200")
    except OSError:
        return False
