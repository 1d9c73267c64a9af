"""The three strategies: from bases, a server and a model folder to what a device pulls, for every platform at once.

`embedded` and `modelcar` share the model's layer, `external` and `modelcar` the inference image, each by digest.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edgewise.build import attestations, image, inference
from edgewise.build import server as servers
from edgewise.build.attestations import Attested
from edgewise.build.base import Base
from edgewise.build.compress import Compression
from edgewise.build.image import About, HealthCheck, Settings
from edgewise.build.inference import Built, Order
from edgewise.build.keep import keep
from edgewise.build.pack import Packed
from edgewise.build.sbom import Component
from edgewise.build.strategies import model as models
from edgewise.build.strategies.bundle import Bundle, Part, PartKind, Piece, Role, Strategy
from edgewise.build.strategies.model import ModelFolder
from edgewise.build.unpacked import unpacked_bytes
from edgewise.progress import SILENT, Progress
from edgewise.store.oci import documents
from edgewise.store.oci.documents import INDEX, Descriptor, Manifest
from edgewise.store.steps import Store

MODEL = "EDGEWISE_MODEL"
MODEL_DIGEST = "EDGEWISE_MODEL_DIGEST"
MOUNTED = "/mnt/models"
"""Where a server finds a model that is not in its image, by KServe's convention."""
HTTP_PORT, GRPC_PORT = 8080, 8081
INFERENCE, MODEL_PART = "inference", "model"
Inference = tuple[list[Built], Descriptor]
"""The images of each platform, and the index over them."""
OURS = ("debian", "host")
"""Kinds of bases that have their interpreter where we put it; that of others is looked for in PATH."""
MODEL_LABEL, DIGEST_LABEL = "io.edgewise.model", "io.edgewise.model.digest"


@dataclass(frozen=True, slots=True, kw_only=True)
class Below:
    """What an image stands on, and what is in that.

    Attributes:
        components: for the bill of materials.
    """

    base: Base
    components: tuple[Component, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What shall be made.

    Attributes:
        inference: one for each platform, in the order in which they are made.
        models: what a model's own image stands on, for the same platforms.
        grpc: whether the server speaks gRPC too.
        created: SOURCE_DATE_EPOCH.
    """

    model: ModelFolder
    inference: tuple[Below, ...]
    models: tuple[Below, ...]
    grpc: bool = False
    compression: Compression = Compression.ZSTD
    created: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """One strategy in the store.

    Attributes:
        roots: what is pulled, by the name of its part: an index over platforms, or an artifact's manifest.
        images: manifests of single platforms among them.
        referrers: what refers to roots and images.
        bundles: for each platform.
        variables: what the server's environment must say, where the image does not.
    """

    strategy: Strategy
    roots: Mapping[str, Descriptor]
    images: tuple[Descriptor, ...]
    referrers: tuple[Descriptor, ...]
    bundles: tuple[Bundle, ...]
    variables: Mapping[str, str]


def make(wanted: Wanted, store: Store, *, progress: Progress = SILENT) -> dict[Strategy, Made]:
    """Make `wanted` by each strategy: they share layers, so that three are little more than one.

    Raises:
        BadImage: a platform lacks a wheel, or two things claim one path.
        StoreCorrupt: a file of the model is missing or damaged.
    """
    progress.stage("images", len(Strategy))
    plain = _inference(wanted, store)
    progress.step("inference image without a model")
    packed = model_layer(wanted, store)
    embedded = _embedded(wanted, packed, store)
    progress.step("inference image with the model")
    found = {Strategy.EMBEDDED: embedded, Strategy.EXTERNAL: _external(wanted, plain, store)}
    found[Strategy.MODELCAR] = _modelcar(wanted, plain, packed, store)
    progress.step("the model by itself")
    return found


def files_alone(given: ModelFolder, store: Store, *, created: int = 0) -> tuple[Descriptor, Descriptor]:
    """The model's files as an artifact, without any image to run them, and what refers to it.

    Raises:
        StoreCorrupt: a file of the model is missing or damaged.
    """
    return _files(Wanted(model=given, inference=(), models=(), created=created), store)


def _embedded(wanted: Wanted, packed: Packed, store: Store) -> Made:
    found = {MODEL: f"/{models.FOLDER}", MODEL_DIGEST: wanted.model.digest}
    order = _order(wanted, _about_model(wanted), found, with_model=True)
    built = [
        inference.build(below.base, order, store, top=(packed,), components=(*below.components, wanted.model.component))
        for below in wanted.inference
    ]
    root = inference.over(built, order.about, store)
    parts = [(_image_part(INFERENCE, one, store),) for one in built]
    return _made(Strategy.EMBEDDED, wanted, {INFERENCE: root}, built, parts, ())


def _external(wanted: Wanted, inference_image: Inference, store: Store) -> Made:
    built, root = inference_image
    artifact, statement = _files(wanted, store)
    part = _artifact_part(artifact, wanted.model, store)
    parts = [(_image_part(INFERENCE, one, store), part) for one in built]
    roots = {INFERENCE: root, MODEL_PART: artifact}
    return _made(Strategy.EXTERNAL, wanted, roots, built, parts, (statement,))


def _files(wanted: Wanted, store: Store) -> tuple[Descriptor, Descriptor]:
    about = _about_model(wanted)
    artifact = models.as_files(wanted.model, about, store)
    return artifact, attestations.statement(_attested(artifact, about, wanted), store)


def _modelcar(wanted: Wanted, inference_image: Inference, packed: Packed, store: Store) -> Made:
    built, root = inference_image
    about = _about_model(wanted)
    settings = Settings(
        entry_point=("/bin/sleep", "infinity") if wanted.models[0].base.layers else (),
        environment={},
        labels=_labels(wanted),
        stop_signal="SIGKILL",
    )
    cars = [image.build(one.base, (packed,), settings, about, store.blobs) for one in wanted.models]
    model_root = keep(image.index(cars, about.annotations()).document(), INDEX, store.blobs)
    referrers = [models.as_layer(wanted.model, packed, about, model_root, store)]
    for car, below in zip(cars, wanted.models, strict=True):
        said = _attested(car, about, wanted, below)
        referrers += [attestations.bill(said, store), attestations.statement(said, store)]
    parts = [
        (_image_part(INFERENCE, one, store), _part(MODEL_PART, car, _layers(below.base, packed), store))
        for one, car, below in zip(built, cars, wanted.models, strict=True)
    ]
    roots = {INFERENCE: root, MODEL_PART: model_root}
    return _made(Strategy.MODELCAR, wanted, roots, built, parts, referrers, cars)


def _inference(wanted: Wanted, store: Store) -> Inference:
    """The inference image that knows of no model."""
    runtime = wanted.model.model.configuration.runtime
    about = About(
        title=f"edgewise-{runtime}",
        version=servers.server(runtime).version,
        description=f"Inference server with {runtime}, without a model",
        licenses="Apache-2.0",
        created=wanted.created,
    )
    order = _order(wanted, about, {MODEL: MOUNTED}, with_model=False)
    built = [inference.build(one.base, order, store, components=one.components) for one in wanted.inference]
    return built, inference.over(built, about, store)


def _order(wanted: Wanted, about: About, environment: Mapping[str, str], *, with_model: bool) -> Order:
    configuration = wanted.model.model.configuration
    python = servers.PYTHON if all(one.base.kind in OURS for one in wanted.inference) else "python3"
    grpc = ("--grpc", f"0.0.0.0:{GRPC_PORT}") if wanted.grpc else ()
    settings = Settings(
        entry_point=(python, "-m", servers.SERVE),
        command=("--http", f"0.0.0.0:{HTTP_PORT}", *grpc),
        environment={"PYTHONSAFEPATH": "1", **environment},
        labels=_labels(wanted) if with_model else {},
        ports=tuple(f"{port}/tcp" for port in ((HTTP_PORT, GRPC_PORT) if wanted.grpc else (HTTP_PORT,))),
        health=HealthCheck(command=(python, "-m", servers.HEALTH)),
    )
    return Order(
        runtime=configuration.runtime,
        version=configuration.version,
        server=servers.server(configuration.runtime, grpc=wanted.grpc),
        settings=settings,
        about=about,
        inputs=wanted.model.inputs if with_model else {},
        compression=wanted.compression,
    )


def model_layer(wanted: Wanted, store: Store) -> Packed:
    """The layer that the model is, alike on all platforms."""
    return models.model_layer(wanted.model, store, mtime=wanted.created, compression=wanted.compression)


def _about_model(wanted: Wanted) -> About:
    model = wanted.model.model
    return About(title=model.name, version=model.version, description=model.design, created=wanted.created)


def _labels(wanted: Wanted) -> dict[str, str]:
    model = wanted.model.model
    return {MODEL_LABEL: f"{model.name}:{model.version}", DIGEST_LABEL: wanted.model.digest}


def _attested(subject: Descriptor, about: About, wanted: Wanted, below: Below | None = None) -> Attested:
    return Attested(
        image=subject,
        about=about,
        platform=below.base.platform if below else None,
        components=(*below.components, wanted.model.component) if below else (),
        parameters={"compression": wanted.compression.value} if below else {},
        inputs=wanted.model.inputs,
    )


def _made(
    strategy: Strategy,
    wanted: Wanted,
    roots: Mapping[str, Descriptor],
    built: Sequence[Built],
    parts: Sequence[tuple[Part, ...]],
    referrers: Sequence[Descriptor],
    cars: Sequence[Descriptor] = (),
) -> Made:
    model = wanted.model
    bundles = tuple(
        Bundle(
            strategy=strategy,
            platform=str(below.base.platform),
            parts=own,
            model_digest=model.digest,
            model_name=model.model.name,
            model_version=model.model.version,
        )
        for below, own in zip(wanted.inference, parts, strict=True)
    )
    attached = [referrer for one in built for referrer in (one.sbom, one.provenance)]
    embedded = strategy is Strategy.EMBEDDED
    return Made(
        strategy=strategy,
        roots=roots,
        images=(*(one.image for one in built), *cars),
        referrers=(*attached, *referrers),
        bundles=bundles,
        variables={} if embedded else {MODEL: MOUNTED, MODEL_DIGEST: model.digest},
    )


def _image_part(name: str, built: Built, store: Store) -> Part:
    return _part(name, built.image, built.layers, store)


def _part(name: str, made: Descriptor, layers: Sequence[tuple[Role, Packed]], store: Store) -> Part:
    pieces = [
        Piece(
            role=role,
            digest=packed.digest,
            size_bytes=packed.size_bytes,
            unpacked_bytes=unpacked_bytes(packed, store),
            title=packed.title or str(role),
        )
        for role, packed in layers
    ]
    return Part(name=name, kind=PartKind.IMAGE, root=made, pieces=(*pieces, *_documents(made, store)))


def _artifact_part(artifact: Descriptor, model: ModelFolder, store: Store) -> Part:
    pieces = [
        Piece(
            role=Role.MODEL,
            digest=one.digest,
            size_bytes=one.size_bytes,
            unpacked_bytes=one.size_bytes,
            title=one.name,
        )
        for one in model.files
    ]
    return Part(
        name=MODEL_PART,
        kind=PartKind.ARTIFACT,
        root=artifact,
        pieces=(*pieces, *_documents(artifact, store)),
    )


def _documents(made: Descriptor, store: Store) -> tuple[Piece, Piece]:
    """The config and the manifest that `made` names."""
    manifest = documents.read(store.blobs.get(made.digest), made.media_type)
    assert isinstance(manifest, Manifest)
    return _document(manifest.config, "config"), _document(made, "manifest")


def _document(one: Descriptor, title: str) -> Piece:
    return Piece(
        role=Role.DOCUMENT,
        digest=one.digest,
        size_bytes=one.size_bytes,
        unpacked_bytes=one.size_bytes,
        title=title,
    )


def _layers(base: Base, packed: Packed) -> tuple[tuple[Role, Packed], ...]:
    return (*((Role.BASE, one) for one in base.layers), (Role.MODEL, packed))
