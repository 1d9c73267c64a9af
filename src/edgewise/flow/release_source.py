"""Which release a node shall run: a document in a file, the last build of a site, or one that is published.

A build that is not published yet is told as the release that `edgewise publish` would make of it, by the digest that it
would have: equal builds are equal bytes.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edgewise.core.releases import change
from edgewise.core.releases.change import Entry
from edgewise.core.releases.publish import Desk
from edgewise.core.rollouts import policy as policies
from edgewise.errors import BadInput, BadMessage, MetadataExpired, NotDeployable, NotFound, NotTrusted, RolloutRefused
from edgewise.exchange import release as releases
from edgewise.exchange import tree as paths
from edgewise.exchange.offer import Standing
from edgewise.exchange.release import Release
from edgewise.flow.edgefile import Project
from edgewise.nouns import Machine, Site

DIGEST = re.compile(r"(?:sha256:)?([0-9a-f]{12,64})")
"""A release's name: its digest, or the beginning of one that is unique."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sought:
    """A release, and what is known of it beside its document.

    Attributes:
        digest: of its document.
        published: False for one that `edgewise publish` would make.
        machines: that its site was planned for, where it comes from a build.
        percent: how far its rollout goes, of a candidate; None where none is under way.
    """

    release: Release
    digest: str
    published: bool = True
    machines: tuple[Machine, ...] = ()
    percent: float | None = None


def in_file(path: Path) -> Sought:
    """The release in the document `path`.

    Raises:
        NotFound: there is no such file.
        BadMessage: it holds no release.
    """
    try:
        with path.open("rb") as file:
            content = file.read(releases.LIMIT_BYTES + 1)
    except OSError as error:
        raise NotFound(
            f"{path} cannot be read: {error.strerror}",
            hint="name a release document, an edge.yaml, or a published release by its site or digest",
        ) from error
    try:
        return Sought(release=releases.read(content), digest=releases.digest(content))
    except BadMessage as error:
        raise BadMessage(f"{path}: {error.message}", hint="edgewise publish writes releases") from error


def site_of(project: Project, name: str, node: str) -> Site:
    """The site called `name`; where none is named, the only one of that kind of node.

    Raises:
        NotFound: there is no such site.
        NotDeployable: there is none of that kind, or more than one.
    """
    if name:
        return project.site(name)
    fitting = [one for one in project.sites if one.node == node]
    if len(fitting) != 1:
        there = ", ".join(f"{one.name} ({one.node})" for one in project.sites)
        many = "more than one site" if fitting else "no site"
        raise NotDeployable(f"{project.path} has {many} whose node is {node}: {there}", hint="name one by --site")
    return fitting[0]


def built(project: Project, site: Site, *, folder: Path, source: str, version: str) -> Sought:
    """The release that `publish` would make of the last build of `site`.

    Args:
        folder: the store's.
        source: the repository below which the build was pushed.
        version: of the model.

    Raises:
        NotFound: nothing of that version was built for it.
        BadReference: the source is no place of images.
    """
    from edgewise.flow import plan, publish  # noqa: PLC0415 - plans need the design extra, documents do not

    made = publish.release_of(project, site, publish.Wishes(version=version, source=source, settings={}), folder=folder)
    machines = plan.last(project, site, folder=folder).machines
    return Sought(release=made, digest=releases.digest(releases.written(made)), published=False, machines=machines)


def published(desk: Desk, name: str, *, candidate: bool = False, stage: int | None = None) -> Sought:
    """A release in the tree: by its digest, or the one that is for every device of the site `name`.

    Args:
        candidate: of a site, the release whose rollout is under way.
        stage: of the rollout, from 1; None for the one that it is at.

    Raises:
        NotFound: there is none of that name.
        NotTrusted: the tree has another document by that name.
        MetadataExpired: nobody says any more that the tree is the newest.
        NotDeployable: it was withdrawn.
        RolloutRefused: no rollout is under way, and its candidate or stage is asked for.
    """
    tree = desk.read()
    signed = (tree.timestamp, tree.snapshot, tree.targets, *tree.sites.values())
    if any(one.expires.timestamp() <= desk.now_s for one in signed):
        raise MetadataExpired("the tree has expired: what it says may be old", hint="edgewise publish --timestamp-only")
    sites = [site for site in map(paths.site_of, tree.sites) if site]
    offered = [(site, digest, entry) for site in sites for digest, entry in change.entries(tree, site).items()]
    site, digest, entry = _named(offered, name, candidate=candidate)
    if entry.offered.standing is Standing.WITHDRAWN:
        raise NotDeployable(f"the release {digest} of {site} was withdrawn", hint="edgewise rollout status says why")
    content = desk.web.read(paths.target_file(site, digest))
    if content is None or releases.digest(content) != digest:
        raise NotTrusted(f"the tree has another document than {digest}", hint="edgewise publish writes it again")
    return Sought(release=releases.read(content), digest=digest, percent=_percent(site, entry, stage))


def _named(offered: Sequence[tuple[str, str, Entry]], name: str, *, candidate: bool) -> tuple[str, str, Entry]:
    if digits := DIGEST.fullmatch(name):
        found = [one for one in offered if one[1].removeprefix("sha256:").startswith(digits[1])]
    else:
        wanted = Standing.CANDIDATE if candidate else Standing.STABLE
        found = [one for one in offered if one[0] == name and one[2].offered.standing is wanted]
    if len(found) == 1:
        return found[0]
    if found:
        raise BadInput(f"{len(found)} releases begin with {name}", hint="more digits of the one that is meant")
    sites = sorted({site for site, _, _ in offered})
    if candidate and name in sites:
        raise RolloutRefused(f"{name} has no candidate", hint="leave --candidate out for what every device takes")
    raise NotFound(
        f"the tree has no release {name!r}", hint=f"a digest, or a site: {', '.join(sites)}" if sites else "it is empty"
    )


def _percent(site: str, entry: Entry, stage: int | None) -> float | None:
    rollout = policies.read(dict(entry.plan)) if entry.plan else None
    if stage is None:
        return None if rollout is None else rollout.policy.percent(rollout.stage)
    if rollout is None:
        raise RolloutRefused(f"no rollout of it is under way at {site}", hint="leave --stage out")
    if not 1 <= stage <= len(rollout.policy.stages):
        raise BadInput(f"the rollout has {len(rollout.policy.stages)} stages, and no stage {stage}")
    return rollout.policy.percent(stage - 1)
