"""The door to devices: the system's `ssh`, which knows keys, agents, jump hosts and the person's own configuration.

Arguments are lists here and on the device: what the device's shell reads is quoted word by word (`shlex.join`), so that
no name or path is ever taken for more than itself. Every command is bounded in time.
"""

import contextlib
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from edgewise.errors import MissingDependency, NodeRefused, NodeUnreachable

UNREACHABLE = 255
"""What ssh ends with when it is ssh that failed."""
CONNECT_S, COMMAND_S, PULL_S, IDLE_S = 15, 60.0, 1800.0, 120
LOG_LINES = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """Where a device is, and how it is reached.

    Attributes:
        user: "" for the one that ssh's configuration says.
        port: None for the one that ssh's configuration says.
        identity: file of a key; None for those that ssh finds.
        configuration: file that ssh reads instead of the person's own.
        control: socket of a connection that commands share; None for one each.
    """

    host: str
    user: str = ""
    port: int | None = None
    identity: Path | None = None
    configuration: Path | None = None
    control: Path | None = None

    def __str__(self) -> str:
        return f"{self.user}@{self.host}" if self.user else self.host


def device(url: str, *, identity: Path | None = None, configuration: Path | None = None) -> Device:
    """The device that `ssh://[USER@]HOST[:PORT]` names.

    Raises:
        NodeUnreachable: it names none.
    """
    try:
        found = urlsplit(url)
        port = found.port
    except ValueError:
        found, port = urlsplit(""), None
    host, user = found.hostname or "", found.username or ""
    if found.scheme != "ssh" or not host or host.startswith("-") or user.startswith("-") or found.path.strip("/"):
        raise NodeUnreachable(f"{url!r} names no device", hint="such as ssh://root@gateway.example, or with :PORT")
    return Device(host=host, user=user, port=port, identity=identity, configuration=configuration)


@contextlib.contextmanager
def shared(where: Device) -> Iterator[Device]:
    """`where` with one connection for all commands of the block; it ends with the block, or by itself when idle."""
    with tempfile.TemporaryDirectory(prefix="edgewise-ssh-") as folder:
        one = replace(where, control=Path(folder) / "control")
        try:
            yield one
        finally:
            program = shutil.which("ssh")
            if program is not None and one.control is not None and one.control.exists():
                closing = [program, *_options(one), "-O", "exit", "--", one.host]
                subprocess.run(closing, capture_output=True, timeout=COMMAND_S, check=False)


def run(
    where: Device, argv: Sequence[str], *, given: bytes = b"", timeout_s: float = COMMAND_S, codes: Sequence[int] = (0,)
) -> tuple[int, str]:
    """Run `argv` on the device; its exit code, one of `codes`, and what it printed.

    Args:
        given: its standard input.

    Raises:
        MissingDependency: there is no ssh here.
        NodeUnreachable: the device does not answer, or lets nobody in.
        NodeRefused: it ended with another code, or not in time.
    """
    program = shutil.which("ssh")
    if program is None:
        raise MissingDependency("ssh is needed and not installed", hint="apt-get install openssh-client")
    try:
        done = subprocess.run(
            [program, *_options(where), "--", where.host, shlex.join(argv)],
            input=given,
            capture_output=True,
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise NodeRefused(
            f"{argv[0]} on {where} did not end within {timeout_s:g} s", hint="look at the device"
        ) from None
    said = done.stderr.decode(errors="replace")
    if done.returncode == UNREACHABLE:
        raise NodeUnreachable(
            f"{where} cannot be reached: {_last(said)}", hint="try it by hand: ssh, with the same user, port and key"
        )
    if done.returncode not in codes:
        raise NodeRefused(
            f"{' '.join(argv[:2])} failed on {where} with code {done.returncode}: {_last(said)}",
            hint="nothing that ran was changed",
        )
    return done.returncode, done.stdout.decode(errors="replace")


def _options(where: Device) -> list[str]:
    options = ["-o", "BatchMode=yes", "-o", f"ConnectTimeout={CONNECT_S}", "-T"]
    if where.configuration is not None:
        options += ["-F", str(where.configuration)]
    if where.identity is not None:
        options += ["-i", str(where.identity), "-o", "IdentitiesOnly=yes"]
    if where.control is not None:
        options += ["-o", "ControlMaster=auto", "-o", f"ControlPath={where.control}", "-o", f"ControlPersist={IDLE_S}"]
    if where.port is not None:
        options += ["-p", str(where.port)]
    if where.user:
        options += ["-l", where.user]
    return options


def _last(text: str) -> str:
    """The last lines that say something, on one line."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return "; ".join(lines[-LOG_LINES:])[-2000:] or "it said nothing"
