"""A release: what the devices of a site shall run, by digest, as a document that is signed and never changes.

It is named by the digest of its bytes. Blobs are not in it: parts name manifests, and the manifests their blobs. Where
parts lie is said by `source`, which a mirror or a USB stick may replace: trust is in the digests.
"""

import hashlib
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeVar

from edgewise.errors import BadMessage
from edgewise.exchange import fields
from edgewise.exchange.fields import Fields, Json

KIND = "Release"
LIMIT_BYTES = 1 << 20
MAX_PARTS = 64
Word = TypeVar("Word", bound=StrEnum)


class Strategy(StrEnum):
    """How the model comes: the word in edge.yaml, or none where an operating system is what comes."""

    EMBEDDED = "embedded"
    EXTERNAL = "external"
    MODELCAR = "modelcar"
    SYSTEM = "system"


class PartKind(StrEnum):
    """What a part is to the machine that takes it."""

    IMAGE = "image"
    """An image that a container engine runs."""
    MODEL = "model"
    """An artifact whose layers are the files of a model folder, each with its title."""
    AGENT = "agent"
    """The agent itself, as an artifact of wheels."""
    SYSTEM = "system"
    """An operating system: a bootable image (bootc) or a commit (ostree)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One thing that a device fetches.

    Attributes:
        name: unique in its release: "inference", "model".
        digest: of its manifest or, for several platforms, of its index.
        size_bytes: all that travels for the largest platform, where nothing of it is there yet.
        source: where it lies, as `registry.example/team/app` or `oci:folder`, without tag; a hint, not trusted.
    """

    name: str
    kind: PartKind
    digest: str
    size_bytes: int
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """What the release may take on the device before it is proven bad. None where nothing was asked for.

    Attributes:
        latency_p99_ms: of a single inference of the golden, on the device.
        memory_bytes: resident size of the server's process.
        disk_bytes: free space that must be there before the first byte is fetched, beside the parts' own sizes.
        error_share: of requests, while the release is watched.
    """

    latency_p99_ms: float | None = None
    memory_bytes: int | None = None
    disk_bytes: int | None = None
    error_share: float = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """The design that a release was made from, as far as a node asks: what it ran on, and what it took.

    Attributes:
        name: of the design in its plan.
        machine: name in the catalogue, or that of the machine which measured.
        accelerator: name of the machine's part that it computes on.
        on_cpu: whether that part is the machine's CPU.
        runtime: that runs it, by its name in plans.
        threads: that it was measured with.
        memory_bytes: what loading and running it adds to a process that has imported the runtime; None where nobody
            knows.
    """

    name: str
    machine: str
    accelerator: str
    on_cpu: bool
    runtime: str
    threads: int
    memory_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """What the devices of one site shall run.

    Attributes:
        version: for people: "meter-reader 7"; not compared.
        model_digest: of model.json, which names all files of the model, the golden among them; "" for a system.
        design: that it was made from; None where whoever made the release does not say.
        settings: environment of the server, by name.
        soak_s: how long a device watches the release before it is kept.
        created_s: seconds since 1970 (UTC), for people.
    """

    site: str
    version: str
    strategy: Strategy
    parts: tuple[Part, ...]
    model_name: str = ""
    model_version: str = ""
    model_digest: str = ""
    allowance: Allowance = field(default_factory=Allowance)
    design: Chosen | None = None
    settings: dict[str, str] = field(default_factory=dict)
    soak_s: float = 300.0
    created_s: int = 0

    def part(self, kind: PartKind) -> Part | None:
        """The first part of `kind`."""
        return next((part for part in self.parts if part.kind is kind), None)

    @property
    def size_bytes(self) -> int:
        """All that travels to a device that has nothing."""
        return sum(part.size_bytes for part in self.parts)


def written(release: Release) -> bytes:
    """The document of `release`: equal releases are equal bytes."""
    allowance = release.allowance
    return fields.written(
        KIND,
        {
            "site": release.site,
            "version": release.version,
            "strategy": release.strategy.value,
            "parts": [_part_document(part) for part in release.parts],
            "model": {
                "name": release.model_name,
                "version": release.model_version,
                "digest": release.model_digest,
            },
            "allowance": {
                "latency_p99_ms": allowance.latency_p99_ms,
                "memory_bytes": allowance.memory_bytes,
                "disk_bytes": allowance.disk_bytes,
                "error_share": allowance.error_share,
            },
            **({} if release.design is None else {"design": _design_document(release.design)}),
            "settings": release.settings,
            "soak_s": release.soak_s,
            "created_s": release.created_s,
        },
    )


def digest(content: bytes) -> str:
    """What a release document is named by."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def read(content: bytes) -> Release:
    """The release that the document describes.

    Raises:
        BadMessage: it is none, or contradicts itself.
    """
    found = fields.parsed(content, KIND, limit_bytes=LIMIT_BYTES)
    model = found.inner("model")
    release = Release(
        site=found.name("site"),
        version=found.text("version", most=128),
        strategy=_word(Strategy, found.text("strategy"), "strategy"),
        parts=tuple(_part(one) for one in found.items("parts", most=MAX_PARTS)),
        model_name=model.text("name", most=128),
        model_version=model.text("version", most=128),
        model_digest=model.digest("digest", default=""),
        allowance=_allowance(found.inner("allowance")),
        design=_design(found.optional_inner("design")),
        settings=found.mapping("settings", most=64, longest=1024),
        soak_s=found.number("soak_s"),
        created_s=found.count("created_s"),
    )
    _check(release)
    return release


def _part_document(part: Part) -> dict[str, Json]:
    return {
        "name": part.name,
        "kind": part.kind.value,
        "digest": part.digest,
        "size_bytes": part.size_bytes,
        "source": part.source,
    }


def _part(found: Fields) -> Part:
    return Part(
        name=found.name("name"),
        kind=_word(PartKind, found.text("kind"), "kind"),
        digest=found.digest("digest"),
        size_bytes=found.count("size_bytes"),
        source=found.text("source"),
    )


def _allowance(found: Fields) -> Allowance:
    memory, disk = found.optional_number("memory_bytes"), found.optional_number("disk_bytes")
    return Allowance(
        latency_p99_ms=found.optional_number("latency_p99_ms"),
        memory_bytes=None if memory is None else int(memory),
        disk_bytes=None if disk is None else int(disk),
        error_share=found.number("error_share", default=0.01),
    )


def _design_document(design: Chosen) -> dict[str, Json]:
    return {
        "name": design.name,
        "machine": design.machine,
        "accelerator": design.accelerator,
        "on_cpu": design.on_cpu,
        "runtime": design.runtime,
        "threads": design.threads,
        "memory_bytes": design.memory_bytes,
    }


def _design(found: Fields | None) -> Chosen | None:
    if found is None:
        return None
    memory = found.optional_number("memory_bytes")
    return Chosen(
        name=found.text("name", most=256),
        machine=found.text("machine", most=128),
        accelerator=found.text("accelerator", most=128),
        on_cpu=found.flag("on_cpu"),
        runtime=found.text("runtime", most=64),
        threads=found.count("threads"),
        memory_bytes=None if memory is None else int(memory),
    )


def _word(kind: type[Word], value: str, name: str) -> Word:
    try:
        return kind(value)
    except ValueError as error:
        raise BadMessage(f"{KIND}.{name} is {value!r}, not one of {', '.join(kind)}") from error


def _check(release: Release) -> None:
    names = [part.name for part in release.parts]
    if not names or len(set(names)) < len(names):
        raise BadMessage("a Release needs parts of different names")
    if release.strategy is not Strategy.SYSTEM and not (release.model_digest and release.model_name):
        raise BadMessage("a Release that serves a model names it, with its digest")
