"""A device that is reached: where its files are, and how Podman and systemd are asked there, as root or as a user."""

from collections.abc import Sequence
from dataclasses import dataclass

from edgewise.build.nodes.owner import Owner
from edgewise.errors import NotDeployable
from edgewise.flow.deploy import ssh
from edgewise.flow.deploy.ssh import Device


@dataclass(frozen=True, slots=True, kw_only=True)
class Reached:
    """A device as one of its users.

    Attributes:
        root: absolute folder that the paths of files are below.
        runtime: XDG_RUNTIME_DIR of a user, whose systemd listens there; "" for root.
    """

    where: Device
    root: str
    runtime: str = ""

    def __str__(self) -> str:
        return str(self.where)

    def run(
        self, *argv: str, given: bytes = b"", timeout_s: float = ssh.COMMAND_S, codes: Sequence[int] = (0,)
    ) -> tuple[int, str]:
        """See `ssh.run`."""
        return ssh.run(self.where, argv, given=given, timeout_s=timeout_s, codes=codes)

    def systemctl(self, *argv: str, timeout_s: float = ssh.COMMAND_S, codes: Sequence[int] = (0,)) -> tuple[int, str]:
        """Ask the systemd that runs the units."""
        own = ("--user",) if self.runtime else ()
        return self.run(*self._environment, "systemctl", *own, *argv, timeout_s=timeout_s, codes=codes)

    def podman(self, *argv: str, timeout_s: float = ssh.COMMAND_S, codes: Sequence[int] = (0,)) -> tuple[int, str]:
        """Ask Podman."""
        return self.run(*self._environment, "podman", *argv, timeout_s=timeout_s, codes=codes)

    def path(self, relative: str) -> str:
        """The absolute path of what is at `relative`."""
        return f"{self.root.rstrip('/')}/{relative}"

    def read(self, relative: str) -> bytes:
        """The content of the file at `relative`; b"" where there is none."""
        code, content = self.run("cat", "--", self.path(relative), codes=(0, 1))
        return b"" if code else content.encode()

    @property
    def _environment(self) -> tuple[str, ...]:
        return ("env", f"XDG_RUNTIME_DIR={self.runtime}") if self.runtime else ()


def reach(where: Device, owner: Owner, root: str = "") -> Reached:
    """The device `where` as `owner` is there.

    Args:
        root: where its files are instead, in tests.

    Raises:
        NodeUnreachable, NodeRefused: the device does not answer, or refuses.
        NotDeployable: a user's units are asked for, and it is root who is there.
    """
    if not owner.is_user:
        return Reached(where=where, root=root or "/")
    number = ssh.run(where, ["id", "-u"])[1].strip()
    if number == "0" and not root:
        raise NotDeployable(
            f"{where} lets root in, and --user is for others", hint="ssh://USER@HOST, or without --user"
        )
    home = root or ssh.run(where, ["printenv", "HOME"])[1].strip()
    return Reached(where=where, root=home, runtime=f"/run/user/{number}")


def linger(there: Reached) -> None:
    """Let a user's services run without anybody being logged in, and from boot on.

    Raises:
        NotDeployable: the device does not let its user decide that.
    """
    if there.runtime and there.run("loginctl", "enable-linger", codes=(0, 1))[0]:
        raise NotDeployable(
            f"{there} does not let its user's services run without a login",
            hint="an administrator lets it, once: loginctl enable-linger USER",
        )
