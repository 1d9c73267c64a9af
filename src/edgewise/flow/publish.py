"""From what was built for a site to its release: which images and artifacts, by digest, and where they lie.

What was built is found by its names in the store; where it lies is said by whoever pushed it. A release is made anew
each time, and is the same bytes for the same build: it holds no time unless one is given.
"""

import math
from dataclasses import dataclass
from pathlib import Path

from edgewise.errors import NotFound
from edgewise.exchange.release import Allowance, Chosen, Part, PartKind, Release, Strategy
from edgewise.flow.edgefile import Project
from edgewise.flow.fleet_options import part_of
from edgewise.flow.naming import MODEL, names_of, source_of
from edgewise.flow.served import Served, served
from edgewise.nouns import Plan, Quantity, Site
from edgewise.store.oci.documents import INDEXES, Descriptor, Index, Manifest
from edgewise.store.oci.layout import Layout
from edgewise.store.oci.place import document
from edgewise.store.oci.reference import InRegistry, parse
from edgewise.store.steps import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What the caller says about a release.

    Attributes:
        version: of the model, and the tag of what was built.
        source: the repository below which parts were pushed: `registry.example/plant`, or `oci:folder`.
        soak_s: how long a device watches the release before it is kept.
        settings: environment of the server.
        agent: the agent that devices take with the release; None where they keep theirs.
    """

    version: str
    source: str
    soak_s: float = 300.0
    settings: dict[str, str]
    created_s: int = 0
    agent: Part | None = None


def release_of(project: Project, site: Site, wishes: Wishes, *, folder: Path) -> Release:
    """The release of what was last built for `site`.

    Args:
        folder: the store's.

    Raises:
        NotFound: nothing of that version was built for it.
        BadReference: the source is no place of images.
    """
    _built(project, site, wishes, Layout(folder))
    made = served(project, site, Store(folder), version=wishes.version)
    return release_with(made, project, site, wishes, folder=folder)


def release_with(made: Served, project: Project, site: Site, wishes: Wishes, *, folder: Path) -> Release:
    """The release of what was last built of the model `made`: see `release_of`."""
    layout = Layout(folder)
    parts = tuple(
        _part(part, root, _source(name, wishes.source), layout)
        for part, (name, root) in _built(project, site, wishes, layout).items()
    )
    latency = site.budget.limit(Quantity.LATENCY_P99)
    return Release(
        site=site.name,
        version=f"{project.name} {wishes.version}",
        strategy=_strategy(parts),
        parts=parts if wishes.agent is None else (*parts, wishes.agent),
        model_name=made.model.name,
        model_version=made.model.version,
        model_digest=made.digest,
        allowance=Allowance(latency_p99_ms=None if latency is None else latency.value),
        design=chosen(made.plan, made.model.design),
        settings=wishes.settings,
        soak_s=wishes.soak_s,
        created_s=wishes.created_s,
    )


def _built(project: Project, site: Site, wishes: Wishes, layout: Layout) -> dict[str, tuple[str, Descriptor]]:
    """Name and root of what the store has of the site's parts, by part."""
    there = layout.references()
    names = names_of(project, site, wishes.version)
    found = {part: (name, there[name]) for part, name in names.items() if name in there}
    if not found:
        raise NotFound(
            f"nothing of version {wishes.version} was built for {site.name}",
            hint=f"edgewise build {project.path} --site {site.name} --model-version {wishes.version}",
        )
    return found


def chosen(plan: Plan, name: str) -> Chosen | None:
    """The design called `name` as releases tell of it: on which part of which machine, and what it took there.

    None where the plan does not say what its machines are.
    """
    design = plan.verdict(name).design
    machine = next((one for one in plan.machines if one.name == design.machine), None)
    if machine is None:
        return None
    part, memory = part_of(design, machine), design.figures.get(Quantity.MEMORY)
    return Chosen(
        name=design.name,
        machine=design.machine,
        accelerator=part.name,
        on_cpu=part is machine.cpu,
        runtime=design.configuration.runtime.value,
        threads=design.configuration.threads,
        memory_bytes=None if memory is None else math.ceil(memory.high),
    )


def _strategy(parts: tuple[Part, ...]) -> Strategy:
    model = next((part for part in parts if part.name == MODEL), None)
    if model is None:
        return Strategy.EMBEDDED
    return Strategy.MODELCAR if model.kind is PartKind.IMAGE else Strategy.EXTERNAL


def _source(name: str, source: str) -> str:
    found = source_of(name, source)
    parsed = parse(found)
    return f"{parsed.host}/{parsed.repository}" if isinstance(parsed, InRegistry) else found


def _part(name: str, root: Descriptor, source: str, layout: Layout) -> Part:
    if root.media_type in INDEXES:
        index = document(layout, root)
        assert isinstance(index, Index)
        platforms = [one for one in index.manifests if one.platform is not None and one.platform.os != "unknown"]
        above = root.size_bytes
    else:
        platforms, above = [root], 0
    manifests = [(one, document(layout, one)) for one in platforms]
    sizes = [above + one.size_bytes + sum(need.size_bytes for need in found.needs) for one, found in manifests]
    kinds = {_kind(found) for _, found in manifests}
    if len(kinds) != 1:
        raise NotFound(f"{name} has no platform, or is image and artifact at once", hint="build it again")
    return Part(name=name, kind=kinds.pop(), digest=root.digest, size_bytes=max(sizes), source=source)


def _kind(found: Manifest | Index) -> PartKind:
    assert isinstance(found, Manifest)
    return PartKind.MODEL if found.artifact_type else PartKind.IMAGE
