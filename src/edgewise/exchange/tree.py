"""Where things stand in a tree of releases, and how its parts are called. Pure; docs/reference/release-tree.md.

A tree is a TUF repository with consistent snapshots. Every site has a role of its own, to which the role `targets`
delegates the site's paths; every release of the site is one target, named by the digest of its document.
"""

from edgewise.errors import BadMessage
from edgewise.exchange.fields import NAME

METADATA, TARGETS = "metadata", "targets"
TIMESTAMP = f"{METADATA}/timestamp.json"
SITE_ROLE = "site-"


def role_of(site: str) -> str:
    """The role that signs what `site` shall run.

    Raises:
        BadMessage: no site can be called so.
    """
    if not NAME.fullmatch(site):
        raise BadMessage(f"{site!r} cannot name a site", hint="small letters, digits and dashes, as in press-line")
    return f"{SITE_ROLE}{site}"


def site_of(role: str) -> str:
    """The site that `role` signs for; "" where it is another role."""
    return role.removeprefix(SITE_ROLE) if role.startswith(SITE_ROLE) else ""


def target_of(site: str, digest: str) -> str:
    """The target path of the release `digest` (sha256:…) of `site`."""
    return f"{site}/{digest.removeprefix('sha256:')}.json"


def digest_of(target: str) -> str:
    """The digest of the release at the target path `target`."""
    return f"sha256:{target.rpartition('/')[2].removesuffix('.json')}"


def versioned(role: str, version: int) -> str:
    """Path of the metadata of `role` in its `version`."""
    return f"{METADATA}/{version}.{role}.json"


def target_file(site: str, digest: str) -> str:
    """Path of the file of a release; the hash stands before the name, as TUF's consistent snapshots have it."""
    plain = digest.removeprefix("sha256:")
    return f"{TARGETS}/{site}/{plain}.{plain}.json"
