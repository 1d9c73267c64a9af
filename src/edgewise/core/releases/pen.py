"""Signs metadata, checks that its role's keys suffice, and puts it under a version that nobody has used."""

from collections.abc import Sequence
from typing import Any

from securesystemslib.exceptions import Error as SigningFailed
from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Metadata, MetaFile, Root, Signed, Targets

from edgewise.core.releases.keys import Keyring
from edgewise.core.releases.roles import LIFETIMES, Lifetimes
from edgewise.core.releases.web import Web, meanwhile
from edgewise.errors import BelowThreshold
from edgewise.exchange import tree as paths

MAX_SKIPPED = 64
Delegator = Root | Targets


class Pen:
    """Signs, and puts what was signed under its next free version."""

    def __init__(self, web: Web, keyring: Keyring, now_s: float, lifetimes: Lifetimes = LIFETIMES) -> None:
        self._web, self._keyring, self._now_s, self._lifetimes = web, keyring, now_s, lifetimes

    def signed(self, payload: Signed, role: str, delegators: Sequence[Delegator]) -> bytes:
        """`payload` signed by as many keys as each of `delegators` asks for."""
        payload.expires = self._lifetimes.until(role, self._now_s)
        document: Metadata[Any] = Metadata(payload)
        for delegator in delegators:
            asked = delegator.get_delegated_role(role)
            for signer in self._keyring.signers(role, asked.keyids, asked.threshold):
                if signer.public_key.keyid not in document.signatures:
                    document.sign(signer, append=True)
        try:
            for delegator in delegators:
                delegator.verify_delegate(role, document.signed_bytes, document.signatures)
        except (RepositoryError, SigningFailed) as error:
            raise BelowThreshold(f"{role} cannot be signed so that it is trusted: {error}") from error
        return document.to_bytes()

    def put(self, payload: Signed, role: str, delegators: Sequence[Delegator], *, after: int) -> MetaFile:
        """Write `payload` as a version `after` the one in force that nobody has used, not even one who crashed."""
        for version in range(after + 1, after + 1 + MAX_SKIPPED):
            payload.version = version
            content = self.signed(payload, role, delegators)
            if self._web.create(paths.versioned(role, payload.version), content):
                return MetaFile.from_data(payload.version, content, ["sha256"])
        raise meanwhile(self._web)
