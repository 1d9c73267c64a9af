"""A model folder as what travels: a layer with `/models`, or its files as they are, each under a ModelPack manifest.

The layer is one blob for the image that embeds it, for the model's own image, and for the ModelPack manifest that
refers to that image; files as they are have the digests that model.json names. ModelPack is CNCF's model-spec
(github.com/modelpack/model-spec, docs/spec.md and docs/config.md).
"""

from collections.abc import Mapping
from dataclasses import dataclass

from edgewise.build.attach import plain
from edgewise.build.compress import Compression
from edgewise.build.content import OnDisk
from edgewise.build.image import About
from edgewise.build.keep import keep, keep_bytes, moment
from edgewise.build.layer import Entry, Layer, file, layer
from edgewise.build.pack import Packed, once
from edgewise.build.sbom import Component, Origin
from edgewise.errors import StoreCorrupt
from edgewise.nouns import ModelFile, ServedModel
from edgewise.runtimes.served import NAME
from edgewise.store.blobs import Blobs, digest_of, digest_of_file
from edgewise.store.oci.documents import MANIFEST, Descriptor, Json, Manifest
from edgewise.store.steps import Store

FOLDER = "models"
"""Where an image has the model, by KServe's convention for `oci://`."""
ARTIFACT_TYPE = "application/vnd.cncf.model.manifest.v1+json"
CONFIG_TYPE = "application/vnd.cncf.model.config.v1+json"
WEIGHT = "application/vnd.cncf.model.weight.v1"
DESCRIPTION_RAW = "application/vnd.cncf.model.weight.config.v1.raw"
DATASET_RAW = "application/vnd.cncf.model.dataset.v1.raw"
FILEPATH = "org.cncf.model.filepath"
TAR_TYPES = {Compression.NONE: ".tar", Compression.GZIP: ".tar+gzip", Compression.ZSTD: ".tar+zstd"}
COUNTS = ((1_000_000_000, "B"), (1_000_000, "M"), (1_000, "K"))


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFolder:
    """A model folder whose files are in the store.

    Attributes:
        document: the bytes of model.json.
        precision: arithmetic of most of the work: fp32, int8.
        parameters: of the model as given; 0 where not known.
    """

    model: ServedModel
    document: bytes
    precision: str = ""
    parameters: int = 0

    @property
    def digest(self) -> str:
        """Of model.json, which names every other file by digest."""
        return digest_of(self.document)

    @property
    def files(self) -> tuple[ModelFile, ...]:
        """All files, model.json first."""
        own = ModelFile(name=NAME, digest=self.digest, size_bytes=len(self.document))
        return (own, *self.model.files, *((self.model.golden.file,) if self.model.golden else ()))

    @property
    def component(self) -> Component:
        """The model, for a bill of materials."""
        return Component(origin=Origin.MODEL, name=self.model.name, version=self.model.version, digest=self.digest)

    @property
    def inputs(self) -> dict[str, str]:
        """Digests of its files by URI, for the provenance."""
        return {f"model:{self.model.name}@{self.model.version}/{one.name}": one.digest for one in self.files}

    @property
    def title(self) -> str:
        """One line for people."""
        return f"model {self.model.name} {self.model.version}: {self.model.design}"


def model_layer(given: ModelFolder, store: Store, *, mtime: int, compression: Compression) -> Packed:
    """The layer that has `given` at `/models`, packed; recalled where it was packed before.

    Raises:
        StoreCorrupt: one of its files is missing or damaged.
    """

    def make() -> Layer:
        store.blobs.put(given.document)
        return layer((_entry(one, store.blobs) for one in given.files), mtime=mtime)

    return once("model-layer", make, store, compression=compression, title=given.title, model=given.digest, mtime=mtime)


def as_files(given: ModelFolder, about: About, store: Store) -> Descriptor:
    """A ModelPack artifact whose layers are the files as they are; its manifest."""
    keep_bytes(given.document, DESCRIPTION_RAW, store.blobs)
    config = keep(_config(given, about, [one.digest for one in given.files]), CONFIG_TYPE, store.blobs)
    manifest = Manifest(
        config=config,
        layers=tuple(_raw(one, given) for one in given.files),
        artifact_type=ARTIFACT_TYPE,
        annotations=about.annotations(),
    )
    return keep(manifest.document(), MANIFEST, store.blobs, artifact_type=ARTIFACT_TYPE)


def as_layer(given: ModelFolder, packed: Packed, about: About, subject: Descriptor, store: Store) -> Descriptor:
    """A ModelPack manifest over the layer `packed` that refers to `subject`, the image which has the same layer."""
    compression = Compression(packed.media_type.partition("+")[2])
    blob = Descriptor(
        media_type=WEIGHT + TAR_TYPES[compression],
        digest=packed.digest,
        size_bytes=packed.size_bytes,
        annotations={FILEPATH: FOLDER},
    )
    manifest = Manifest(
        config=keep(_config(given, about, [packed.diff_id]), CONFIG_TYPE, store.blobs),
        layers=(blob,),
        artifact_type=ARTIFACT_TYPE,
        subject=plain(subject),
        annotations=about.annotations(),
    )
    return keep(manifest.document(), MANIFEST, store.blobs, artifact_type=ARTIFACT_TYPE)


def counted(parameters: int) -> str:
    """A number of parameters as ModelPack writes it: "26.1K"."""
    for size, letter in COUNTS:
        if parameters >= size:
            return f"{parameters / size:.1f}".removesuffix(".0") + letter
    return f"{parameters / 1000:.1f}K"


def _entry(one: ModelFile, blobs: Blobs) -> Entry:
    path = blobs.path(one.digest)
    if one.digest not in blobs or digest_of_file(path) != one.digest:
        raise StoreCorrupt(
            f"the store has lost {one.name} of the model, or it is damaged", hint="make the plan again: edgewise plan"
        )
    return file(f"{FOLDER}/{one.name}", OnDisk.at(path))


def _raw(one: ModelFile, given: ModelFolder) -> Descriptor:
    golden = given.model.golden
    kind = f"{WEIGHT}.raw"
    if one.name == NAME:
        kind = DESCRIPTION_RAW
    elif golden is not None and one == golden.file:
        kind = DATASET_RAW
    return Descriptor(media_type=kind, digest=one.digest, size_bytes=one.size_bytes, annotations={FILEPATH: one.name})


def _config(given: ModelFolder, about: About, diff_ids: list[str]) -> Mapping[str, Json]:
    """By model-spec's docs/config.md, of the keys that are known here."""
    described = {
        "createdAt": moment(about.created),
        "name": given.model.name,
        "version": given.model.version,
        "title": given.title,
        **({"licenses": [about.licenses]} if about.licenses else {}),
    }
    technical = {
        "format": given.model.files[0].name.rpartition(".")[2],
        "precision": given.precision,
        "paramSize": counted(given.parameters) if given.parameters else "",
    }
    return {
        "descriptor": described,
        "config": {name: value for name, value in technical.items() if value},
        "modelfs": {"type": "layers", "diffIds": diff_ids},
    }
