"""A whole tree: read and verified before anything is built on it, and committed so that a crash leaves old or new.

Order of writing: documents of releases, metadata under its next free version, snapshot, and last timestamp.json, by one
swap: only what it names is in force. Where keys change, what is new is signed by the old and the new ones, and the root
comes after everything else: whoever sees the old root, and whoever sees the new, can verify all there is.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Metadata, MetaFile, Root, Snapshot, Targets, Timestamp
from tuf.api.serialization import DeserializationError

from edgewise.core.releases import roles
from edgewise.core.releases.keys import Keyring
from edgewise.core.releases.pen import Delegator, Pen
from edgewise.core.releases.roles import LIFETIMES, Lifetimes
from edgewise.core.releases.web import Web, meanwhile
from edgewise.errors import NotFound, NotTrusted, PublishedMeanwhile, StoreCorrupt
from edgewise.exchange import tree as paths

MAX_ROOTS, TRIES = 1024, 4
S = TypeVar("S", Root, Timestamp, Snapshot, Targets)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """What is in force, verified; whether it has expired is not looked at, for signing again is what cures that.

    Attributes:
        sites: metadata by role.
        seal: bytes of timestamp.json as read.
    """

    root: Root
    timestamp: Timestamp
    snapshot: Snapshot
    targets: Targets
    sites: Mapping[str, Targets]
    seal: bytes

    def site(self, name: str) -> Targets:
        """What is signed for the site `name`.

        Raises:
            NotFound: there is no such site.
        """
        role = paths.role_of(name)
        if role not in self.sites:
            known = ", ".join(sorted(paths.site_of(one) for one in self.sites)) or "none yet"
            raise NotFound(f"there is no site {name}", hint=f"there are: {known}; a new one: edgewise keys site {name}")
        return self.sites[role]


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What shall be in force next; what is not named stays as it is.

    Attributes:
        files: new documents of releases, by path.
        reseal: nothing is new, and the timestamp is signed again, with what else of `online` expires soon.
        lost: keys that leave are not at hand any more. The new root then goes first, and between it and the new
            timestamp nobody can follow the tree.
    """

    sites: Mapping[str, Targets] = field(default_factory=dict)
    targets: Targets | None = None
    root: Root | None = None
    snapshot: bool = False
    files: Mapping[str, bytes] = field(default_factory=dict)
    lost: bool = False


def read(web: Web, trusted_root: bytes) -> Tree:
    """The tree at `web`, verified from `trusted_root` on.

    Raises:
        NotFound: there is none.
        NotTrusted: something in it is not signed by whom it must be.
    """
    try:
        root = _newest_root(web, trusted_root)
        seal = web.read(paths.TIMESTAMP)
        if seal is None:
            raise NotFound(f"there is no tree of releases at {web}", hint="edgewise keys init makes one")
        timestamp = _verified(Timestamp, seal, root, roles.TIMESTAMP)
        found = timestamp.snapshot_meta
        snapshot = _verified(Snapshot, _there(web, roles.SNAPSHOT, found), root, roles.SNAPSHOT, found)
        found = snapshot.meta[f"{roles.TARGETS}.json"]
        targets = _verified(Targets, _there(web, roles.TARGETS, found), root, roles.TARGETS, found)
        sites: dict[str, Targets] = {}
        for role in _delegated(targets):
            found = snapshot.meta[f"{role}.json"]
            sites[role] = _verified(Targets, _there(web, role, found), targets, role, found)
    except (RepositoryError, DeserializationError, KeyError, ValueError) as error:
        raise NotTrusted(f"the tree at {web} cannot be trusted: {error}", hint="nothing was changed") from error
    return Tree(root=root, timestamp=timestamp, snapshot=snapshot, targets=targets, sites=sites, seal=seal)


def change(
    web: Web,
    trusted_root: bytes,
    keyring: Keyring,
    decide: Callable[[Tree], Changes | None],
    *,
    now_s: float,
    lifetimes: Lifetimes = LIFETIMES,
) -> Tree:
    """Do with the tree what `decide`, a pure function, makes of it; read again where somebody else was faster.

    Raises:
        Busy, PublishedMeanwhile: somebody else publishes; nothing of ours is in force.
        BelowThreshold, BadKey: not all keys are here; nothing of ours is in force.
    """
    for left in reversed(range(TRIES)):
        with web.held():
            before = read(web, trusted_root)
            changes = decide(before)
            if changes is None:
                return before
            try:
                commit(web, before, changes, keyring, now_s=now_s, lifetimes=lifetimes)
            except PublishedMeanwhile:
                if not left:
                    raise
                continue
            return read(web, trusted_root)
    raise AssertionError("the last try returns or raises")


def commit(
    web: Web,
    before: Tree,
    changes: Changes,
    keyring: Keyring,
    *,
    now_s: float,
    lifetimes: Lifetimes = LIFETIMES,
) -> None:
    """Put `changes` in force. See the module's docstring for the order.

    Everything is signed before the first byte is written, so that a missing key leaves nothing behind.
    """
    pen = Pen(web, keyring, now_s, lifetimes)
    new_root = changes.root
    by = [before.root] if new_root is None else [new_root] if changes.lost else [before.root, new_root]
    root_bytes = b"" if new_root is None else pen.signed(new_root, roles.ROOT, [before.root, new_root])
    delegator = changes.targets or before.targets
    wanted: list[tuple[str, Targets, Sequence[Delegator]]] = [
        (role, one, [delegator]) for role, one in changes.sites.items()
    ]
    wanted += [] if changes.targets is None else [(roles.TARGETS, changes.targets, by)]
    for role, one, signers in wanted:
        pen.signed(one, role, signers)
    pen.signed(before.snapshot, roles.SNAPSHOT, by)
    for path, content in changes.files.items():
        if not web.create(path, content):
            raise StoreCorrupt(f"{path} at {web} holds other bytes than its name says", hint="remove that file")
    if changes.lost and new_root is not None:
        _put_root(web, new_root, root_bytes)
    meta = dict(before.snapshot.meta)
    for role, one, signers in wanted:
        known = before.snapshot.meta.get(f"{role}.json")
        meta[f"{role}.json"] = pen.put(one, role, signers, after=known.version if known else 0)
    timestamp = _copy(before.timestamp)
    if wanted or changes.snapshot or new_root is not None:
        snapshot = _copy(before.snapshot)
        snapshot.meta = meta
        timestamp.snapshot_meta = pen.put(snapshot, roles.SNAPSHOT, by, after=snapshot.version)
    timestamp.version += 1
    web.swap(paths.TIMESTAMP, before.seal, pen.signed(timestamp, roles.TIMESTAMP, by))
    if new_root is not None and not changes.lost:
        _put_root(web, new_root, root_bytes)


def _put_root(web: Web, root: Root, content: bytes) -> None:
    """Roots have no free versions: a device asks for the next one by its number."""
    if not web.create(paths.versioned(roles.ROOT, root.version), content):
        raise meanwhile(web)


def _newest_root(web: Web, trusted_root: bytes) -> Root:
    root = Metadata[Root].from_bytes(trusted_root).signed
    for version in range(root.version + 1, root.version + MAX_ROOTS):
        content = web.read(paths.versioned(roles.ROOT, version))
        if content is None:
            return root
        following = Metadata[Root].from_bytes(content)
        for delegator in (root, following.signed):
            delegator.verify_delegate(roles.ROOT, following.signed_bytes, following.signatures)
        if following.signed.version != version:
            raise ValueError(f"root {version} says that it is {following.signed.version}")
        root = following.signed
    raise ValueError(f"more than {MAX_ROOTS} roots")


def _verified(kind: type[S], content: bytes, delegator: Delegator, role: str, expected: MetaFile | None = None) -> S:
    document = Metadata[S].from_bytes(content)
    delegator.verify_delegate(role, document.signed_bytes, document.signatures)
    if expected is not None:
        expected.verify_length_and_hashes(content)
        if document.signed.version != expected.version:
            raise ValueError(f"{role} {expected.version} says that it is {document.signed.version}")
    if not isinstance(document.signed, kind):
        raise RepositoryError(f"{role} is of another kind")
    return document.signed


def _there(web: Web, role: str, found: MetaFile) -> bytes:
    content = web.read(paths.versioned(role, found.version))
    if content is None:
        raise ValueError(f"{paths.versioned(role, found.version)} is missing")
    return content


def _delegated(targets: Targets) -> list[str]:
    delegations = targets.delegations
    return list(delegations.roles or ()) if delegations is not None else []


def _copy(payload: S) -> S:
    """A payload that can be changed without changing what was read."""
    copied: Any = type(payload).from_dict(payload.to_dict())
    return copied  # type: ignore[no-any-return]
