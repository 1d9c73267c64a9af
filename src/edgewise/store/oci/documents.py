"""Manifests, indexes and configs of images, by the OCI image specification 1.1, as values and as JSON.

Out: canonical JSON (sorted keys, no spaces, UTF-8), so that equal documents are equal bytes. In: at most `MAX_BYTES`,
no key twice, every field of the right type; unknown keys are passed over, as the specification asks. What could be
taken for a manifest by one reader and for an index by another is refused. Docker's own media types are read, not
written.
"""

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from edgewise.errors import BadManifest

Json = Any
T = TypeVar("T", bound="BaseModel")
MAX_BYTES = 4 << 20
_MEND = "whoever made it must mend it"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
EMPTY = "application/vnd.oci.empty.v1+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
MANIFESTS = (MANIFEST, DOCKER_MANIFEST)
INDEXES = (INDEX, DOCKER_LIST)
REF_NAME = "org.opencontainers.image.ref.name"


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    """What a manifest's image runs on; names are those of Go's GOOS and GOARCH."""

    architecture: str
    os: str
    variant: str = ""
    os_version: str = ""
    os_features: tuple[str, ...] = ()

    def __str__(self) -> str:
        return "/".join(part for part in (self.os, self.architecture, self.variant) if part)

    def answers(self, wanted: str) -> bool:
        """Whether "linux/arm64" or "linux/arm64/v8" means this; a variant that is not asked for does not matter."""
        return wanted in (str(self), f"{self.os}/{self.architecture}")

    def document(self) -> dict[str, Json]:
        """As JSON holds it."""
        found = {
            "architecture": self.architecture,
            "os": self.os,
            "variant": self.variant,
            "os.version": self.os_version,
            "os.features": list(self.os_features),
        }
        return {name: value for name, value in found.items() if value}


@dataclass(frozen=True, slots=True, kw_only=True)
class Descriptor:
    """Names a blob: what it is, which, and how long.

    Attributes:
        data: the blob itself where it is small; always matches `digest`.
    """

    media_type: str
    digest: str
    size_bytes: int
    annotations: Mapping[str, str] = field(default_factory=dict)
    platform: Platform | None = None
    artifact_type: str = ""
    urls: tuple[str, ...] = ()
    data: bytes | None = None

    @property
    def is_document(self) -> bool:
        """True of manifests and indexes, which registries keep apart from other blobs."""
        return self.media_type in MANIFESTS or self.media_type in INDEXES

    def document(self) -> dict[str, Json]:
        """As JSON holds it."""
        found: dict[str, Json] = {"mediaType": self.media_type, "digest": self.digest, "size": self.size_bytes}
        optional = {
            "annotations": dict(self.annotations),
            "platform": self.platform.document() if self.platform else None,
            "artifactType": self.artifact_type,
            "urls": list(self.urls),
            "data": None if self.data is None else base64.b64encode(self.data).decode(),
        }
        return found | {name: value for name, value in optional.items() if value}


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """The image of one platform, or an artifact: a config and layers, lowest first."""

    config: Descriptor
    layers: tuple[Descriptor, ...]
    media_type: str = MANIFEST
    artifact_type: str = ""
    subject: Descriptor | None = None
    annotations: Mapping[str, str] = field(default_factory=dict)

    @property
    def needs(self) -> tuple[Descriptor, ...]:
        """Everything without which it is not whole."""
        return (self.config, *self.layers)

    def document(self) -> dict[str, Json]:
        """As JSON holds it."""
        own = {"config": self.config.document(), "layers": [layer.document() for layer in self.layers]}
        return own | _common(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """Several manifests under one name, mostly one for each platform."""

    manifests: tuple[Descriptor, ...]
    media_type: str = INDEX
    artifact_type: str = ""
    subject: Descriptor | None = None
    annotations: Mapping[str, str] = field(default_factory=dict)

    @property
    def needs(self) -> tuple[Descriptor, ...]:
        """Everything without which it is not whole."""
        return self.manifests

    def document(self) -> dict[str, Json]:
        """As JSON holds it."""
        return {"manifests": [one.document() for one in self.manifests]} | _common(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageConfig:
    """What a container of an image runs, and what its layers are before compression.

    Attributes:
        diff_ids: digests of the layers' tar files, lowest first.
        settings: the field `config`: Entrypoint, Env, User and so on.
        history: as it is; one entry for each step that made the image.
    """

    platform: Platform
    diff_ids: tuple[str, ...]
    created: str = ""
    settings: Mapping[str, Json] = field(default_factory=dict)
    history: tuple[Mapping[str, Json], ...] = ()

    def document(self) -> dict[str, Json]:
        """As JSON holds it."""
        found = self.platform.document() | {"rootfs": {"type": "layers", "diff_ids": list(self.diff_ids)}}
        optional = {"created": self.created, "config": dict(self.settings), "history": [dict(h) for h in self.history]}
        return found | {name: value for name, value in optional.items() if value}


def canonical(document: Mapping[str, Json]) -> bytes:
    """JSON with sorted keys, no spaces, UTF-8."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def descriptor_of(
    content: bytes,
    media_type: str,
    *,
    annotations: Mapping[str, str] | None = None,
    platform: Platform | None = None,
    artifact_type: str = "",
) -> Descriptor:
    """Names `content`."""
    return Descriptor(
        media_type=media_type,
        digest=f"sha256:{hashlib.sha256(content).hexdigest()}",
        size_bytes=len(content),
        annotations=annotations or {},
        platform=platform,
        artifact_type=artifact_type,
    )


def read(content: bytes, media_type: str) -> Manifest | Index:
    """The document in `content`, which its descriptor or its server calls `media_type`.

    Raises:
        BadManifest: it is too large, no JSON, or not what `media_type` promises.
    """
    what = "index" if media_type in INDEXES else "manifest"
    data = load(content, what)
    if data.get("mediaType", media_type) != media_type:
        raise BadManifest(
            f"a document that was promised as {media_type} calls itself {data['mediaType']!r}", hint=_MEND
        )
    if "manifests" in data and ("layers" in data or "config" in data):
        raise BadManifest("a document that is manifest and index at once", hint=_MEND)
    if media_type in INDEXES:
        return _validated(_Index, data, what).value(media_type)
    if media_type in MANIFESTS:
        return _validated(_Manifest, data, what).value(media_type)
    raise BadManifest(f"{media_type!r} is no image and no artifact", hint="schema 1 of Docker is not read")


def read_config(content: bytes) -> ImageConfig:
    """The config document in `content`.

    Raises:
        BadManifest: as for `read`.
    """
    return _validated(_Config, load(content, "config"), "config").value()


def load(content: bytes, what: str) -> dict[str, Json]:
    """The JSON object in `content`.

    Raises:
        BadManifest: too large, no JSON object, or a key that comes twice.
    """
    if len(content) > MAX_BYTES:
        raise BadManifest(f"the {what} has {len(content)} bytes", hint=f"at most {MAX_BYTES} bytes are read")
    try:
        data = json.loads(content.decode("utf-8"), object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise BadManifest(f"the {what} is no JSON: {error}", hint=_MEND) from None
    if not isinstance(data, dict):
        raise BadManifest(f"the {what} is no JSON object", hint=_MEND)
    return data


def _common(one: Manifest | Index) -> dict[str, Json]:
    found: dict[str, Json] = {"schemaVersion": 2, "mediaType": one.media_type}
    if one.artifact_type:
        found["artifactType"] = one.artifact_type
    if one.subject:
        found["subject"] = one.subject.document()
    if one.annotations:
        found["annotations"] = dict(one.annotations)
    return found


def _once(pairs: Sequence[tuple[str, Json]]) -> dict[str, Json]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key comes twice")
    return found


class _Outside(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)


_Text = Annotated[str, Field(max_length=4096)]
_Digest = Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]
_MediaType = Annotated[
    str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}$")
]
_Annotations = dict[str, str] | None


class _Platform(_Outside):
    architecture: _Text
    os: _Text
    variant: _Text = ""
    os_version: _Text = Field(default="", alias="os.version")
    os_features: list[str] = Field(default_factory=list, alias="os.features")

    def value(self) -> Platform:
        return Platform(
            architecture=self.architecture,
            os=self.os,
            variant=self.variant,
            os_version=self.os_version,
            os_features=tuple(self.os_features),
        )


class _Descriptor(_Outside):
    media_type: _MediaType = Field(alias="mediaType")
    digest: _Digest
    size: Annotated[int, Field(ge=0, lt=1 << 63)]
    annotations: _Annotations = None
    platform: _Platform | None = None
    artifact_type: _Text = Field(default="", alias="artifactType")
    urls: list[str] | None = None
    data: str | None = None

    def value(self) -> Descriptor:
        return Descriptor(
            media_type=self.media_type,
            digest=self.digest,
            size_bytes=self.size,
            annotations=self.annotations or {},
            platform=self.platform.value() if self.platform else None,
            artifact_type=self.artifact_type,
            urls=tuple(self.urls or ()),
            data=None if self.data is None else self._embedded(self.data),
        )

    def _embedded(self, text: str) -> bytes:
        try:
            data = base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            raise BadManifest(f"the data of {self.digest} is no base64", hint=_MEND) from None
        if len(data) != self.size or f"sha256:{hashlib.sha256(data).hexdigest()}" != self.digest:
            raise BadManifest(f"the data that is said to be {self.digest} is something else", hint=_MEND)
        return data


class _Manifest(_Outside):
    schema_version: Literal[2] = Field(alias="schemaVersion")
    config: _Descriptor
    layers: list[_Descriptor]
    artifact_type: _Text = Field(default="", alias="artifactType")
    subject: _Descriptor | None = None
    annotations: _Annotations = None

    def value(self, media_type: str) -> Manifest:
        return Manifest(
            config=self.config.value(),
            layers=tuple(layer.value() for layer in self.layers),
            media_type=media_type,
            artifact_type=self.artifact_type,
            subject=self.subject.value() if self.subject else None,
            annotations=self.annotations or {},
        )


class _Index(_Outside):
    schema_version: Literal[2] = Field(alias="schemaVersion")
    manifests: list[_Descriptor]
    artifact_type: _Text = Field(default="", alias="artifactType")
    subject: _Descriptor | None = None
    annotations: _Annotations = None

    def value(self, media_type: str) -> Index:
        return Index(
            manifests=tuple(one.value() for one in self.manifests),
            media_type=media_type,
            artifact_type=self.artifact_type,
            subject=self.subject.value() if self.subject else None,
            annotations=self.annotations or {},
        )


class _RootFs(_Outside):
    type: Literal["layers"]
    diff_ids: list[_Digest]


class _Config(_Platform):
    rootfs: _RootFs
    created: _Text | None = None
    config: dict[str, Json] | None = None
    history: list[dict[str, Json]] | None = None

    def value(self) -> ImageConfig:  # type: ignore[override]  # its fields are a platform's, its value is more
        return ImageConfig(
            platform=super().value(),
            diff_ids=tuple(self.rootfs.diff_ids),
            created=self.created or "",
            settings=self.config or {},
            history=tuple(self.history or ()),
        )


def _validated(kind: type[T], data: Mapping[str, Json], what: str) -> T:
    try:
        return kind.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(step) for step in first["loc"])
        more = f" (and {error.error_count() - 1} more faults)" if error.error_count() > 1 else ""
        raise BadManifest(f"the {what} is bad: {where}: {first['msg']}{more}", hint=_MEND) from None
