"""A whole tree as TUF's client has verified it, from the pinned root on: the bytes that a mirror may carry.

Beside the new tree the mirror's own, older one is known to the client, so that it refuses what a device that follows
the mirror would refuse: a version that goes back, of any role.
"""

import contextlib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from tuf.api.exceptions import LengthOrHashMismatchError, RepositoryError
from tuf.api.metadata import Metadata, Root, Snapshot, TargetFile, Targets, Timestamp
from tuf.api.serialization import DeserializationError
from tuf.ngclient import Updater

from edgewise.core.releases import roles
from edgewise.core.releases.web import Web
from edgewise.errors import MirrorAhead, NotFound, NotTrusted
from edgewise.exchange import follow, release
from edgewise.exchange import tree as paths
from edgewise.exchange.fetch import Fetch
from edgewise.exchange.offer import Offered, Standing
from edgewise.exchange.release import Release


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """What is in force at `base` for some of its sites.

    Attributes:
        roots: every root from the pinned one on, by version.
        others: the rest of what a device reads, by path: documents of releases, metadata of sites, targets, snapshot.
        timestamp: bytes of timestamp.json.
        releases: those on offer, by digest: a withdrawn one is nobody's.
        carries: the sites.
    """

    base: str
    roots: Mapping[int, bytes]
    others: Mapping[str, bytes]
    timestamp: bytes
    releases: Mapping[str, Release]
    carries: tuple[str, ...]

    @property
    def version(self) -> int:
        """Of the timestamp: grows with everything."""
        return Metadata[Timestamp].from_bytes(self.timestamp).signed.version

    @property
    def expires_s(self) -> int:
        """When the timestamp expires, in seconds since 1970."""
        return int(Metadata[Timestamp].from_bytes(self.timestamp).signed.expires.timestamp())


def verified(base: str, root: bytes, sites: Collection[str], mirror: Web, fetch: Fetch) -> Verified:
    """What is in force at `base`, verified.

    Args:
        root: bytes of the root that is trusted from the beginning.
        sites: those that are wanted, beside those that `mirror` has already; none: all that the tree has.

    Raises:
        NotTrusted, MetadataExpired, TreeUnreachable: as `Follower.follow`.
        MirrorAhead: `mirror` is newer, or has roots that this tree does not have yet.
        NotFound: there is no such site.
    """
    known = _known(mirror, root)
    try:
        return _read(base, root, sites, known, mirror, fetch)
    except NotTrusted as error:
        if not known:
            raise
        with contextlib.suppress(NotTrusted):
            older = _read(base, root, sites, {}, mirror, fetch)
            raise MirrorAhead(
                f"{mirror} is newer than {base}, which is at version {older.version}: {error.message}",
                hint="an old copy, or somebody who holds back what is new; nothing was changed",
            ) from error
        raise


def _read(
    base: str, root: bytes, sites: Collection[str], known: Mapping[str, bytes], mirror: Web, fetch: Fetch
) -> Verified:
    with TemporaryDirectory(prefix="edgewise-mirror-") as name, follow.explained(base, Path(name)):
        folder = Path(name)
        for path, content in known.items():
            (folder / path).parent.mkdir(exist_ok=True)
            (folder / path).write_bytes(content)
        updater = follow.refreshed(base, folder, root, fetch)
        there = Metadata[Targets].from_file(str(folder / "targets.json")).signed.delegations
        every = [paths.site_of(role) for role in (there.roles or ())] if there is not None else []
        if missing := sorted(set(sites) - set(every)):
            raise NotFound(f"there is no site {missing[0]} at {base}", hint=f"there are: {', '.join(sorted(every))}")
        had = {paths.site_of(one.removesuffix(".json")) for one in known}
        carried = sorted(set(every) & (set(sites) | had) if sites else set(every))
        others: dict[str, bytes] = {}
        releases: dict[str, Release] = {}
        for site in carried:
            updater.get_targetinfo(paths.target_of(site, follow.LOOKED_FOR))
        for site in carried:
            signed = Metadata[Targets].from_file(str(folder / f"{paths.role_of(site)}.json")).signed
            for digest in _on_offer(follow.offered(signed)):
                found = updater.get_targetinfo(paths.target_of(site, digest))
                if found is None:
                    raise NotTrusted(f"{base} names the release {digest} of {site} for another")
                content = _document(updater, found, mirror.read(paths.target_file(site, digest)), folder)
                releases[digest] = release.read(content)
                others[paths.target_file(site, digest)] = content
        for role in (*map(paths.role_of, carried), roles.TARGETS, roles.SNAPSHOT):
            content = (folder / f"{role}.json").read_bytes()
            others[paths.versioned(role, Metadata.from_bytes(content).signed.version)] = content
        history = {int(path.name.partition(".")[0]): path.read_bytes() for path in (folder / "root_history").iterdir()}
        newest = Metadata[Root].from_file(str(folder / "root.json")).signed.version
        return Verified(
            base=base,
            roots={version: history[version] for version in sorted(history) if version <= newest},
            others=others,
            timestamp=(folder / "timestamp.json").read_bytes(),
            releases=releases,
            carries=tuple(carried),
        )


def _on_offer(offers: Mapping[str, Offered]) -> Iterator[str]:
    return (digest for digest, one in offers.items() if one.standing is not Standing.WITHDRAWN)


def _document(updater: Updater, found: TargetFile, there: bytes | None, folder: Path) -> bytes:
    """The document of a release: as the mirror has it, where that is the right one."""
    if there is not None:
        with contextlib.suppress(LengthOrHashMismatchError):
            found.verify_length_and_hashes(there)
            return there
    return Path(updater.download_target(found, str(folder / "release.json"))).read_bytes()


def _known(mirror: Web, root: bytes) -> dict[str, bytes]:
    """What `mirror` has in force, as ngclient's folder has it; it is verified there, and passed over if it fails."""
    found: dict[str, bytes] = {}
    with contextlib.suppress(RepositoryError, DeserializationError, ValueError, KeyError, TypeError):
        version = Metadata[Root].from_bytes(root).signed.version
        while content := mirror.read(paths.versioned(roles.ROOT, version + 1)):
            version += 1
            found[f"root_history/{version}.root.json"] = content
        seal = mirror.read(paths.TIMESTAMP)
        if seal is None:
            return found
        found["timestamp.json"] = seal
        snapshot = mirror.read(
            paths.versioned(roles.SNAPSHOT, Metadata[Timestamp].from_bytes(seal).signed.snapshot_meta.version)
        )
        if snapshot is None:
            return found
        found["snapshot.json"] = snapshot
        for name, meta in Metadata[Snapshot].from_bytes(snapshot).signed.meta.items():
            content = mirror.read(paths.versioned(name.removesuffix(".json"), meta.version))
            if content is not None:
                found[name] = content
    return found
