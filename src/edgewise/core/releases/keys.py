"""Private keys of a tree's roles: Ed25519, in encrypted files that only their owner reads, or in the environment.

A role's keys are `NAME.key`, `NAME-2.key`, … in one folder, or the variables `EDGEWISE_KEY_NAME`, with PEM text, for
machines that have no disk of their own. What is needed is asked for by key id: a folder may lack the keys that are kept
elsewhere, and most should.
"""

import os
from collections.abc import Callable, Iterable
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from securesystemslib.signer import CryptoSigner

from edgewise.errors import BadKey, BelowThreshold
from edgewise.store import atomic

OWNER_ONLY = 0o600
VARIABLE = "EDGEWISE_KEY_"
PASSPHRASE_VARIABLE = "EDGEWISE_KEY_PASSPHRASE"  # noqa: S105 - the name of a variable
Passphrase = Callable[[str], str]
"""Says the passphrase of the key with a name; "" where it has none. Called once for every locked key."""


def make(folder: Path, name: str, passphrase: str) -> CryptoSigner:
    """Make the key `name` in `folder`, locked by `passphrase` unless that is "".

    Raises:
        BadKey: there is one already; none is ever overwritten.
        StoreFull, StoreUnusable: it could not be written; nothing is left of it.
    """
    path = folder / f"{name}.key"
    if path.exists():
        raise BadKey(f"there is a key at {path} already", hint="keys are never overwritten: move it away first")
    made = Ed25519PrivateKey.generate()
    how = serialization.BestAvailableEncryption(passphrase.encode()) if passphrase else serialization.NoEncryption()
    content = made.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, how)
    with atomic.replacing(path) as file:
        os.fchmod(file.fileno(), OWNER_ONLY)
        file.write(content)
    return CryptoSigner(made)


def made_or_left(folder: Path, name: str, passphrase: str) -> CryptoSigner:
    """The key `name` in `folder`: made now, or left there by a run that was interrupted before anything used it.

    Raises:
        BadKey: what is there is not opened by `passphrase`, or is not locked where it should be.
        StoreFull, StoreUnusable: it could not be written or read.
    """
    path = folder / f"{name}.key"
    if not path.exists():
        return make(folder, name, passphrase)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise atomic.explain(error, path) from error
    left = None
    if (b"ENCRYPTED" in content) == bool(passphrase):
        left = _opened(name, str(path), content, lambda _: passphrase)
    if left is None:
        raise BadKey(
            f"there is a key at {path} already, of another kind or not locked in the same way",
            hint="keys are never overwritten: move it away, or run this as it was run first",
        )
    return left


class Keyring:
    """The private keys that are at hand.

    Args:
        folder: of `*.key`; it may not be there at all.
        passphrase: of locked keys.
        environment: where else keys are.
    """

    def __init__(self, folder: Path, passphrase: Passphrase, environment: Iterable[tuple[str, str]] = ()) -> None:
        self.folder = folder
        self._passphrase = passphrase
        self._environment = [(name, text) for name, text in environment if name.startswith(VARIABLE)]
        self._opened: dict[str, CryptoSigner] | None = None

    def add(self, signer: CryptoSigner) -> None:
        """A key that has just been made."""
        self._all()[signer.public_key.keyid] = signer

    def signers(self, role: str, keyids: Iterable[str], threshold: int) -> list[CryptoSigner]:
        """Those of `keyids` that are here.

        Raises:
            BadKey: a key file cannot be read, or its passphrase is another.
            BelowThreshold: fewer are here than `role` needs.
        """
        wanted, here = list(keyids), self._all()
        found = [here[keyid] for keyid in wanted if keyid in here]
        if len(found) < threshold:
            missing = ", ".join(keyid[:12] for keyid in wanted if keyid not in here)
            raise BelowThreshold(
                f"{role} needs {threshold} of its keys, and {len(found)} are in {self.folder}",
                hint=f"bring one of {missing}: a file there, or a variable {VARIABLE}…",
            )
        return found

    def _all(self) -> dict[str, CryptoSigner]:
        if self._opened is None:
            self._opened = {}
            try:
                files = sorted(self.folder.glob("*.key")) if self.folder.is_dir() else []
                contents = [(path.stem, str(path), path.read_bytes()) for path in files]
            except OSError as error:
                raise atomic.explain(error, self.folder / "*.key") from error
            contents += [
                (name.removeprefix(VARIABLE).lower(), f"${name}", text.encode())
                for name, text in self._environment
                if name != PASSPHRASE_VARIABLE
            ]
            for name, where, content in contents:
                signer = _opened(name, where, content, self._passphrase)
                if signer is not None:
                    self._opened[signer.public_key.keyid] = signer
        return self._opened


def _opened(name: str, where: str, content: bytes, passphrase: Passphrase) -> CryptoSigner | None:
    """The key in `content`; None where it is of another kind, as those that sign images."""
    locked = b"ENCRYPTED" in content
    said = passphrase(name) if locked else ""
    try:
        key = serialization.load_pem_private_key(content, said.encode() if locked else None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        if locked:
            raise BadKey(
                f"the passphrase does not open {where}",
                hint=f"type it again, or set {PASSPHRASE_VARIABLE}",
            ) from error
        raise BadKey(f"{where} is no private key (PKCS #8, PEM)", hint="restore it from its backup") from error
    return CryptoSigner(key) if isinstance(key, Ed25519PrivateKey) else None
