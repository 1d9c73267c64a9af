"""Which releases there are: written when one is published, so that a device's digest has a name and a model."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, desc, insert, select

from edgewise.core.database.schema import releases
from edgewise.errors import NotFound
from edgewise.exchange import release as documents


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownRelease:
    """A release that was published."""

    digest: str
    site: str
    version: str
    model_name: str
    model_version: str
    model_digest: str
    published_s: int
    published_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleasePage:
    """The newest releases."""

    releases: Sequence[KnownRelease]


_SHOWN = [column for column in releases.c if column.name != "document"]


def keep(connection: Connection, content: bytes, *, who: str, now_s: int) -> KnownRelease:
    """Take note of the release whose document is `content`; again is no harm.

    Raises:
        BadMessage: it is no release.
    """
    found = documents.read(content)
    digest = documents.digest(content)
    if connection.execute(select(releases.c.digest).where(releases.c.digest == digest)).one_or_none() is None:
        connection.execute(
            insert(releases).values(
                digest=digest,
                site=found.site,
                version=found.version,
                model_name=found.model_name,
                model_version=found.model_version,
                model_digest=found.model_digest,
                document=content,
                published_s=now_s,
                published_by=who,
            )
        )
    return one(connection, digest)


def one(connection: Connection, digest: str) -> KnownRelease:
    """The release with this digest.

    Raises:
        NotFound: there is none.
    """
    row = connection.execute(select(*_SHOWN).where(releases.c.digest == digest)).one_or_none()
    if row is None:
        raise NotFound(f"there is no release {digest}", hint="edgewise get releases")
    return KnownRelease(**row._mapping)


def listed(connection: Connection, *, site: str = "", model: str = "", most: int = 100) -> ReleasePage:
    """The newest releases first, of a site or model alone where it is given."""
    query = select(*_SHOWN).order_by(desc(releases.c.published_s), releases.c.digest).limit(most)
    if site:
        query = query.where(releases.c.site == site)
    if model:
        query = query.where(releases.c.model_name == model)
    return ReleasePage(releases=[KnownRelease(**row._mapping) for row in connection.execute(query)])
