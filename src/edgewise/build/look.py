"""What an image or artifact is, wherever it is: its documents read, its layers not fetched.

Layers are named by the config's history, as images of Edgewise and of most tools have it, or by the path that a layer
of an artifact stands for. Nothing is believed that was not hashed: documents are checked on their way.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from edgewise.build import provenance, sbom, sign
from edgewise.build.strategies import model as models
from edgewise.errors import BadImage, BadManifest
from edgewise.store.oci import documents
from edgewise.store.oci.documents import CONFIG, Descriptor, ImageConfig, Index, Manifest
from edgewise.store.oci.place import Place, document, read

MAX_SINGLES = 64
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
KINDS = {
    sbom.MEDIA_TYPE: "bill of materials",
    provenance.MEDIA_TYPE: "provenance",
    sign.ARTIFACT_TYPE: "signature",
    models.ARTIFACT_TYPE: "ModelPack",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenLayer:
    """A layer, or a file of an artifact."""

    blob: Descriptor
    title: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Referrer:
    """Something that refers to an image.

    Attributes:
        kind: in words, or its type.
        says: what can be told of it in a line.
    """

    document: Descriptor
    kind: str
    says: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Single:
    """The image of one platform, or an artifact.

    Attributes:
        platform: "" of an artifact.
        config: None of an artifact.
        packages: name, version and licence of what its bill lists.
    """

    document: Descriptor
    manifest: Manifest
    platform: str
    layers: tuple[SeenLayer, ...]
    config: ImageConfig | None
    referrers: tuple[Referrer, ...] = ()
    packages: tuple[tuple[str, str, str], ...] = ()

    @property
    def size_bytes(self) -> int:
        """All that is pulled where nothing of it is there."""
        blobs = {one.digest: one.size_bytes for one in (*self.manifest.needs, self.document)}
        return sum(blobs.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What a name stands for.

    Attributes:
        referrers: of the root alone, where it is an index.
    """

    root: Descriptor
    singles: tuple[Single, ...]
    annotations: Mapping[str, str] = field(default_factory=dict)
    referrers: tuple[Referrer, ...] = ()


def look(place: Place, name: str, *, key: sign.PublicKey | None = None, with_referrers: bool = True) -> Seen:
    """What `name` stands for in `place`.

    Args:
        key: a public key; signatures are checked by it.

    Raises:
        NotFound, BadManifest: there is no such name, or what it stands for is no image.
        BadImage: a signature does not hold, or none is by `key`.
    """
    root = place.resolve(name)
    found = document(place, root)
    about = _referrers(place, root, key) if with_referrers else ()
    if isinstance(found, Manifest):
        return Seen(root=root, singles=(_single(place, root, found, about),), annotations=found.annotations)
    if len(found.manifests) > MAX_SINGLES:
        raise BadManifest(f"an index of {len(found.manifests)} manifests", hint="is this an attack?")
    singles = []
    for one in found.manifests:
        inner = document(place, one)
        if isinstance(inner, Index):
            raise BadManifest("an index of indexes", hint="name the inner one by its digest")
        own = _referrers(place, one, key) if with_referrers else ()
        singles.append(_single(place, one, inner, own))
    return Seen(root=root, singles=tuple(singles), annotations=found.annotations, referrers=about)


def _single(place: Place, blob: Descriptor, manifest: Manifest, referrers: Sequence[Referrer]) -> Single:
    config = None
    titles: list[str] = [one.annotations.get(models.FILEPATH, "") for one in manifest.layers]
    platform = str(blob.platform) if blob.platform else ""
    if manifest.config.media_type in (CONFIG, DOCKER_CONFIG) and not manifest.artifact_type:
        config = documents.read_config(read(place, manifest.config))
        platform = str(config.platform)
        titles = _titles(config, len(manifest.layers))
    return Single(
        document=blob,
        manifest=manifest,
        platform=platform,
        layers=tuple(SeenLayer(blob=one, title=title) for one, title in zip(manifest.layers, titles, strict=True)),
        config=config,
        referrers=tuple(referrers),
        packages=_packages(place, referrers),
    )


def _titles(config: ImageConfig, layers: int) -> list[str]:
    """What the history says of each layer; "" where it does not fit them."""
    told = [one for one in config.history if not one.get("empty_layer")]
    found = [str(one.get("comment") or one.get("created_by") or "") for one in told]
    return found if len(found) == layers else [""] * layers


def _referrers(place: Place, subject: Descriptor, key: sign.PublicKey | None) -> tuple[Referrer, ...]:
    found = []
    for one in place.referrers(subject.digest):
        kind = KINDS.get(one.artifact_type, one.artifact_type or one.media_type)
        says = _signature(place, one, subject, key) if one.artifact_type == sign.ARTIFACT_TYPE else ""
        found.append(Referrer(document=one, kind=kind, says=says))
    if key is not None and not any(one.says.startswith("by this key") for one in found):
        raise BadImage(f"{subject.digest} has no signature by this key", hint="sign it: edgewise build --key FILE")
    return tuple(sorted(found, key=lambda one: (one.kind, one.document.digest)))


def _signature(place: Place, one: Descriptor, subject: Descriptor, key: sign.PublicKey | None) -> str:
    """What a signature says, and whether `key` made it."""
    manifest = document(place, one)
    layer = next((layer for layer in manifest.needs if layer.media_type == sign.PAYLOAD_MEDIA_TYPE), None)
    if layer is None:
        return "no payload"
    content = read(place, layer)
    if key is not None:
        try:
            name = sign.verify_payload(content, layer.annotations.get(sign.SIGNATURE, ""), subject.digest, key)
        except BadImage as error:
            return f"does not hold: {error.message}"
        return f"by this key, as {name}"
    try:
        return f"as {json.loads(content)['critical']['identity']['docker-reference']}, not checked"
    except (ValueError, KeyError, TypeError):
        return "a payload that cannot be read"


def _packages(place: Place, referrers: Sequence[Referrer]) -> tuple[tuple[str, str, str], ...]:
    """What the SPDX bill among `referrers` lists."""
    for one in referrers:
        if one.document.artifact_type != sbom.MEDIA_TYPE:
            continue
        manifest = document(place, one.document)
        content = next((blob for blob in manifest.needs if blob.media_type == sbom.MEDIA_TYPE), None)
        if content is None:
            continue
        try:
            rows = json.loads(read(place, content))["packages"]
            return tuple(
                (str(row["name"]), str(row.get("versionInfo", "")), str(row.get("licenseDeclared", "")))
                for row in rows
                if row.get("primaryPackagePurpose") != "CONTAINER"
            )
        except (ValueError, KeyError, TypeError) as error:
            raise BadImage(f"the bill of materials {one.document.digest} cannot be read: {error}") from error
    return ()
