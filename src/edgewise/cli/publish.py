"""`edgewise publish`: the release of what was built, into a tree of signed files."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from edgewise.cli._hub import DatabaseFlag, HubFlag, ask
from edgewise.cli._say import note
from edgewise.cli._transfers import size
from edgewise.cli._trees import KEYS, TREE, KeysFlag, TreeFlag, desk
from edgewise.cli.config import Output, Settings, settings
from edgewise.cli.options import AtOnceFlag, OutputFlag, SettingOption, SoakOption, StoreFlag
from edgewise.cli.output import data, names, sentence
from edgewise.core.releases import change, publish
from edgewise.core.releases.publish import Desk
from edgewise.errors import EdgewiseError, NotFound
from edgewise.exchange import release as releases
from edgewise.flow import agent_part, edgefile
from edgewise.flow import publish as building
from edgewise.flow.naming import FIRST_VERSION
from edgewise.flow.publish import Wishes
from edgewise.store.oci.layout import Layout


def run(
    edge_yaml: Annotated[Path, typer.Argument(metavar="EDGE.YAML", help="The project.", dir_okay=False)] = Path(
        "edge.yaml"
    ),
    site: Annotated[list[str] | None, typer.Option(metavar="NAME", help="Only this site; may be repeated.")] = None,
    source: Annotated[
        str, typer.Option(metavar="PLACE", help="Where images were pushed to: registry.example/plant, or oci:FOLDER.")
    ] = "",
    model_version: Annotated[str, typer.Option(metavar="VERSION", help="Of what was built.")] = FIRST_VERSION,
    release: Annotated[
        list[Path] | None, typer.Option(metavar="FILE", help="A release's document instead; may be repeated.")
    ] = None,
    at_once: AtOnceFlag = False,
    soak: SoakOption = 300.0,
    setting: SettingOption = None,
    agent: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="WHEEL",
            help="The agent that devices take with it, and what it needs, a wheel each; may be repeated.",
            dir_okay=False,
            exists=True,
        ),
    ] = None,
    timestamp_only: Annotated[
        bool, typer.Option("--timestamp-only", help="Only say again that what is in force is the newest.")
    ] = False,
    renew: Annotated[
        list[str] | None, typer.Option(metavar="SITE", help="Only sign this site again, before it expires; repeatable.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the releases, and publish nothing.")] = False,
    hub: HubFlag = None,
    database: DatabaseFlag = None,
    keys: KeysFlag = KEYS,
    tree: TreeFlag = TREE,
    store: StoreFlag = None,
    output: OutputFlag = None,
) -> None:
    """Publish what was built for every site as a signed release.

    The first release of a site is for every device; one that comes later waits until `edgewise rollout start` begins
    its stages. Whoever is interrupted leaves what was in force, or what shall be. A hub that is configured is told, so
    that it knows which version of a model a device runs. The timestamp holds for a week: let a job run
    `edgewise publish --timestamp-only` once a day, with the key online alone.

    With `--agent` the devices take that agent once they keep the release: it is checked beside theirs, on trial until
    its first answered poll, and put back where it fails.

    Example: edgewise publish --source registry.example/plant --tree s3://releases/plant
    """
    found = settings(store=store, output=output, hub=hub, database=database)
    if timestamp_only or renew:
        with desk(tree, keys) as where:
            _sign_again(where, renew or [])
        return
    if agent and (release or not source):
        raise typer.BadParameter(
            "--agent goes into what was built, and needs --source; a --release names its own parts"
        )
    layout = Layout(found.store)
    brought = agent_part.made(agent, source, layout) if agent else None
    documents = [_read(path) for path in release or ()] or _built(
        edge_yaml, site, source, replace(_wishes(source, model_version, soak, setting), agent=brought), found.store
    )
    if dry_run:
        for one in documents:
            data(_shown(one, ""), Output.JSON if found.output is Output.TABLE else found.output)
        return
    if brought is not None:
        agent_part.push(brought, source, layout)
    with desk(tree, keys) as where:
        done = [(one, publish.offer_release(where, one, at_once=at_once)) for one in documents]
        standings = [_standing(where, one, digest) for one, digest in done]
    _report(done, standings, found.output)
    if found.knows_hub:
        _register(found, documents)


def _register(found: Settings, documents: list[bytes]) -> None:
    """Tell the hub which releases there are. They are published already, so one that is away stops nothing."""
    try:
        for one in documents:
            ask(found, "POST", "/api/v1/releases", body=one)
    except EdgewiseError as error:
        note(f"the hub was not told; publish again when it answers, which changes nothing else: {error.message}")


def _sign_again(where: Desk, renew: list[str]) -> None:
    for one in renew:
        publish.renew(where, one)
        sentence(f"{one} is signed again")
    if not renew:
        publish.sign_again(where)
        sentence(f"signed again: in force until {where.read().timestamp.expires:%Y-%m-%d %H:%M} UTC")


def _wishes(source: str, version: str, soak_s: float, setting: list[str] | None) -> Wishes:
    pairs = [one.partition("=") for one in setting or ()]
    if any(not name or not equals for name, equals, _ in pairs):
        raise typer.BadParameter("--setting takes NAME=VALUE")
    return Wishes(version=version, source=source, soak_s=soak_s, settings={name: value for name, _, value in pairs})


def _built(edge_yaml: Path, site: list[str] | None, source: str, wishes: Wishes, store: Path) -> list[bytes]:
    if not source:
        raise typer.BadParameter("--source is needed: where the images of the build were pushed to")
    project = edgefile.load(edge_yaml)
    sites = [project.site(name) for name in dict.fromkeys(site)] if site else project.sites
    return [releases.written(building.release_of(project, one, wishes, folder=store)) for one in sites]


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise NotFound(f"{path} cannot be read: {error.strerror}", hint="check its name") from error


def _standing(where: Desk, document: bytes, digest: str) -> str:
    site = releases.read(document).site
    return change.entries(where.read(), site)[digest].offered.standing.value


def _shown(document: bytes, standing: str) -> dict[str, object]:
    made = releases.read(document)
    return {
        "site": made.site,
        "digest": releases.digest(document),
        "version": made.version,
        "strategy": made.strategy.value,
        "size_bytes": made.size_bytes,
        "standing": standing,
        "parts": [{"name": one.name, "digest": one.digest, "source": one.source} for one in made.parts],
    }


def _report(done: list[tuple[bytes, str]], standings: list[str], output: Output) -> None:
    match output:
        case Output.NAME:
            names([digest for _, digest in done])
        case Output.JSON | Output.YAML:
            data([_shown(one, how) for (one, _), how in zip(done, standings, strict=True)], output)
        case _:
            for (one, digest), how in zip(done, standings, strict=True):
                made = releases.read(one)
                after = "" if how == "stable" else f"; begin its rollout: edgewise rollout start {made.site}"
                sentence(f"{made.site}: {made.version} is {how}, {size(made.size_bytes)}{after}")
                sentence(f"  {digest}")
