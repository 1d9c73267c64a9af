"""What users call about models, versions and releases. Registering is Kubeflow's API (`kubeflow.py`)."""

from pydantic import BaseModel, ConfigDict, Field

from edgewise.core.database.schema import reports_of_designs
from edgewise.core.hub import audit
from edgewise.core.hub.call import LIMIT, Asked, Call, Hub, Raw, text
from edgewise.core.hub.inputs import digest as digest_of
from edgewise.core.hub.users import Role
from edgewise.core.registry import releases, search
from edgewise.core.registry.releases import KnownRelease, ReleasePage
from edgewise.core.registry.search import METRIC, Filter, ModelPage, Version, VersionPage
from edgewise.errors import BadInput, NotFound
from edgewise.exchange import release as documents

REPORT_BYTES = 16 << 20
NAME = "^[^/\\u0000]{1,256}$"
REPORT_POLICY = (
    "sandbox allow-scripts; default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


class NewAlias(BaseModel):
    """Which version an alias shall be."""

    model_config = ConfigDict(extra="forbid", strict=True)
    version: str = Field(min_length=1, max_length=256, pattern=r"^[^\u0000]*$")


def models(hub: Hub, asked: Asked) -> ModelPage:
    """A page of models."""
    given = asked.values
    with hub.database.reading() as connection:
        return search.listed_models(connection, search=given["search"], after=given["after"], most=given["limit"])


def versions(hub: Hub, asked: Asked) -> VersionPage:
    """A page of versions."""
    given = asked.values
    wanted = Filter(**{name: given[name] for name in ("model", "tag", "metric", "site", "digest")})
    with hub.database.reading() as connection:
        return search.listed(connection, wanted, after=int(given["after"] or 0), most=given["limit"])


def version(hub: Hub, asked: Asked) -> Version:
    """One version."""
    with hub.database.reading() as connection:
        return search.version(connection, asked.values["model"], asked.values["version"])


def name_alias(hub: Hub, asked: Asked) -> None:
    """Let an alias be a version."""
    _alias(hub, asked, asked.document.version)


def drop_alias(hub: Hub, asked: Asked) -> None:
    """Take an alias away."""
    _alias(hub, asked, "")


def _alias(hub: Hub, asked: Asked, name: str) -> None:
    model, alias = asked.values["model"], asked.values["alias"]
    with hub.database.writing() as connection:
        search.name_alias(connection, model, alias, name)
        details = {"alias": alias, "version": name}
        audit.note(connection, at_s=hub.now_s(), who=asked.who, action="name alias", subject=model, details=details)


def known_releases(hub: Hub, asked: Asked) -> ReleasePage:
    """The newest releases."""
    given = asked.values
    with hub.database.reading() as connection:
        return releases.listed(connection, site=given["site"], model=given["model"], most=given["limit"])


def known_release(hub: Hub, asked: Asked) -> KnownRelease:
    """One release."""
    with hub.database.reading() as connection:
        return releases.one(connection, asked.values["digest"])


def keep_release(hub: Hub, asked: Asked) -> KnownRelease:
    """Take note of a release that was published."""
    with hub.database.writing() as connection:
        kept = releases.keep(connection, asked.body, who=asked.who, now_s=hub.now_s())
        audit.note(connection, at_s=hub.now_s(), who=asked.who, action="publish release", subject=kept.digest)
        return kept


def keep_report(hub: Hub, asked: Asked) -> None:
    """Keep the page of a plan, which versions name as their design report."""
    wanted = asked.values["digest"]
    if digest_of(asked.body) != wanted:
        raise BadInput(f"these bytes are {digest_of(asked.body)}, not {wanted}")
    table = reports_of_designs
    with hub.database.writing() as connection:
        if connection.execute(table.select().where(table.c.digest == wanted)).one_or_none() is None:
            connection.execute(table.insert().values(digest=wanted, content=asked.body, media_type="text/html"))
            audit.note(connection, at_s=hub.now_s(), who=asked.who, action="keep design report", subject=wanted)


def design_report(hub: Hub, asked: Asked) -> Raw:
    """A design report, in a sandbox of the browser: its script can reach neither cookies nor the hub."""
    table = reports_of_designs
    with hub.database.reading() as connection:
        query = table.select().where(table.c.digest == asked.values["digest"])
        row = connection.execute(query).one_or_none()
    if row is None:
        raise NotFound(f"the design report {asked.values['digest']} is not here")
    heads = {"Content-Security-Policy": REPORT_POLICY}
    return Raw(content=bytes(row.content), media_type="text/html", headers=heads)


MODEL = text("model", "Name of a model.", inside="path", pattern=NAME)
VERSION = text("version", "Name of a version, or an alias.", inside="path", pattern=NAME)
ALIAS = text("alias", "An alias, such as champion.", inside="path", pattern=NAME)
DIGEST = text("digest", "sha256: and 64 hexadecimal digits.", inside="path", pattern="^sha256:[0-9a-f]{64}$")
SITE = text("site", "Name of a site.", pattern="^[a-z0-9-]{0,63}$")
OF_MODEL = text("model", "Name of a model.")
OF_MODELS = (text("search", "What the name holds."), text("after", "The `next` of the page before."), LIMIT)
OF_VERSIONS = (
    OF_MODEL,
    text("tag", "A tag, as name=value.", longest=520, pattern="^([^=]+=.*)?$"),
    text("metric", "A metric with a bound, as accuracy>=0.9.", pattern=METRIC),
    SITE,
    text("digest", "Digest of an artifact, of data or of a design report.", pattern="^(sha256:[0-9a-f]{64})?$"),
    text("after", "The `next` of the page before.", pattern="^[0-9]{0,15}$"),
    LIMIT,
)
OF_RELEASES = (SITE, OF_MODEL, LIMIT)
V1 = "/api/v1"
CALLS = (
    Call(
        method="GET",
        path=f"{V1}/models",
        summary="List models.",
        run=models,
        answer=ModelPage,
        parameters=OF_MODELS,
    ),
    Call(
        method="GET",
        path=f"{V1}/versions",
        summary="List versions, by model, tag, metric, digest, or the site that runs them.",
        run=versions,
        answer=VersionPage,
        parameters=OF_VERSIONS,
    ),
    Call(
        method="GET",
        path=f"{V1}/models/{{model}}/versions/{{version}}",
        summary="Show a version.",
        run=version,
        answer=Version,
        parameters=(MODEL, VERSION),
        refusals=(404,),
    ),
    Call(
        method="PUT",
        path=f"{V1}/models/{{model}}/aliases/{{alias}}",
        summary="Let an alias be a version.",
        run=name_alias,
        role=Role.PUBLISHER,
        parameters=(MODEL, ALIAS),
        body=NewAlias,
        refusals=(404,),
        status=204,
    ),
    Call(
        method="DELETE",
        path=f"{V1}/models/{{model}}/aliases/{{alias}}",
        summary="Take an alias away.",
        run=drop_alias,
        role=Role.PUBLISHER,
        parameters=(MODEL, ALIAS),
        refusals=(404,),
        status=204,
    ),
    Call(
        method="GET",
        path=f"{V1}/releases",
        summary="List releases, newest first.",
        run=known_releases,
        answer=ReleasePage,
        parameters=OF_RELEASES,
    ),
    Call(
        method="POST",
        path=f"{V1}/releases",
        summary="Take note of a release that was published: its document.",
        run=keep_release,
        answer=KnownRelease,
        role=Role.PUBLISHER,
        body=bytes,
        schema={"type": "object"},
        limit_bytes=documents.LIMIT_BYTES,
    ),
    Call(
        method="GET",
        path=f"{V1}/releases/{{digest}}",
        summary="Show a release.",
        run=known_release,
        answer=KnownRelease,
        parameters=(DIGEST,),
        refusals=(404,),
    ),
    Call(
        method="PUT",
        path=f"{V1}/design-reports/{{digest}}",
        summary="Keep a design report: the page that plan --report has written.",
        run=keep_report,
        role=Role.PUBLISHER,
        parameters=(DIGEST,),
        body=bytes,
        takes="text/html",
        limit_bytes=REPORT_BYTES,
        status=204,
    ),
    Call(
        method="GET",
        path=f"{V1}/design-reports/{{digest}}",
        summary="Fetch a design report.",
        run=design_report,
        answer=bytes,
        media_type="text/html",
        parameters=(DIGEST,),
        refusals=(404,),
    ),
)
