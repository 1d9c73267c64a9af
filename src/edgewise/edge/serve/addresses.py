"""Where the server listens: HOST:PORT, unix:PATH, or fd:NUMBER, a listening socket that was inherited.

A TCP address is bound at once, so that one that is taken is told at the start, and listened at only when it is served.
A UNIX socket is made beside its path and moved there when it is served: what stood there before, an older server's
perhaps, is replaced without a moment in which nobody listens.
"""

import contextlib
import os
import socket
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from edgewise.edge import unix
from edgewise.errors import AddressTaken, BadConfiguration

BACKLOG = 1024
_LARGEST_PORT = 65535


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """One address as it was given, and what it means."""

    text: str
    kind: Literal["tcp", "unix", "fd"]
    host: str = ""
    port: int = 0
    path: str = ""
    number: int = -1


def parse(text: str) -> Address:
    """The address.

    Raises:
        BadConfiguration: it is none.
    """
    if text.startswith("unix:") and len(text) > len("unix:"):
        return Address(text=text, kind="unix", path=text.removeprefix("unix:"))
    number = text.removeprefix("fd:")
    if number != text and number.isascii() and number.isdigit():
        return Address(text=text, kind="fd", number=int(number))
    host, _, port = text.rpartition(":")
    bare = host.removeprefix("[").removesuffix("]")
    if bare and (":" in bare) == (bare != host) and port.isascii() and port.isdigit() and int(port) <= _LARGEST_PORT:
        return Address(text=text, kind="tcp", host=bare, port=int(port))
    raise BadConfiguration(
        f"{text!r} is no address",
        hint="HOST:PORT ([::1]:PORT for IPv6), unix:PATH, or fd:NUMBER of an inherited socket",
    )


class Listener:
    """A socket at `address`: bound when it is made, listening after `listen`.

    Raises:
        AddressTaken: the address cannot be had.
    """

    def __init__(self, address: Address) -> None:
        self.address = address
        try:
            self.socket = _bound(address)
        except (OSError, ValueError) as error:
            raise AddressTaken(f"{address.text} cannot be listened at: {error}") from error
        self._inode = Path(_beside(address.path)).stat().st_ino if address.kind == "unix" else 0

    def listen(self) -> str:
        """Listen, and say where, as an address of the same form; port 0 has become a port.

        Raises:
            AddressTaken: it cannot be listened at.
        """
        try:
            if self.address.kind != "fd":
                self.socket.listen(BACKLOG)
            if self.address.kind == "unix":
                Path(_beside(self.address.path)).rename(self.address.path)
        except OSError as error:
            raise AddressTaken(f"{self.address.text} cannot be listened at: {error}") from error
        if self.address.kind != "tcp":
            return self.address.text
        host, port = self.socket.getsockname()[:2]
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    def close(self) -> None:
        """Close the socket; a UNIX socket's path stays if another server has replaced it."""
        if self.address.kind == "unix":
            for path in (Path(self.address.path), Path(_beside(self.address.path))):
                with contextlib.suppress(OSError):
                    if path.stat().st_ino == self._inode:
                        path.unlink()
        self.socket.close()


def _bound(address: Address) -> socket.socket:
    if address.kind == "fd":
        inherited = socket.socket(fileno=os.dup(address.number))
        if not inherited.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            inherited.close()
            raise OSError("it is no listening socket")
        inherited.setblocking(False)
        return inherited
    if address.kind == "unix":
        made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        path = Path(address.path)
        if path.exists() and not stat.S_ISSOCK(path.stat().st_mode):
            raise OSError("something that is no socket stands there")
        Path(_beside(address.path)).unlink(missing_ok=True)
        with unix.address(_beside(address.path)) as short:
            made.bind(short)
    else:
        family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
        made = socket.socket(family, socket.SOCK_STREAM)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0 if address.host == "::" else 1)
        made.bind((address.host, address.port))
    made.setblocking(False)
    return made


def _beside(path: str) -> str:
    return f"{path}.{os.getpid()}"
