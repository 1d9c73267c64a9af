"""What people ask of the registry: which versions there are, how good, from what, and where they run now.

Versions are found by model, tag, metric, digest of an artifact or of data, and by the site whose devices run them.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, delete, desc, func, insert, or_, select

from edgewise.core.database.schema import aliases, artifacts, devices, models, properties, releases, versions
from edgewise.errors import BadInput, NotFound

AnyRow = Row[*tuple[Any, ...]]
METRIC = r"^([^<>=]{1,200}(<=|>=|=|<|>)-?[0-9.]{1,30}(e-?[0-9]{1,3})?)?$"


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """Something that belongs to a version, by digest where it has one."""

    type: str
    name: str
    uri: str
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """A version of a model.

    Attributes:
        tags, metrics: texts and numbers that were said of it.
        data_digest, training_run, design_report, parent: where it comes from; "" where nobody said.
        releases: digests of the releases with it that were published, newest first.
        sites: devices that run it now, by site.
    """

    model: str
    name: str
    description: str
    author: str
    made_ms: int
    aliases: Sequence[str]
    tags: Mapping[str, str]
    metrics: Mapping[str, float]
    data_digest: str
    training_run: str
    design_report: str
    parent: str
    artifacts: Sequence[Artifact]
    releases: Sequence[str]
    sites: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionPage:
    """Some versions, newest first; `next` goes on after them, "" where there are no more."""

    versions: Sequence[Version]
    next: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A model in a list."""

    name: str
    description: str
    owner: str
    versions: int
    newest: str
    changed_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelPage:
    """Some models, by name; `next` goes on after them, "" where there are no more."""

    models: Sequence[Model]
    next: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which versions; what is empty lets all through.

    Attributes:
        tag: as name=value.
        metric: as name>=0.9; also <, <=, >, =.
    """

    model: str = ""
    version: str = ""
    tag: str = ""
    metric: str = ""
    site: str = ""
    digest: str = ""


def listed_models(connection: Connection, *, search: str = "", after: str = "", most: int = 100) -> ModelPage:
    """Models whose names hold `search`."""
    count = select(func.count()).where(versions.c.model == models.c.number).scalar_subquery()
    newest = select(versions.c.name).where(versions.c.model == models.c.number)
    newest_name = newest.order_by(desc(versions.c.number)).limit(1).scalar_subquery()
    query = select(models, count.label("versions"), newest_name.label("newest")).order_by(models.c.name)
    if search:
        query = query.where(models.c.name.contains(search, autoescape=True))
    if after:
        query = query.where(models.c.name > after)
    rows = list(connection.execute(query.limit(most + 1)))
    found = [
        Model(
            name=row.name,
            description=row.description,
            owner=row.owner,
            versions=row.versions,
            newest=row.newest or "",
            changed_ms=row.changed_ms,
        )
        for row in rows[:most]
    ]
    return ModelPage(models=found, next=found[-1].name if len(rows) > most else "")


def listed(connection: Connection, wanted: Filter, *, after: int = 0, most: int = 100) -> VersionPage:
    """Versions that `wanted` lets through.

    Raises:
        BadInput: a tag or metric that asks for nothing.
    """
    query = select(versions, models.c.name.label("model_name")).join(models).where(*_conditions(wanted))
    if after:
        query = query.where(versions.c.number < after)
    rows = list(connection.execute(query.order_by(desc(versions.c.number)).limit(most + 1)))
    more = str(rows[most - 1].number) if len(rows) > most else ""
    return VersionPage(versions=_versions(connection, rows[:most]), next=more)


def version(connection: Connection, model: str, name: str) -> Version:
    """The version `name` of `model`, or the one that has it as an alias.

    Raises:
        NotFound: there is none.
    """
    found = listed(connection, Filter(model=model, version=name), most=1).versions
    if not found:
        aliased = select(versions.c.name).join(aliases, aliases.c.version == versions.c.number)
        mine = aliased.join(models, models.c.number == aliases.c.model)
        real = connection.execute(mine.where(models.c.name == model, aliases.c.alias == name)).scalar_one_or_none()
        if real is not None:
            return version(connection, model, real)
        raise NotFound(f"there is no version {name!r} of {model!r}", hint="edgewise get versions")
    return found[0]


def name_alias(connection: Connection, model: str, alias: str, name: str) -> None:
    """Let `alias` of `model` be the version `name`; "" takes the alias away.

    Raises:
        NotFound: there is no such model or version.
    """
    number = connection.execute(select(models.c.number).where(models.c.name == model)).scalar_one_or_none()
    if number is None:
        raise NotFound(f"there is no model {model!r}", hint="edgewise get models")
    mine = (versions.c.model == number, versions.c.name == name)
    target = connection.execute(select(versions.c.number).where(*mine)).scalar_one_or_none()
    if name and target is None:
        raise NotFound(f"there is no version {name!r} of {model!r}", hint="edgewise get versions")
    connection.execute(delete(aliases).where(aliases.c.model == number, aliases.c.alias == alias))
    if name:
        connection.execute(insert(aliases).values(model=number, alias=alias, version=target))


def _conditions(wanted: Filter) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if wanted.model:
        found.append(models.c.name == wanted.model)
    if wanted.version:
        found.append(versions.c.name == wanted.version)
    if wanted.tag:
        name, sign, value = wanted.tag.partition("=")
        if not sign:
            raise BadInput(f"a tag is asked for as name=value, not {wanted.tag!r}")
        found.append(_has(properties.c.name == name, properties.c.tag == value[:256]))
    if wanted.metric:
        found.append(_metric(wanted.metric))
    if wanted.digest:
        owned = select(artifacts.c.version).where(artifacts.c.digest == wanted.digest)
        found.append(
            or_(
                versions.c.number.in_(owned),
                versions.c.data_digest == wanted.digest,
                versions.c.design_report == wanted.digest,
            )
        )
    if wanted.site:
        runs = select(devices.c.id).join(releases, releases.c.digest == devices.c.booted)
        here = (devices.c.site == wanted.site, devices.c.revoked_s == 0)
        same = (releases.c.model_name == models.c.name, releases.c.model_version == versions.c.name)
        found.append(runs.where(*here, *same).exists())
    return found


def _has(*conditions: ColumnElement[bool]) -> ColumnElement[bool]:
    owned = select(properties.c.owner).where(properties.c.kind == "version", *conditions)
    return versions.c.number.in_(owned)


def _metric(text: str) -> ColumnElement[bool]:
    parts = re.fullmatch(r"([^<>=]+)(<=|>=|=|<|>)(.+)", text)
    try:
        bound = float(parts[3]) if parts else None
    except ValueError:
        bound = None
    if parts is None or bound is None:
        raise BadInput(f"a metric is asked for as name>=0.9, not {text!r}")
    column = properties.c.number
    compared = {"<": column < bound, "<=": column <= bound, ">": column > bound, ">=": column >= bound}
    return _has(properties.c.name == parts[1], compared.get(parts[2], column == bound))


def _versions(connection: Connection, rows: Sequence[AnyRow]) -> list[Version]:
    numbers = [row.number for row in rows]
    said = _grouped(
        connection,
        select(properties)
        .where(properties.c.kind == "version", properties.c.owner.in_(numbers))
        .order_by(properties.c.name),
        "owner",
    )
    named = _grouped(
        connection, select(aliases).where(aliases.c.version.in_(numbers)).order_by(aliases.c.alias), "version"
    )
    made = _grouped(
        connection, select(artifacts).where(artifacts.c.version.in_(numbers)).order_by(artifacts.c.number), "version"
    )
    parents = {row.parent for row in rows if row.parent}
    names = {row.number: row.name for row in connection.execute(select(versions).where(versions.c.number.in_(parents)))}
    return [
        Version(
            model=row.model_name,
            name=row.name,
            description=row.description,
            author=row.author,
            made_ms=row.made_ms,
            aliases=[one.alias for one in named.get(row.number, ())],
            tags={one.name: one.tag for one in said.get(row.number, ()) if one.tag is not None},
            metrics={one.name: one.number for one in said.get(row.number, ()) if one.number is not None},
            data_digest=row.data_digest,
            training_run=row.training_run,
            design_report=row.design_report,
            parent=names.get(row.parent, ""),
            artifacts=[
                Artifact(type=one.type, name=one.name, uri=one.uri, digest=one.digest)
                for one in made.get(row.number, ())
            ],
            releases=_releases(connection, row.model_name, row.name),
            sites=_sites(connection, row.model_name, row.name),
        )
        for row in rows
    ]


def _releases(connection: Connection, model: str, name: str) -> list[str]:
    query = select(releases.c.digest).where(releases.c.model_name == model, releases.c.model_version == name)
    return list(connection.execute(query.order_by(desc(releases.c.published_s), releases.c.digest)).scalars())


def _sites(connection: Connection, model: str, name: str) -> dict[str, int]:
    query = select(devices.c.site, func.count().label("devices")).join(releases, releases.c.digest == devices.c.booted)
    same = and_(releases.c.model_name == model, releases.c.model_version == name, devices.c.revoked_s == 0)
    counted = connection.execute(query.where(same).group_by(devices.c.site).order_by(devices.c.site))
    return {row.site: row.devices for row in counted}


def _grouped(connection: Connection, query: Any, column: str) -> dict[int, list[AnyRow]]:
    found: dict[int, list[AnyRow]] = {}
    for row in connection.execute(query):
        found.setdefault(getattr(row, column), []).append(row)
    return found
