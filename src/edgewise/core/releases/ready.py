"""Whether a release could be published now: a tree that is trusted and knows the sites, and keys at hand."""

from collections.abc import Sequence

from edgewise.core.releases import roles
from edgewise.core.releases.pen import Delegator
from edgewise.core.releases.publish import Desk
from edgewise.exchange import tree as paths


def check(desk: Desk, sites: Sequence[str]) -> None:
    """See that a release of each of `sites` could be signed; nothing is written.

    Raises:
        NotFound: there is no tree, or no such site.
        NotTrusted, TreeUnreachable: the tree cannot be read.
        BadKey, BelowThreshold: a key is missing, or its passphrase is another.
    """
    tree = desk.read()
    for site in sites:
        tree.site(site)
    signing: list[tuple[Delegator, str]] = [(tree.targets, paths.role_of(site)) for site in sites]
    signing += [(tree.root, role) for role in (roles.SNAPSHOT, roles.TIMESTAMP)]
    for delegator, role in signing:
        asked = delegator.get_delegated_role(role)
        desk.keyring.signers(role, asked.keyids, asked.threshold)
