"""A device in memory, in place of `ssh.run`: files, units that run, and a connection that can be cut at any command.

What runs changes by systemctl alone, as on a real one; `boot` starts what the units on the disk say. Commands that the
deployment does not send are not known here, and fail the test.
"""

import hashlib
import io
import re
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass, field

from edgewise.errors import NodeRefused, NodeUnreachable
from edgewise.flow.deploy.ssh import Device

NAME = "meter-reader"
RELEASE = re.compile(r"io\.edgewise\.release=(sha256:[0-9a-f]{64})")
PYTHON = "/opt/edgewise/bin/python3"
DEVICE = Device(host="device")


@dataclass
class Remote:
    """A device with nothing on it.

    Attributes:
        files: by absolute path. `folders`: those made by mkdir.
        running: digest of the release that runs, by the name of its service.
        well: digests of releases that become well.
        cut_at: the connection is lost at this command, counted from 1; `done_first`: after it was done.
        interrupt_at: whoever waits presses Ctrl-C at this command.
    """

    root: str = "/"
    podman: str = "5.4.2"
    files: dict[str, bytes] = field(default_factory=dict)
    folders: set[str] = field(default_factory=set)
    running: dict[str, str] = field(default_factory=dict)
    volumes: set[str] = field(default_factory=set)
    pulled: list[str] = field(default_factory=list)
    well: set[str] = field(default_factory=set)
    commands: list[list[str]] = field(default_factory=list)
    linger: bool = True
    python: bool = True
    cut_at: int = 0
    done_first: bool = False
    interrupt_at: int = 0

    def run(
        self,
        where: Device,
        argv: Sequence[str],
        *,
        given: bytes = b"",
        timeout_s: float = 0,
        codes: Sequence[int] = (0,),
    ) -> tuple[int, str]:
        """As `ssh.run`."""
        self.commands.append(list(argv))
        cut = len(self.commands) == self.cut_at
        if cut and not self.done_first:
            raise NodeUnreachable(f"{where} cannot be reached: cut before {argv[0]}")
        code, said = self._do(list(argv), given)
        if cut:
            raise NodeUnreachable(f"{where} cannot be reached: cut after {argv[0]}")
        if len(self.commands) == self.interrupt_at:
            raise KeyboardInterrupt
        if code not in codes:
            raise NodeRefused(f"{' '.join(argv[:3])} failed on {where} with code {code}: {said}")
        return code, said

    def boot(self) -> None:
        """The power comes back: what the units on the disk say runs."""
        self.running = {}
        for path in self.files:
            stem, _, ending = path.rpartition("/")[2].rpartition(".")
            if stem == NAME and ending in ("container", "kube", "service"):
                self._start(f"{stem}.service")

    def units(self) -> dict[str, bytes]:
        """All units that systemd and Podman see, by name."""
        names = {path.rpartition("/")[2]: content for path, content in self.files.items() if "systemd" in path}
        return {name: content for name, content in names.items() if not name.startswith(".")}

    def hidden(self) -> list[str]:
        return [path for path in self.files if path.rpartition("/")[2].startswith(".") and "edgewise" in path]

    def _do(self, argv: list[str], given: bytes) -> tuple[int, str]:
        if argv[0] == "env":
            assert argv[1] == "XDG_RUNTIME_DIR=/run/user/1000"
            argv = argv[2:]
        program, *rest = argv
        match program:
            case "systemctl":
                user = rest[0] == "--user"
                assert user == (self.root != "/")
                return self._systemctl(rest[user:])
            case "podman":
                return self._podman(rest)
            case "loginctl":
                return (0 if self.linger else 1), ""
            case "id" | "printenv" | "uname":
                return 0, {"id": "1000", "printenv": self.root, "uname": "x86_64"}[program]
            case "sync" | "chmod":
                return 0, ""
        if program.endswith("python3"):
            return self._python(rest)
        return self._file(program, [one for one in rest if one != "--"], given)

    def _file(self, program: str, rest: list[str], given: bytes) -> tuple[int, str]:
        paths = [one for one in rest if one.startswith("/")]
        match program:
            case "cat":
                found = self.files.get(paths[0])
                return (1, "") if found is None else (0, found.decode())
            case "test":
                return (0 if paths[0] in self.folders else 1), ""
            case "mkdir":
                self.folders.add(paths[0])
            case "rm":
                for path in paths:
                    self.files.pop(path, None)
                    if "-rf" in rest:
                        self._forget(path)
            case "ln":
                if paths[0] not in self.files:
                    return 1, ""
                assert paths[1] not in self.files
                self.files[paths[1]] = self.files[paths[0]]
            case "mv":
                return self._move(*paths)
            case "ls" if "-d" in rest:
                there = [path for path in paths if path in self.files]
                return (0 if len(there) == len(paths) else 2), "\n".join(there)
            case "ls":
                return 0, "\n".join(
                    path.rpartition("/")[2] for path in self.files if path.rpartition("/")[0] == paths[0]
                )
            case "tar":
                with tarfile.open(fileobj=io.BytesIO(given)) as archive:
                    for member in archive:
                        content = archive.extractfile(member)
                        assert content is not None
                        self.files[f"{paths[0].rstrip('/')}/{member.name}"] = content.read()
            case "sha256sum":
                for line in given.decode().splitlines():
                    digest, path = line.split("  ")
                    if hashlib.sha256(self.files.get(path, b"")).hexdigest() != digest:
                        return 1, ""
            case _:
                raise AssertionError(f"{program} is not known")
        return 0, ""

    def _move(self, old: str, new: str) -> tuple[int, str]:
        if old in self.files:
            self.files[new] = self.files.pop(old)
            return 0, ""
        if old not in self.folders:
            return 1, f"{old} is not there"
        self.folders = {new if one == old else one for one in self.folders}
        inside = [path for path in self.files if path.startswith(f"{old}/")]
        for path in inside:
            self.files[new + path.removeprefix(old)] = self.files.pop(path)
        return 0, ""

    def _forget(self, folder: str) -> None:
        self.folders.discard(folder)
        self.files = {path: one for path, one in self.files.items() if not path.startswith(f"{folder}/")}

    def _systemctl(self, rest: list[str]) -> tuple[int, str]:
        verb, *names = [one for one in rest if not one.startswith("-")]
        match verb:
            case "restart" | "start":
                return self._start(names[0])
            case "stop":
                for name in names:
                    self.running.pop(name, None)
            case "is-active":
                if self.running.get(names[0]) not in self.well:
                    return 3, "failed"
            case _:
                assert verb in ("daemon-reload", "enable", "reset-failed"), verb
        return 0, ""

    def _start(self, service: str) -> tuple[int, str]:
        stem = service.removesuffix(".service")
        for ending in ("service", "container", "kube"):
            for path, content in self.files.items():
                if path.endswith(f"systemd/{stem}.{ending}") or path.endswith(f"/{stem}.{ending}"):
                    found = RELEASE.search(content.decode())
                    assert found is not None
                    self.running[service] = found[1]
                    self.volumes |= {
                        f"systemd-{name.removesuffix('.volume')}"
                        for name in self.units()
                        if name.endswith(".volume") and name.encode() in content
                    }
                    return 0, ""
        return (0, "") if stem.endswith("-pod") else (5, "not found")

    def _podman(self, rest: list[str]) -> tuple[int, str]:
        release = self.running.get(f"{NAME}.service", "")
        match rest:
            case ["--version"]:
                return (0, f"podman version {self.podman}") if self.podman else (127, "")
            case ["pull", *_, image]:
                self.pulled.append(image)
            case ["pod", "inspect", *_, name]:
                assert name == NAME
                return (0, release.removeprefix("sha256:")[:63]) if release else (125, "")
            case ["inspect", *_, name]:
                assert name == NAME
                return (0, release) if release else (125, "")
            case ["healthcheck", "run", _] | ["exec", *_]:
                return (0 if release in self.well else 1), ""
            case ["volume", "ls", "--quiet"]:
                return 0, "\n".join(sorted(self.volumes))
            case ["volume", "rm", "--", name]:
                self.volumes.discard(name)
            case _:
                raise AssertionError(rest)
        return 0, ""

    def _python(self, rest: list[str]) -> tuple[int, str]:
        if rest[0] == "-c":
            return (0 if self.python else 1), ""
        assert rest[:2] == ["-m", "edgewise.edge.serve.health"]
        return (0 if self.running.get(f"{NAME}.service") in self.well else 1), ""
