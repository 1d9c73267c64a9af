"""`build`: from the last plan of a site to images in the store, by the strategy that suits the site.

served -> bases -> the three strategies -> choose -> sign -> attach -> name. Layers, wheels and packages are steps of
the store, kept by the digest of what decides them: a build that was interrupted goes on where it stopped, and one with
a new model packs that model and nothing else. Names come last, so that whoever is killed leaves the store as it was,
with some blobs more that `store gc` finds.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from edgewise.build import sign
from edgewise.build.choice import rule
from edgewise.build.choice.rule import Choice
from edgewise.build.compress import Compression
from edgewise.build.platforms import PLATFORMS, Platform
from edgewise.build.sign import Key
from edgewise.build.strategies import make as strategies
from edgewise.build.strategies.bundle import Bundle, Strategy
from edgewise.build.strategies.make import INFERENCE, Made, Wanted
from edgewise.build.strategies.model import ModelFolder
from edgewise.errors import NoStrategy, NotFound
from edgewise.flow import bases, decided
from edgewise.flow.edgefile import Project
from edgewise.flow.naming import FIRST_VERSION, names_of
from edgewise.flow.served import Served, lay_out, served
from edgewise.nouns import Plan, Site
from edgewise.progress import SILENT, Progress
from edgewise.store import atomic
from edgewise.store.oci.documents import Descriptor
from edgewise.store.oci.layout import Layout
from edgewise.store.oci.reference import check_name
from edgewise.store.steps import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What the caller wants of a build.

    Attributes:
        strategy: instead of edge.yaml's; "" for that.
        platforms: empty for all that the base can have.
        base: `debian`, `host`, or the name of an image.
        version: of the model, and the tag of what is built.
        grpc: whether the server speaks gRPC too.
        created: SOURCE_DATE_EPOCH.
        key: PEM file of an ECDSA P-256 key; None for no signature.
        password: that opens the key.
        signed_as: host and repository that the signature names; "" for the name in the store.
        files: folder to write the model's plain files to, as `<model>/<version>/…`; None for none.
    """

    strategy: str = ""
    platforms: tuple[Platform, ...] = ()
    base: str = bases.DEBIAN
    version: str = FIRST_VERSION
    grpc: bool = False
    compression: Compression = Compression.ZSTD
    created: int = 0
    key: Path | None = None
    password: bytes | None = None
    signed_as: str = ""
    files: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a build made.

    Attributes:
        names: what the store calls each part, by the part's name.
        signatures: of roots and of the platforms' images.
        files: the model folder that was written; None where none was wanted.
    """

    site: str
    served: Served
    choice: Choice
    made: Made
    names: Mapping[str, str]
    signatures: tuple[Descriptor, ...] = ()
    files: Path | None = None
    platforms: tuple[str, ...] = field(default=())


@dataclass(frozen=True, slots=True, kw_only=True)
class Intended:
    """What a build would make.

    Attributes:
        strategy: the word of edge.yaml; `auto` is decided by what is built.
        names: of the parts that there may be.
    """

    site: str
    strategy: str
    base: str
    platforms: tuple[str, ...]
    names: Mapping[str, str]


def intended(project: Project, site: Site, wishes: Wishes) -> Intended:
    """What `build` would make of these wishes; nothing is read or written."""
    strategy = wishes.strategy or site.strategy
    names = _names(project, site, wishes)
    if strategy == Strategy.EMBEDDED:
        del names[strategies.MODEL_PART]
    return Intended(
        site=site.name,
        strategy=strategy,
        base=wishes.base,
        platforms=tuple(str(one) for one in bases.platforms(wishes.base, wishes.platforms)),
        names=names,
    )


def build(
    project: Project, site: Site, *, folder: Path, wishes: Wishes | None = None, progress: Progress = SILENT
) -> Outcome:
    """Build what `site` needs, and name it in the store.

    Args:
        folder: the store's.

    Raises:
        NotFound, NoFeasibleDesign, NotServable, BadData: there is nothing to build, see `flow.served`.
        BadImage: a platform lacks the base, the runtime's wheel, or the key is none.
        MissingDependency, ChildFailed: a tool or the network is missing.
        StoreFull, StoreUnusable, StoreCorrupt: the store; names stand for what they stood for.
    """
    asked = wishes or Wishes()
    if asked.strategy:
        site = replace(site, strategy=Strategy(asked.strategy).value)
    names = _names(project, site, asked)
    key = None if asked.key is None else sign.read_key(asked.key, password=asked.password)
    try:
        with Layout(folder).held():
            return _build(project, site, Store(folder), asked, names, key, progress)
    except OSError as error:
        raise atomic.explain(error, folder / "build") from error


def _build(
    project: Project,
    site: Site,
    store: Store,
    asked: Wishes,
    names: Mapping[str, str],
    key: Key | None,
    progress: Progress,
) -> Outcome:
    progress.stage("reading the plan", None)
    model = served(project, site, store, version=asked.version)
    wanted = _wanted(model, asked, store, progress)
    every = strategies.make(wanted, store, progress=progress)
    choice = rule.choose([_bundle(one, model.plan) for one in every.values()], site)
    if choice.strategy is None:
        raise NoStrategy(
            f"no strategy can be had at {site.name}: {'; '.join(choice.ruled_out.values())}",
            hint="change disk_free or link in edge.yaml, or say which it shall be: --strategy embedded",
        )
    made = every[choice.strategy]
    progress.stage("signing and naming", None)
    signatures = _signed(made, names, asked, key, store)
    layout = Layout(store.folder)
    for referrer in (*made.referrers, *signatures):
        layout.enter(referrer)
    written = None if asked.files is None else _written(model, asked.files, store)
    for part, root in made.roots.items():
        layout.tag(names[part], root)
    for part, name in names.items():  # of another strategy before: a release would take it for its own
        if part not in made.roots and name in layout.references():
            layout.untag(name)
    decided.remember(project, choice, store)
    return Outcome(
        site=site.name,
        served=model,
        choice=choice,
        made=made,
        names={part: names[part] for part in made.roots},
        signatures=signatures,
        files=written,
        platforms=tuple(bundle.platform for bundle in made.bundles),
    )


def build_model(model: Served, name: str, *, folder: Path) -> Descriptor:
    """Build the model alone, for devices whose agents run it with their own Python; nothing is fetched for it.

    Args:
        name: what the store calls it.
        folder: the store's.

    Raises:
        StoreFull, StoreUnusable, StoreCorrupt: the store.
    """
    check_name(name)
    layout = Layout(folder)
    try:
        with layout.held():
            artifact, statement = strategies.files_alone(_folder(model), Store(folder))
            layout.enter(statement)
            layout.tag(name, artifact)
    except OSError as error:
        raise atomic.explain(error, folder / "build") from error
    return artifact


def last_choice(project: Project, site: Site, *, folder: Path) -> Choice:
    """Which strategy the last build chose for `site`, and why.

    Raises:
        NotFound: nothing was built for it.
    """
    known = decided.recall(project, site.name, Store(folder))
    if known is None:
        raise NotFound(
            f"nothing was built for site {site.name} yet, and figures are of what is built",
            hint=f"edgewise build {project.path} --site {site.name}",
        )
    return known


def _names(project: Project, site: Site, asked: Wishes) -> dict[str, str]:
    found = names_of(project, site, asked.version)
    for name in found.values():
        check_name(name)
    return found


def _wanted(model: Served, asked: Wishes, store: Store, progress: Progress) -> Wanted:
    platforms = bases.platforms(asked.base, asked.platforms)
    progress.stage("bases", len(platforms))
    below, cars = [], []
    for platform in platforms:
        how = {"mtime": asked.created}
        below.append(
            bases.inference(
                asked.base, platform, store, compression=asked.compression, progress=progress, mtime=asked.created
            )
        )
        cars.append(bases.models(asked.base, platform, store, compression=asked.compression, **how))
        progress.step(str(platform))
    return Wanted(
        model=_folder(model),
        inference=tuple(below),
        models=tuple(cars),
        grpc=asked.grpc,
        compression=asked.compression,
        created=asked.created,
    )


def _folder(model: Served) -> ModelFolder:
    design = model.plan.verdict(model.model.design).design
    return ModelFolder(
        model=model.model,
        document=model.document,
        precision=design.recipe.precision,
        parameters=model.plan.model.parameters,
    )


def _bundle(made: Made, plan: Plan) -> Bundle:
    """The bundle of the platform that the chosen machine is, or the first."""
    assert plan.choice is not None
    machine = plan.verdict(plan.choice).design.machine
    architecture = next((one.architecture for one in plan.machines if one.name == machine), "")
    names = {str(one) for one in PLATFORMS.values() if architecture in (one.wheel, one.architecture)}
    return next((one for one in made.bundles if one.platform in names), made.bundles[0])


def _signed(
    made: Made, names: Mapping[str, str], asked: Wishes, key: Key | None, store: Store
) -> tuple[Descriptor, ...]:
    """Signatures of roots and of single images, each under the repository that it will be in."""
    if key is None:
        return ()
    own = {part: asked.signed_as or names[part].rpartition(":")[0] for part in made.roots}
    cars = {part.root.digest for one in made.bundles for part in one.parts[1:] if part.root}
    subjects = [(root, own[part]) for part, root in made.roots.items()]
    subjects += [(one, own[strategies.MODEL_PART if one.digest in cars else INFERENCE]) for one in made.images]
    return tuple(sign.sign(subject, name, key, store.blobs).manifest for subject, name in subjects)


def _written(model: Served, folder: Path, store: Store) -> Path:
    return lay_out(model, folder / model.model.name / model.model.version, store)
