"""What publishers do with a tree: offer a release, add a site, sign again. Each is one `tree.change`."""

from collections.abc import Callable
from dataclasses import dataclass

from edgewise.core.releases import change, keys
from edgewise.core.releases import tree as trees
from edgewise.core.releases.change import Entry
from edgewise.core.releases.keys import Keyring
from edgewise.core.releases.roles import LIFETIMES, Lifetimes
from edgewise.core.releases.tree import Changes, Tree
from edgewise.core.releases.web import Web
from edgewise.errors import BadKey, RolloutRefused
from edgewise.exchange import release
from edgewise.exchange import tree as paths
from edgewise.exchange.offer import Offered, Stage, Standing

WAITING = Stage(percent=0)
"""Of a candidate whose rollout has not begun: nobody's turn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """Where a publisher works.

    Attributes:
        root: bytes of the root that is trusted from the beginning.
        now_s: seconds since 1970, of whoever signs.
    """

    web: Web
    root: bytes
    keyring: Keyring
    now_s: float
    lifetimes: Lifetimes = LIFETIMES

    def read(self) -> Tree:
        """What is in force."""
        return trees.read(self.web, self.root)

    def change(self, decide: Callable[[Tree], Changes | None]) -> Tree:
        """Put in force what `decide` says."""
        return trees.change(self.web, self.root, self.keyring, decide, now_s=self.now_s, lifetimes=self.lifetimes)


def offer_release(desk: Desk, document: bytes, *, at_once: bool = False) -> str:
    """Publish the release in `document`; its digest.

    The first release of a site, and one that is published `at_once`, is stable: every device takes it. Any other is a
    candidate that waits for its rollout to be started. A candidate that waited before is no longer offered.

    Raises:
        RolloutRefused: a rollout is under way, or the release was withdrawn before.
        NotFound: there is no such site.
        BadMessage: `document` is no release.
    """
    made, digest = release.read(document), release.digest(document)

    def decide(tree: Tree) -> Changes | None:
        there = change.entries(tree, made.site)
        wanted = with_release(there, digest, len(document), at_once=at_once)
        return None if wanted == there else change.with_entries(tree, made.site, wanted, [document])

    desk.change(decide)
    return digest


def with_release(there: dict[str, Entry], digest: str, size_bytes: int, *, at_once: bool) -> dict[str, Entry]:
    """`there` with one more release. Pure; raises as `offer_release`."""
    known = there.get(digest)
    if known is not None and known.offered.standing is Standing.WITHDRAWN:
        raise RolloutRefused(
            f"the release {digest} was withdrawn, and devices have rejected it", hint="build another one"
        )
    if known is not None and (known.offered.standing is Standing.STABLE or not at_once):
        return there
    for other, entry in there.items():
        if other != digest and entry.offered.standing is Standing.CANDIDATE and entry.offered.stage != WAITING:
            raise RolloutRefused(
                f"the rollout of {other} is under way", hint="wait until it is done, or edgewise rollout abort"
            )
    stable = [one for one, entry in there.items() if entry.offered.standing is Standing.STABLE]
    replaced = (Standing.CANDIDATE, Standing.STABLE) if at_once else (Standing.CANDIDATE,)
    kept = {one: entry for one, entry in there.items() if entry.offered.standing not in replaced}
    offered = (
        Offered(standing=Standing.STABLE)
        if at_once or not stable
        else Offered(standing=Standing.CANDIDATE, stage=WAITING)
    )
    return {**kept, digest: Entry(size_bytes=size_bytes, offered=offered)}


def add_site(desk: Desk, site: str, passphrase: str) -> None:
    """Make a key for `site`, and let it sign for the site from now on. Who was interrupted goes on with the same key.

    Raises:
        BadKey: the site is there already, or another key of its name.
    """
    role = paths.role_of(site)
    if role in desk.read().sites:
        raise BadKey(f"there is a site {site} already", hint=f"another key for it: edgewise keys rotate {role}")
    signer = keys.made_or_left(desk.keyring.folder, role, passphrase)
    desk.keyring.add(signer)
    desk.change(lambda tree: change.with_site(tree, site, [signer.public_key]))


def sign_again(desk: Desk) -> None:
    """Say once more that what is in force is the newest; needs the key `online` alone."""
    desk.change(lambda tree: change.signed_again(tree, now_s=desk.now_s, lifetimes=desk.lifetimes))


def renew(desk: Desk, site: str) -> None:
    """Sign again what is in force for `site`, before it expires."""
    desk.change(lambda tree: change.with_entries(tree, site, change.entries(tree, site)))
