"""Other keys for a role. Whoever follows the tree notices nothing: what is new is signed by old and new keys."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from securesystemslib.signer import Key
from tuf.api.metadata import Root, Targets

from edgewise.core.releases import change, keys, roles
from edgewise.core.releases.publish import Desk
from edgewise.core.releases.tree import Changes, Tree
from edgewise.errors import BadKey, BelowThreshold
from edgewise.exchange import tree as paths

TOP_LEVEL = (roles.ROOT, roles.TARGETS, roles.ONLINE)


def rotate(
    desk: Desk,
    role: str,
    passphrase: str,
    *,
    leaving: Sequence[str] = (),
    threshold: int | None = None,
    lost: bool = False,
) -> str:
    """A new key for `role` in the place of `leaving`, or of its only one; the id of the new one.

    Args:
        role: root, targets, online, or site-NAME.
        leaving: ids of keys, or their beginnings.
        threshold: how many keys must sign from now on; None: as before.
        lost: the keys that leave cannot sign any more, or shall not. Between the new root and the new timestamp, two
            writes, nobody can follow the tree; devices keep what they have.

    Raises:
        BelowThreshold: fewer keys would be left than must sign, or too few are at hand; nothing was changed.
        BadKey: there is no such role or key.
    """
    signing, there = _keys(desk.read(), role)
    gone = _leaving(list(there), leaving, role)
    wanted = threshold or signing
    stay = [key for keyid, key in there.items() if keyid not in gone]
    if not 1 <= wanted <= len(stay) + 1:
        raise BelowThreshold(
            f"{role} would have {len(stay) + 1} keys, and {wanted} must sign", hint="fewer may leave, or --threshold"
        )
    name = _free_name(desk.keyring.folder, role)
    signer = keys.make(desk.keyring.folder, name, passphrase)
    desk.keyring.add(signer)

    def decide(tree: Tree) -> Changes:
        if _keys(tree, role)[1].keys() != there.keys():
            raise BadKey(f"somebody else has changed the keys of {role} meanwhile", hint="look, and run it again")
        after = [*stay, signer.public_key]
        if role in TOP_LEVEL:
            return replace(change.with_root_keys(tree, role, after, wanted), lost=lost)
        return change.with_site(tree, paths.site_of(role), after, wanted)

    try:
        desk.change(decide)
    except BaseException:
        if _keys(desk.read(), role)[1].keys() == there.keys():  # a key that signs nothing only confuses
            (desk.keyring.folder / f"{name}.key").unlink(missing_ok=True)
        raise
    return signer.public_key.keyid


def key_ids(tree: Tree) -> dict[str, tuple[int, tuple[str, ...]]]:
    """How many keys must sign for each role, and the ids of those that may."""
    found = {role: _keys(tree, role) for role in (*TOP_LEVEL, *sorted(tree.sites))}
    return {role: (threshold, tuple(there)) for role, (threshold, there) in found.items()}


def _keys(tree: Tree, role: str) -> tuple[int, dict[str, Key]]:
    """How many must sign for `role`, and its keys by id."""
    delegator: Root | Targets = tree.root if role in TOP_LEVEL else tree.targets
    if role not in (*TOP_LEVEL, *tree.sites):
        raise BadKey(f"there is no role {role}", hint=f"there are {', '.join((*TOP_LEVEL, *sorted(tree.sites)))}")
    asked = delegator.get_delegated_role(roles.TIMESTAMP if role == roles.ONLINE else role)
    return asked.threshold, {keyid: delegator.get_key(keyid) for keyid in asked.keyids}


def _leaving(there: Sequence[str], leaving: Sequence[str], role: str) -> set[str]:
    if not leaving and len(there) > 1:
        raise BadKey(f"{role} has {len(there)} keys", hint=f"say which one leaves: --revoke {there[0][:12]}")
    gone: set[str] = set()
    for beginning in leaving or there:
        found = [keyid for keyid in there if beginning and keyid.startswith(beginning)]
        if len(found) != 1:
            known = ", ".join(keyid[:12] for keyid in there)
            raise BadKey(f"{beginning!r} is not the beginning of one key of {role}", hint=f"its keys are {known}")
        gone.add(found[0])
    return gone


def _free_name(folder: Path, role: str) -> str:
    """`role`, or with the next number that no file has."""
    names = [role, *(f"{role}-{number}" for number in range(2, 1000))]
    return next(name for name in names if not (folder / f"{name}.key").exists())
