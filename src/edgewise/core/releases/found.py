"""The first tree: keys for every role, and metadata that names no release yet."""

from collections.abc import Sequence
from pathlib import Path

from securesystemslib.exceptions import Error as SigningFailed
from securesystemslib.signer import CryptoSigner, Key
from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import DelegatedRole, Delegations, Metadata, Root, Snapshot, Targets, Timestamp

from edgewise.core.releases import keys, roles
from edgewise.core.releases.keys import Keyring
from edgewise.core.releases.pen import Pen
from edgewise.core.releases.roles import LIFETIMES, Lifetimes
from edgewise.core.releases.web import Web, meanwhile
from edgewise.errors import BadKey
from edgewise.exchange import tree as paths
from edgewise.store import atomic

TRUSTED_ROOT = "root.json"
"""In the folder of keys: the root that devices are given, and that publishers begin with."""


def root_of(folder: Path) -> bytes:
    """The root that who holds the keys in `folder` trusts.

    Raises:
        BadKey: there is none.
    """
    try:
        return (folder / TRUSTED_ROOT).read_bytes()
    except OSError as error:
        raise BadKey(
            f"{folder / TRUSTED_ROOT} cannot be read: {error.strerror}", hint="edgewise keys init makes it"
        ) from error


def found(
    web: Web,
    folder: Path,
    sites: Sequence[str],
    passphrase: str,
    *,
    now_s: float,
    root_keys: int = 3,
    root_threshold: int = 2,
    lifetimes: Lifetimes = LIFETIMES,
) -> Keyring:
    """Make keys in `folder`, and a tree at `web` that they sign; the keys.

    Until the timestamp stands, nobody can follow the tree: whoever was interrupted before goes on, with the keys that
    are there.

    Args:
        passphrase: of all keys; "": they are not locked.
        root_keys, root_threshold: how many keys the root has, and how many of them must sign the next root.

    Raises:
        BadKey: there are keys or a tree already, or the threshold cannot be met.
        BadMessage: a site cannot be called so.
    """
    if not 1 <= root_threshold <= root_keys:
        raise BadKey(
            f"{root_threshold} of {root_keys} root keys cannot sign", hint="a threshold is from 1 to their number"
        )
    names = {site: paths.role_of(site) for site in sites}
    if web.read(paths.TIMESTAMP) is not None or not _is_begun(web, folder):
        raise BadKey(
            f"there is a tree at {web}, or a {TRUSTED_ROOT} in {folder}, already",
            hint="other keys: edgewise keys rotate; another site: edgewise keys site NAME",
        )
    ring = Keyring(folder, lambda _: passphrase)

    def made(name: str) -> CryptoSigner:
        signer = keys.made_or_left(folder, name, passphrase)
        ring.add(signer)
        return signer

    root = _root([made(f"root-{number + 1}") for number in range(root_keys)], root_threshold)
    for role, name in ((roles.TARGETS, "targets"), (roles.SNAPSHOT, roles.ONLINE)):
        signer = made(name)
        for one in (roles.SNAPSHOT, roles.TIMESTAMP) if role == roles.SNAPSHOT else (role,):
            root.add_key(signer.public_key, one)
    delegations = Delegations({}, {})
    for site, role in names.items():
        delegate(delegations, site, [made(role).public_key], 1)
    with web.held():
        _write(web, folder, root, Targets(delegations=delegations), ring, now_s, lifetimes)
    return ring


def delegate(delegations: Delegations, site: str, signing: Sequence[Key], threshold: int) -> None:
    """`threshold` of the keys `signing` sign for `site`, and no others do."""
    assert delegations.roles is not None
    role = paths.role_of(site)
    # Terminating: no role that comes later may say anything about this site's paths.
    delegations.roles[role] = DelegatedRole(role, [key.keyid for key in signing], threshold, True, [f"{site}/*"])
    delegations.keys.update({key.keyid: key for key in signing})
    used = {keyid for one in delegations.roles.values() for keyid in one.keyids}
    delegations.keys = {keyid: key for keyid, key in delegations.keys.items() if keyid in used}


def _is_begun(web: Web, folder: Path) -> bool:
    """Whether the trusted root in `folder`, if there is one, is that of a tree at `web` whose founding has begun."""
    return not (folder / TRUSTED_ROOT).exists() or root_of(folder) == web.read(paths.versioned(roles.ROOT, 1))


def _root(signers: Sequence[CryptoSigner], threshold: int) -> Root:
    root = Root(version=1, consistent_snapshot=True)
    for signer in signers:
        root.add_key(signer.public_key, roles.ROOT)
    root.roles[roles.ROOT].threshold = threshold
    return root


def _write(
    web: Web, folder: Path, root: Root, targets: Targets, ring: Keyring, now_s: float, lifetimes: Lifetimes
) -> None:
    pen = Pen(web, ring, now_s, lifetimes)
    trusted = pen.signed(root, roles.ROOT, [root])
    meta = {f"{roles.TARGETS}.json": pen.put(targets, roles.TARGETS, [root], after=0)}
    assert targets.delegations is not None
    for role in targets.delegations.roles or ():
        meta[f"{role}.json"] = pen.put(Targets(), role, [targets], after=0)
    named = pen.put(Snapshot(meta=meta), roles.SNAPSHOT, [root], after=0)
    if not web.create(paths.versioned(roles.ROOT, 1), trusted):
        trusted = _left(web, root)
    atomic.write(folder / TRUSTED_ROOT, trusted)
    timestamp = pen.signed(Timestamp(version=1, snapshot_meta=named), roles.TIMESTAMP, [root])
    web.swap(paths.TIMESTAMP, None, timestamp)


def _left(web: Web, root: Root) -> bytes:
    """The first root that an interrupted founding has left, if it says what `root` says.

    Raises:
        PublishedMeanwhile: it is another's.
    """
    content = web.read(paths.versioned(roles.ROOT, 1)) or b""
    try:
        found = Metadata[Root].from_bytes(content)
        root.verify_delegate(roles.ROOT, found.signed_bytes, found.signatures)
    except (RepositoryError, SigningFailed) as error:
        raise meanwhile(web) from error
    if (found.signed.keys, found.signed.roles) != (root.keys, root.roles):
        raise meanwhile(web)
    return content
