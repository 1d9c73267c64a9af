"""A tree of releases in a folder, with its keys at hand, for tests of who publishes and of who follows.

made = Releases.make(tmp_path, "press-line")
digest = made.publish(made.release(version="1"))
with made.follower(tmp_path / "device") as follower:
    assert follower.follow().offers[digest].standing is Standing.STABLE
"""

import time
from dataclasses import dataclass, replace
from pathlib import Path

from edgewise.core.releases import change, publish
from edgewise.core.releases.found import found
from edgewise.core.releases.keys import Keyring
from edgewise.core.releases.publish import Desk
from edgewise.core.releases.web import Folder, Web
from edgewise.exchange import release as releases
from edgewise.exchange.fetch import Fetch
from edgewise.exchange.follow import Follower
from edgewise.exchange.offer import Offered
from edgewise.exchange.release import Part, PartKind, Release, Strategy


@dataclass
class Releases:
    """`web` is where the tree lies, `keys` the folder of its keys; `site` the one that is meant where none is named."""

    web: Web
    keys: Path
    keyring: Keyring
    site: str

    @classmethod
    def make(cls, folder: Path, *sites: str, web: Web | None = None, **founding: int) -> "Releases":
        """A tree in `folder`/tree for `sites`, its keys in `folder`/keys, without passphrases."""
        place = web or Folder(folder / "tree")
        ring = found(place, folder / "keys", sites, "", now_s=time.time(), **founding)
        return cls(place, folder / "keys", ring, sites[0])

    @property
    def folder(self) -> Path:
        assert isinstance(self.web, Folder)
        return self.web.folder

    @property
    def base(self) -> str:
        """Address of the tree for a follower on this machine."""
        return self.folder.as_uri()

    @property
    def root(self) -> bytes:
        """What a device is given to trust from the beginning."""
        return (self.keys / "root.json").read_bytes()

    def desk(self, *, after_s: float = 0, keyring: Keyring | None = None) -> Desk:
        return Desk(web=self.web, root=self.root, keyring=keyring or self.keyring, now_s=time.time() + after_s)

    def publish(self, made: Release, *, at_once: bool = False) -> str:
        """Publish; the digest of the release. The first of a site is stable; others wait, unless `at_once`."""
        return publish.offer_release(self.desk(), releases.written(made), at_once=at_once)

    def offer(self, digest: str, offered: Offered) -> None:
        """Let the published release stand as `offered`."""

        def decide(tree):
            there = change.entries(tree, self.site)
            wanted = {**there, digest: replace(there[digest], offered=offered)}
            return change.with_entries(tree, self.site, wanted)

        self.desk().change(decide)

    def follower(self, folder: Path, *, base: str = "", fetch: Fetch | None = None) -> Follower:
        """A device that keeps in `folder` what it has seen."""
        return Follower(base or self.base, self.site, folder, self.root, fetch=fetch)

    def release(self, version: str = "1", *parts: Part, model_digest: str = "", site: str = "") -> Release:
        """A release; with an image that is nowhere unless `parts` are given."""
        nowhere = Part(
            name="inference",
            kind=PartKind.IMAGE,
            digest=releases.digest(version.encode()),
            size_bytes=1000,
            source="registry.example/plant/app",
        )
        return Release(
            site=site or self.site,
            version=version,
            strategy=Strategy.EMBEDDED,
            parts=parts or (nowhere,),
            model_name="meter-reader",
            model_version=version,
            model_digest=model_digest or releases.digest(b"model " + version.encode()),
        )
