"""The changes that can be made to a tree. Pure: from what is in force and what is wanted to what shall be in force."""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from securesystemslib.signer import Key
from tuf.api.metadata import Delegations, Root, TargetFile, Targets

from edgewise.core.releases import roles
from edgewise.core.releases.found import delegate
from edgewise.core.releases.roles import LIFETIMES, Lifetimes
from edgewise.core.releases.tree import Changes, Tree
from edgewise.errors import BadKey, NotTrusted
from edgewise.exchange import offer, release
from edgewise.exchange import tree as paths
from edgewise.exchange.fields import Json
from edgewise.exchange.offer import Offered


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A release in a site's metadata.

    Attributes:
        size_bytes: of its document.
        plan: what else `custom` says: the rollout, see `core/rollouts`; devices pass over it.
    """

    size_bytes: int
    offered: Offered
    plan: Mapping[str, Json] = field(default_factory=dict)


PLAN = "plan"


def entries(tree: Tree, site: str) -> dict[str, Entry]:
    """The releases of `site`, by digest.

    Raises:
        NotFound: there is no such site.
        NotTrusted: one of them says nothing that can be understood.
    """
    found: dict[str, Entry] = {}
    for target, file in tree.site(site).targets.items():
        custom = file.custom
        if not isinstance(custom, dict):
            raise NotTrusted(f"{target} does not say how it stands")
        found[paths.digest_of(target)] = Entry(
            size_bytes=file.length, offered=offer.read(custom), plan=custom.get(PLAN) or {}
        )
    return found


def with_entries(tree: Tree, site: str, wanted: Mapping[str, Entry], documents: Sequence[bytes] = ()) -> Changes:
    """`wanted` are the releases of `site`; `documents` are those that are new."""
    payload = copy.deepcopy(tree.site(site))
    payload.targets = {}
    for digest, entry in wanted.items():
        path = paths.target_of(site, digest)
        custom = offer.custom(entry.offered) | ({PLAN: dict(entry.plan)} if entry.plan else {})
        hashes = {"sha256": digest.removeprefix("sha256:")}
        payload.targets[path] = TargetFile(entry.size_bytes, hashes, path, {"custom": custom})
    files = {paths.target_file(site, release.digest(one)): one for one in documents}
    return Changes(sites={paths.role_of(site): payload}, files=files)


def with_site(tree: Tree, site: str, keys: Sequence[Key], threshold: int = 1) -> Changes:
    """`site` signs for itself with `threshold` of `keys`; where it is there already, its keys are changed for these."""
    if not 1 <= threshold <= len(keys):
        raise BadKey(f"{threshold} of {len(keys)} keys cannot sign for {site}")
    role = paths.role_of(site)
    targets = copy.deepcopy(tree.targets)
    if targets.delegations is None:
        targets.delegations = Delegations({}, {})
    delegate(targets.delegations, site, keys, threshold)
    signed = tree.sites.get(role)
    return Changes(targets=targets, sites={role: copy.deepcopy(signed) if signed else Targets()})


def signed_again(tree: Tree, *, now_s: float, lifetimes: Lifetimes = LIFETIMES) -> Changes:
    """The timestamp is signed again, and the snapshot where it has less than half of its time."""
    left_s = (tree.snapshot.expires - datetime.fromtimestamp(now_s, UTC)).total_seconds()
    return Changes(snapshot=left_s < lifetimes.snapshot * 86400 / 2)


def with_root_keys(tree: Tree, role: str, keys: Sequence[Key], threshold: int) -> Changes:
    """A new root in which `role` (root, targets, or `online` for both of snapshot and timestamp) has `keys`."""
    if not 1 <= threshold <= len({key.keyid for key in keys}):
        raise BadKey(f"{threshold} of {len(keys)} keys cannot sign for {role}")
    root: Root = copy.deepcopy(tree.root)
    root.version += 1
    for name in (roles.SNAPSHOT, roles.TIMESTAMP) if role == roles.ONLINE else (role,):
        for keyid in list(root.roles[name].keyids):
            root.revoke_key(keyid, name)
        for key in keys:
            root.add_key(key, name)
        root.roles[name].threshold = threshold
    targets = copy.deepcopy(tree.targets) if role == roles.TARGETS else None
    return Changes(root=root, targets=targets)
