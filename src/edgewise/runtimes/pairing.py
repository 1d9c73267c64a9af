"""The secret that a plan and a device share: made on the device, carried over by a person.

It travels in the Authorization header alone: not in a log, not in a URL, not on a command line, where every
user of a machine can read it.
"""

import hmac
import os
import re
import secrets
from pathlib import Path

from edgewise.errors import BadConfiguration

VARIABLE = "EDGEWISE_DEVICE_TOKEN"
BYTES = 24
_TOKEN = re.compile(r"[A-Za-z0-9_~+/=.-]{16,200}")
_OTHERS = 0o007


def make() -> str:
    """A new token."""
    return secrets.token_urlsafe(BYTES)


def read(path: Path) -> str:
    """The token in the file at `path`.

    Raises:
        BadConfiguration: it cannot be read, holds no token, or everyone may read it.
    """
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            text = file.read(1024).decode(errors="replace")
    except OSError as error:
        raise BadConfiguration(
            f"the token file {path} cannot be read: {error.strerror or error}", hint="check --token-file"
        ) from error
    if mode & _OTHERS:
        raise BadConfiguration(f"every user of this machine may read the token file {path}", hint=f"chmod 600 {path}")
    return checked(text.strip(), f"the token file {path}")


def read_or_make(path: Path) -> str:
    """The token in the file at `path`, which is written with a new one where it is not there.

    Raises:
        BadConfiguration: as for `read`, or it cannot be written.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        return read(path)
    except OSError as error:
        raise BadConfiguration(
            f"the token file {path} cannot be written: {error.strerror or error}", hint="check --token-file"
        ) from error
    with os.fdopen(descriptor, "w") as file:
        file.write(make() + "\n")
    return read(path)


def checked(token: str, where: str) -> str:
    """`token`, which was found at `where`.

    Raises:
        BadConfiguration: it cannot be one.
    """
    if not _TOKEN.fullmatch(token):
        raise BadConfiguration(
            f"{where} holds no token: 16 to 200 letters, digits and -_.~+/=",
            hint="the device shows it when `edgewise agent --bench` starts",
        )
    return token


def same(given: str, token: str) -> bool:
    """True where both are the same; takes as long wherever they differ."""
    return hmac.compare_digest(given.encode(errors="replace"), token.encode())
