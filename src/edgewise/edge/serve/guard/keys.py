"""API keys: a file with one key a line, read again on SIGHUP.

A line is a key, or `NAME KEY`; empty lines and those that begin with # say nothing. Keys are kept as digests, and all
of them are compared in constant time, so that neither the memory nor the clock tells one.
"""

import hashlib
import hmac
from pathlib import Path

from edgewise.edge.serve.faults import Unauthenticated
from edgewise.errors import BadConfiguration

LIMIT_BYTES = 1 << 20
LEAST_LENGTH = 16
SCHEME = "bearer "


class Keys:
    """The keys of a file.

    Raises:
        BadConfiguration: it cannot be read, is empty, or has a key that is too short.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._digests = _digests(path)

    def reload(self) -> None:
        """Read the file again; what was known before stays where it cannot be used.

        Raises:
            BadConfiguration: as when it was made.
        """
        self._digests = _digests(self._path)

    def check(self, authorization: str) -> None:
        """Let pass who sends `Authorization: Bearer KEY`.

        Raises:
            Unauthenticated: there is no key in it, or an unknown one.
        """
        if authorization[: len(SCHEME)].lower() != SCHEME:
            raise Unauthenticated("a key is wanted: Authorization: Bearer KEY")
        digest = hashlib.sha256(authorization[len(SCHEME) :].strip().encode()).digest()
        known = False
        for one in self._digests:
            known |= hmac.compare_digest(one, digest)
        if not known:
            raise Unauthenticated("this key is not known")


def first(path: Path) -> str:
    """The first key of the file, for who sends one.

    Raises:
        BadConfiguration: as for `Keys`.
    """
    return _read(path)[0]


def _digests(path: Path) -> tuple[bytes, ...]:
    return tuple(hashlib.sha256(key.encode()).digest() for key in _read(path))


def _read(path: Path) -> list[str]:
    try:
        with path.open("rb") as file:
            content = file.read(LIMIT_BYTES + 1)
        lines = content.decode().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BadConfiguration(f"the keys in {path} cannot be read: {error}") from error
    if len(content) > LIMIT_BYTES:
        raise BadConfiguration(f"{path} is longer than {LIMIT_BYTES} bytes")
    keys = [line.split()[-1] for line in lines if line.strip() and not line.lstrip().startswith("#")]
    if not keys:
        raise BadConfiguration(f"{path} holds no key", hint="one key a line, or NAME KEY")
    if any(len(key) < LEAST_LENGTH for key in keys):
        raise BadConfiguration(
            f"{path} has a key of fewer than {LEAST_LENGTH} characters", hint="openssl rand -hex 32 makes one"
        )
    return keys
