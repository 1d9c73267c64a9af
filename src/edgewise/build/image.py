"""An image as documents: config and manifest of one platform, index over several. Pure but for `build`.

By the OCI image specification 1.1 (config.md, manifest.md, image-index.md, annotations.md). What a base's config says
stays, but for what is set here.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from edgewise.build.base import Base
from edgewise.build.keep import keep, moment
from edgewise.build.pack import Packed
from edgewise.build.wheels.unpack import SITE
from edgewise.errors import BadImage
from edgewise.store.blobs import Blobs
from edgewise.store.oci.documents import CONFIG, MANIFEST, Descriptor, Index, Json, Manifest

STANDARD = "org.opencontainers.image."
HEALTH_LABEL = "io.edgewise.healthcheck"
"""The health check again, for readers that follow OCI strictly: a JSON list, as `podman --health-cmd` takes it."""
NONROOT = "65532:65532"
ENVIRONMENT = MappingProxyType(
    {
        "LANG": "C.UTF-8",
        "OPENBLAS_NUM_THREADS": "1",  # halves the CPU time of start-up
        "ORT_DISABLE_TELEMETRY": "1",  # ONNX Runtime's Linux wheel has an uploader, on by default
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "PYTHONDONTWRITEBYTECODE": "1",  # the root file system is read-only
        "PYTHONPATH": f"/{SITE}",
        "PYTHONUNBUFFERED": "1",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthCheck:
    """A command that says by its exit code whether the container is well, and how often it is asked.

    Attributes:
        command: run without a shell.
        start_s: after the start, in which failures do not count.
    """

    command: tuple[str, ...]
    interval_s: float = 30
    timeout_s: float = 5
    start_s: float = 10
    retries: int = 3

    def document(self) -> dict[str, Json]:
        """Docker's extension of the config, times in nanoseconds."""
        nanoseconds = {"Interval": self.interval_s, "Timeout": self.timeout_s, "StartPeriod": self.start_s}
        times = {name: round(seconds * 1e9) for name, seconds in nanoseconds.items()}
        return {"Test": ["CMD", *self.command], **times, "Retries": self.retries}


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How a container of the image runs.

    Attributes:
        entry_point: program and first arguments, run without a shell; empty for a base alone.
        command: further arguments, which whoever runs the container may replace.
        environment: added to `ENVIRONMENT`; wins over it and over the base's.
        user: number of user and group, never a name.
        ports: that it listens at, as "8080/tcp".
    """

    entry_point: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    user: str = NONROOT
    folder: str = "/"
    stop_signal: str = "SIGTERM"
    ports: tuple[str, ...] = ()
    health: HealthCheck | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What the standard annotations say. Empty ones are left out.

    Attributes:
        created: seconds since 1970 (UTC): SOURCE_DATE_EPOCH, never the clock.
    """

    title: str
    version: str = ""
    description: str = ""
    licenses: str = ""
    source: str = ""
    revision: str = ""
    vendor: str = ""
    created: int = 0

    def annotations(self, base: Base | None = None) -> dict[str, str]:
        """By annotations.md, "Pre-Defined Annotation Keys"."""
        values = {
            "created": moment(self.created),
            "title": self.title,
            "version": self.version,
            "description": self.description,
            "licenses": self.licenses,
            "source": self.source,
            "revision": self.revision,
            "vendor": self.vendor,
            "base.name": base.name if base else "",
            "base.digest": base.digest if base else "",
        }
        return {f"{STANDARD}{name}": value for name, value in values.items() if value}


def config(base: Base, layers: Sequence[Packed], settings: Settings, about: About) -> dict[str, Json]:
    """The config document of `base` with `layers` on top.

    Raises:
        BadImage: the user is root, or no number; the base's config does not fit its platform.
    """
    _check_user(settings.user)
    theirs = dict(base.config)
    architecture = theirs.get("architecture", base.platform.architecture)
    if architecture != base.platform.architecture:
        raise BadImage(f"the base is for {architecture}, and the image for {base.platform}")
    rootfs = theirs.get("rootfs") or {"diff_ids": [packed.diff_id for packed in base.layers]}
    history = theirs.get("history") or [_history(packed, about) for packed in base.layers]
    return {
        **theirs,
        **base.platform.oci.document(),
        "created": moment(about.created),
        "config": _run_config(base, settings, about.annotations(base)),
        "rootfs": {"type": "layers", "diff_ids": [*rootfs["diff_ids"], *(packed.diff_id for packed in layers)]},
        "history": [*history, *(_history(packed, about) for packed in layers)],
    }


def manifest(base: Base, layers: Sequence[Packed], kept: Descriptor, annotations: Mapping[str, str]) -> Manifest:
    """The manifest of one platform's image, whose config is `kept`."""
    return Manifest(config=kept, layers=tuple(map(_layer, (*base.layers, *layers))), annotations=annotations)


def index(manifests: Sequence[Descriptor], annotations: Mapping[str, str]) -> Index:
    """The index over images of several platforms, in the order of their names.

    Raises:
        BadImage: one of them has no platform, or two have the same.
    """
    by_name = {str(one.platform): one for one in manifests if one.platform}
    if len(by_name) != len(manifests):
        raise BadImage("an index needs images of different platforms")
    return Index(manifests=tuple(by_name[name] for name in sorted(by_name)), annotations=annotations)


def build(base: Base, layers: Sequence[Packed], settings: Settings, about: About, blobs: Blobs) -> Descriptor:
    """Keep the image of one platform; the descriptor of its manifest, to be run or to stand in an index."""
    kept = keep(config(base, layers, settings, about), CONFIG, blobs)
    document = manifest(base, layers, kept, about.annotations(base)).document()
    return keep(document, MANIFEST, blobs, platform=base.platform.oci)


def _run_config(base: Base, settings: Settings, annotations: Mapping[str, str]) -> dict[str, Json]:
    theirs = dict(base.config.get("config") or {})
    environment = dict(pair.partition("=")[::2] for pair in theirs.get("Env") or ())
    environment = {**ENVIRONMENT, **environment, **_ours(), **settings.environment}
    labels = {**(theirs.get("Labels") or {}), **base.labels, **annotations, **settings.labels}
    for replaced in ("Cmd", "Shell", "OnBuild", "Healthcheck"):
        theirs.pop(replaced, None)
    found = {
        **theirs,
        "Env": [f"{name}={value}" for name, value in sorted(environment.items())],
        **({"Entrypoint": list(settings.entry_point)} if settings.entry_point else {}),
        "User": settings.user,
        "WorkingDir": settings.folder,
        "StopSignal": settings.stop_signal,
    }
    if settings.command:
        found["Cmd"] = list(settings.command)
    if settings.ports:
        found["ExposedPorts"] = {**(theirs.get("ExposedPorts") or {}), **{port: {} for port in settings.ports}}
    if settings.health:
        found["Healthcheck"] = dict(settings.health.document())
        labels[HEALTH_LABEL] = json.dumps(list(settings.health.command), ensure_ascii=False)
    return {**found, "Labels": labels}


def _ours() -> Mapping[str, str]:
    """What must hold whatever a base says; PATH and LANG are the base's where it names them."""
    return {name: value for name, value in ENVIRONMENT.items() if name not in ("PATH", "LANG")}


def _check_user(user: str) -> None:
    parts = user.split(":")
    if len(parts) != 2 or not all(part.isascii() and part.isdigit() for part in parts):
        raise BadImage(f"the user {user!r} is no number:number", hint=f"an image without a shell runs as {NONROOT}")
    if int(parts[0]) == 0:
        raise BadImage("an image must not run as root", hint=f"leave the user at {NONROOT}")


def _history(packed: Packed, about: About) -> dict[str, Json]:
    return {"created": moment(about.created), "created_by": "edgewise build", "comment": packed.title}


def _layer(packed: Packed) -> Descriptor:
    return Descriptor(media_type=packed.media_type, digest=packed.digest, size_bytes=packed.size_bytes)
