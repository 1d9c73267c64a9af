"""The server as a child process: started on a private socket, and let at the public one when it may.

The agent holds the public socket and hands it on, so that it never closes while one server takes over from another. It
is bound with SO_REUSEPORT: an agent that was killed finds its server serving on, starts another beside it, and
ends the old one when the new one answers.
"""

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from uuid import uuid4

from edgewise.edge import cases
from edgewise.edge.agent.backend import DRAIN_S, Ended, Running, resident_bytes
from edgewise.edge.agent.disk import Disk
from edgewise.errors import BadConfiguration, ChildFailed
from edgewise.exchange.release import Release
from edgewise.store import atomic

MODULE = "edgewise.edge.serve"
HANDED_ON = "EDGEWISE_PUBLIC_SOCKET"
BACKLOG = 1024
LOG_BYTES = 1 << 20


def hand_on(public: socket.socket, address: str) -> None:
    """Leave `public`, which listens at `address`, open to the program that this process becomes.

    Of two sockets at one address, that which closes takes with it whom it has not answered yet.
    """
    public.set_inheritable(True)
    os.environ[HANDED_ON] = f"{public.detach()} {address}"


def listening(address: str) -> socket.socket:
    """The public socket at HOST:PORT; the one that was handed on, where it is there.

    Raises:
        BadConfiguration: it cannot be had.
    """
    number, _, there = os.environ.pop(HANDED_ON, "").partition(" ")
    if there:
        with contextlib.suppress(OSError):
            found = socket.socket(fileno=int(number))
            found.set_inheritable(False)
            if there == address:
                return found
            found.close()
    host, _, port = address.rpartition(":")
    bare = host.removeprefix("[").removesuffix("]")
    made = socket.socket(socket.AF_INET6 if ":" in bare else socket.AF_INET, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        made.bind((bare, int(port)))
        made.listen(BACKLOG)
    except (OSError, ValueError, OverflowError) as error:
        made.close()
        raise BadConfiguration(
            f"{address} cannot be listened at: {error}", hint="another listen in agent.json"
        ) from error
    return made


class Processes:
    """The backend of child processes: what a release needs is the files that lie on `disk`."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk

    def stage(self, made: Release) -> None:
        """All is there when the files are."""

    def start(self, release: str, made: Release, public: socket.socket, ended: Ended) -> "Server":
        """Begin the server's process.

        Raises:
            ChildFailed: it could not be started.
        """
        return Server(
            release,
            self._disk.model(release),
            private=self._disk.run / f"{uuid4().hex[:12]}.sock",
            public=public,
            log=self._disk.log,
            environment={
                **made.settings,
                "EDGEWISE_MODEL_DIGEST": made.model_digest,
                cases.VARIABLE: str(self._disk.cases),
            },
            ended=ended,
        )

    def collect(self, needed: frozenset[str]) -> None:
        """Nothing but files was kept."""


class Server:
    """The server of `release` as a process.

    Raises:
        ChildFailed: it could not be started.
    """

    def __init__(
        self,
        release: str,
        model: Path,
        *,
        private: Path,
        public: socket.socket,
        log: Path,
        environment: Mapping[str, str],
        ended: Ended = lambda _: None,
    ) -> None:
        self.release, self.private, self.proof, self._ended = release, private, model, ended
        log.parent.mkdir(parents=True, exist_ok=True)
        if log.exists() and log.stat().st_size > LOG_BYTES:
            log.replace(log.with_suffix(".log.1"))
        number = public.fileno()
        try:
            with log.open("ab") as errors:
                self.process = subprocess.Popen(
                    # -P: a json.py in the folder that the agent runs in is not ours to import
                    [
                        sys.executable,
                        "-P",
                        "-m",
                        MODULE,
                        str(model),
                        "--http",
                        f"unix:{private}",
                        "--later",
                        f"fd:{number}",
                    ],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=errors,
                    env=os.environ | dict(environment),
                    pass_fds=(number,),
                    start_new_session=True,
                )
        except OSError as error:
            raise ChildFailed(f"the server could not be started: {error.strerror or error}") from error

    @property
    def pid(self) -> int:
        """Of its process."""
        return self.process.pid

    def ready(self, timeout_s: float) -> str:
        """Wait until it answers on its private socket; why it does not, or "".

        The sentence is the server's own where it said one.
        """
        assert self.process.stdout is not None
        deadline, said = time.monotonic() + timeout_s, b""
        while b"\n" not in said:
            readable, _, _ = select.select([self.process.stdout], [], [], max(0.0, deadline - time.monotonic()))
            if not readable:
                return f"its server was not ready in {timeout_s:g} s"
            piece = os.read(self.process.stdout.fileno(), 1 << 16)
            if not piece:
                return how_ended(self.process.wait())
            said += piece
        try:
            line = json.loads(said.partition(b"\n")[0])
        except ValueError:
            return f"its server said {said[:60]!r} where it should say that it is ready"
        return "" if line.get("ready") else str(line.get("reason") or "its server is not ready")

    def ended(self) -> str:
        """How its process has ended; "" while it runs."""
        code = self.process.poll()
        return "" if code is None else how_ended(code)

    def accept(self) -> None:
        """Let it answer at the public socket."""
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGUSR1)

    def resident_bytes(self) -> int:
        """What its process holds in memory; 0 where it has ended."""
        return resident_bytes(self.pid)

    def stop(self, *, drain_s: float = DRAIN_S) -> None:
        """End it: what is under way is answered first."""
        self._ended = lambda _: None
        with contextlib.suppress(ProcessLookupError):
            self.process.terminate()
        try:
            self.process.wait(drain_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()
        with contextlib.suppress(OSError):
            self.private.unlink()

    def wait(self) -> None:
        """Wait for its end, and tell whoever wants to know."""
        self.process.wait()
        self._ended(self)


def how_ended(code: int) -> str:
    """The end of a server, in a sentence."""
    if code < 0:
        name = signal.Signals(-code).name
        return f"its server was ended by {name}" + (" (out of memory?)" if -code == signal.SIGKILL else "")
    return f"its server ended with exit code {code}"


def remember(path: Path, begun: Sequence[Running], found: Sequence[tuple[int, str]]) -> None:
    """Write down which servers run, those of an earlier agent too, for an agent that comes after this one."""
    pairs = [*((one.pid, one.release) for one in begun), *found]
    rows = [{"pid": pid, "started": _started(pid), "release": release} for pid, release in pairs]
    atomic.write(path, json.dumps(rows).encode())


def orphans(path: Path) -> list[tuple[int, str]]:
    """Pid and release of servers that an earlier agent started and that still run; nobody else's process is meant."""
    try:
        rows = json.loads(path.read_bytes())
        return [(int(row["pid"]), str(row["release"])) for row in rows if row["started"] == _started(row["pid"]) != ""]
    except (OSError, ValueError, KeyError, TypeError):
        return []


def end_orphan(pid: int, *, drain_s: float = DRAIN_S) -> None:
    """End a server that is not our child."""
    deadline = time.monotonic() + drain_s
    began = _started(pid)
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)
        while began and _started(pid) == began and time.monotonic() < deadline:
            time.sleep(0.02)
        if not began or _started(pid) != began:
            return


def _started(pid: int) -> str:
    """When the process began, in the kernel's ticks; "" where there is none, or it is a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return "" if fields[0] == "Z" else fields[19]
    except (OSError, IndexError):
        return ""
