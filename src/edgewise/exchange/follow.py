"""What a site shall run, as its keys have signed it: TUF's client workflow by python-tuf, and nothing beside it.

All trust is that of ngclient: rollback, freeze, mix and match, endless data and wrong signers end here as errors that
say what to do; what was known before stays known. The folder remembers what was seen, for this follower alone.
"""

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tuf.api import exceptions
from tuf.api.metadata import Metadata, Targets
from tuf.ngclient import Updater, UpdaterConfig

from edgewise.errors import BadMessage, EdgewiseError, MetadataExpired, NotTrusted, TreeUnreachable
from edgewise.exchange import offer, release, tree
from edgewise.exchange.fetch import Fetch
from edgewise.exchange.offer import Offered
from edgewise.exchange.release import Release
from edgewise.store import atomic

LOOKED_FOR = "0" * 64
"""A target that no site has: looking for it loads and verifies the role that would have it."""
LIMITS = {"max_root_rotations": 64, "max_delegations": 4, "app_user_agent": "edgewise"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Followed:
    """What a site's metadata says now.

    Attributes:
        offers: how each release stands, by digest; to be given to `offer.due`.
        sizes: of the releases' documents in bytes, by digest.
        version: of the site's metadata: grows with every change.
        expires_s: when the first of the metadata expires, in seconds since 1970.
    """

    site: str
    offers: Mapping[str, Offered]
    sizes: Mapping[str, int]
    version: int
    expires_s: int


class Follower:
    """Follows one site of one tree. Close it, or use it as a context.

    Args:
        base: address of the tree: `https://releases.example/plant`, or `file:///media/usb/releases`.
        folder: where verified metadata is kept, for this follower alone.
        root: bytes of the root metadata that is trusted from the beginning: what `edgewise keys init` hands out.
        fetch: how bytes come.
    """

    def __init__(self, base: str, site: str, folder: Path, root: bytes, *, fetch: Fetch | None = None) -> None:
        self._base, self.site, self._folder, self._root = base.rstrip("/"), site, folder, root
        self._role = tree.role_of(site)
        self._fetch = fetch or Fetch(kept=folder)
        self._updater: Updater | None = None

    def __enter__(self) -> "Follower":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the connection."""
        self._fetch.close()

    def follow(self) -> Followed:
        """Ask what is new, and verify it.

        Raises:
            NotTrusted: something is not signed by whom it must be, is older than what was seen, or contradicts itself.
            MetadataExpired: nobody has signed it again in time: it may be held back.
            TreeUnreachable: it could not be fetched.
            StoreFull, StoreUnusable: trouble with the folder.
        """
        with explained(self._base, self._folder):
            try:
                self._updater = refreshed(self._base, self._folder, self._root, self._fetch)
                self._updater.get_targetinfo(tree.target_of(self.site, LOOKED_FOR))
            except OSError as error:
                raise atomic.explain(error, self._folder / tree.METADATA) from error
            return self._said()

    def release(self, digest: str) -> tuple[Release, bytes]:
        """The release `digest` that the last `follow` has offered, and its document.

        Raises:
            NotTrusted: the site offers none such, or what came is another.
            TreeUnreachable: it could not be fetched.
            BadMessage: it is no release, or one of another site.
        """
        if self._updater is None:
            self.follow()
        assert self._updater is not None
        with explained(self._base, self._folder):
            try:
                found = self._updater.get_targetinfo(tree.target_of(self.site, digest))
                if found is None:
                    raise NotTrusted(f"{self.site} is offered no release {digest}")
                path = self._updater.download_target(found, str(self._folder / "release.json"))
                content = Path(path).read_bytes()
            except OSError as error:
                raise atomic.explain(error, self._folder / "release.json") from error
        made = release.read(content)
        if release.digest(content) != digest or made.site != self.site:
            raise NotTrusted(f"the release {digest} of {self.site} is one of {made.site}")
        return made, content

    def _said(self) -> Followed:
        """What ngclient has just verified and put into its folder."""
        path = self._folder / f"{self._role}.json"
        if not path.exists():
            raise NotTrusted(f"{self._base} says nothing about the site {self.site}", hint="edgewise keys site")
        signed = Metadata[Targets].from_bytes(path.read_bytes()).signed
        offers = offered(signed)
        sizes = {tree.digest_of(target): file.length for target, file in signed.targets.items()}
        kept = (Metadata.from_file(str(self._folder / f"{name}.json")).signed.expires for name in _EXPIRING)
        first = min([signed.expires, *kept])
        return Followed(
            site=self.site,
            offers=offers,
            sizes=sizes,
            version=signed.version,
            expires_s=int(first.timestamp()),
        )


_EXPIRING = ("root", "timestamp", "snapshot", "targets")


def refreshed(base: str, folder: Path, root: bytes, fetch: Fetch) -> Updater:
    """TUF's client over the tree at `base`, which has asked what is new; what it verified lies in `folder`.

    Raises:
        RepositoryError, DownloadError, OSError: as ngclient does; see `explained`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    updater = Updater(
        str(folder),
        f"{base}/{tree.METADATA}/",
        target_base_url=f"{base}/{tree.TARGETS}/",
        fetcher=fetch,
        config=UpdaterConfig(**LIMITS),  # type: ignore[arg-type]  # three fields of it
        bootstrap=root,
    )
    updater.refresh()
    return updater


def offered(signed: Targets) -> dict[str, Offered]:
    """How each release of a site's metadata stands, by digest."""
    offers: dict[str, Offered] = {}
    for target, file in signed.targets.items():
        with contextlib.suppress(BadMessage):  # a newer kind of offer, which this reader must not take
            offers[tree.digest_of(target)] = offer.read(file.custom)
    return offers


@contextlib.contextmanager
def explained(base: str, folder: Path) -> Iterator[None]:
    """The errors of ngclient as ours."""
    try:
        yield
    except exceptions.ExpiredMetadataError as error:
        raise MetadataExpired(
            f"the metadata of {base} has expired: {error}", hint="sign it again: edgewise publish --timestamp-only"
        ) from error
    except exceptions.DownloadLengthMismatchError as error:
        raise NotTrusted(f"{base} sends more than was signed: {error}") from error
    except exceptions.DownloadError as error:
        raise TreeUnreachable(f"{base} cannot be read: {_causes(error)}", hint="is it the tree's address?") from error
    except exceptions.RepositoryError as error:
        raise NotTrusted(
            f"the metadata of {base} is not to be trusted: {error}", hint="what was known before stays in force"
        ) from error
    except EdgewiseError:
        raise
    except (ValueError, KeyError, TypeError) as error:
        raise NotTrusted(f"the metadata of {base}, or in {folder}, cannot be read: {error}") from error


def _causes(error: BaseException) -> str:
    cause = error.__cause__
    return f"{error}" + (f" ({cause})" if cause is not None else "")
