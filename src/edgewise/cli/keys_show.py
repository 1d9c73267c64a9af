"""`edgewise keys show`: which keys sign for which role."""

from datetime import UTC, datetime

from edgewise.cli._trees import KEYS, TREE, KeysFlag, TreeFlag, desk
from edgewise.cli.config import settings
from edgewise.cli.options import OutputFlag
from edgewise.cli.output import Column, listing
from edgewise.core.releases import roles, rotate
from edgewise.core.releases.tree import Tree

Row = tuple[str, int, tuple[str, ...], datetime]


def run(keys: KeysFlag = KEYS, tree: TreeFlag = TREE, output: OutputFlag = None) -> None:
    """List the roles of a tree, their keys, and when what they signed expires.

    No private key is opened.
    """
    with desk(tree, keys) as where:
        there = where.read()
    rows = [(role, threshold, ids, _expires(there, role)) for role, (threshold, ids) in rotate.key_ids(there).items()]
    now = datetime.now(UTC)
    listing(
        rows,
        settings(output=output).output,
        columns=[
            Column(title="ROLE", text=lambda row: row[0]),
            Column(title="SIGN", text=lambda row: f"{row[1]} of {len(row[2])}"),
            Column(title="KEYS", text=lambda row: " ".join(one[:12] for one in row[2])),
            Column(title="EXPIRES", text=lambda row: f"{row[3]:%Y-%m-%d}{' (over)' if row[3] < now else ''}"),
        ],
        document=lambda row: {
            "role": row[0],
            "threshold": row[1],
            "keys": list(row[2]),
            "expires": row[3].isoformat(),
        },
        name=lambda row: row[0],
    )


def _expires(tree: Tree, role: str) -> datetime:
    if role == roles.ONLINE:
        return min(tree.timestamp.expires, tree.snapshot.expires)
    signed = {"root": tree.root, "targets": tree.targets}.get(role) or tree.sites[role]
    return signed.expires
