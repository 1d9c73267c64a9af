"""What `inspect` shows of an image or an artifact."""

from collections.abc import Sequence
from pathlib import Path

from edgewise.build import sign
from edgewise.build.look import Referrer, Seen, SeenLayer, Single, look
from edgewise.cli._figures import plain
from edgewise.cli._references import somewhere
from edgewise.cli._transfers import short, size, some
from edgewise.cli.config import Output, Settings
from edgewise.cli.output import Column, data, heading, names, sentence, table
from edgewise.store.oci.places import opened


def inspect(name: str, found: Settings, *, key: Path | None, plain_http: bool | None) -> None:
    """Print what `name` stands for: in the store, a folder or a registry."""
    public = None if key is None else sign.read_public_key(key)
    reference = somewhere(name, found.store)
    with opened(reference, plain_http=plain_http) as place:
        seen = look(place, reference.name, key=public)
    match found.output:
        case Output.TABLE | Output.WIDE:
            _show(name, seen, wide=found.output is Output.WIDE)
        case Output.NAME:
            names([seen.root.digest])
        case _:
            data(document(name, seen), found.output)


def document(name: str, seen: Seen) -> dict[str, object]:
    """What was seen as JSON holds it."""
    return {
        "name": name,
        "digest": seen.root.digest,
        "mediaType": seen.root.media_type,
        "annotations": dict(seen.annotations),
        "referrers": [_referrer(one) for one in seen.referrers],
        "manifests": [_single(one) for one in seen.singles],
    }


def _single(one: Single) -> dict[str, object]:
    return {
        "platform": one.platform,
        "digest": one.document.digest,
        "artifactType": one.manifest.artifact_type,
        "size_bytes": one.size_bytes,
        "layers": [
            {
                "title": layer.title,
                "digest": layer.blob.digest,
                "size_bytes": layer.blob.size_bytes,
                "mediaType": layer.blob.media_type,
            }
            for layer in one.layers
        ],
        "config": None if one.config is None else plain(one.config.settings),
        "referrers": [_referrer(referrer) for referrer in one.referrers],
        "packages": [{"name": name, "version": version, "licence": licence} for name, version, licence in one.packages],
    }


def _referrer(one: Referrer) -> dict[str, object]:
    return {"kind": one.kind, "digest": one.document.digest, "type": one.document.artifact_type, "says": one.says}


def _show(name: str, seen: Seen, *, wide: bool) -> None:
    sentence(name, "bold")
    sentence(f"digest: {seen.root.digest}")
    sentence(f"type: {seen.root.media_type}")
    for key, value in sorted(seen.annotations.items()):
        sentence(f"{key.removeprefix('org.opencontainers.image.')}: {value}")
    if seen.referrers:
        heading("What refers to it")
        table(seen.referrers, REFERRERS, wide=wide)
    for one in seen.singles:
        what = one.platform or one.manifest.artifact_type or "artifact"
        heading(f"{what}: {size(one.size_bytes)}, {one.document.digest}")
        table(one.layers, LAYERS, wide=wide)
        if one.config is not None:
            _show_config(one, wide=wide)
        if one.referrers:
            table(one.referrers, REFERRERS, wide=wide)
        if one.packages:
            heading(f"{some(len(one.packages), 'package')}, by its bill of materials")
            if wide:
                table(one.packages, PACKAGES, wide=True)
            else:
                sentence(", ".join(f"{package} {version}" for package, version, _ in one.packages))


def _show_config(one: Single, *, wide: bool) -> None:
    assert one.config is not None
    run = one.config.settings
    facts = [
        ("runs", " ".join([*_list(run.get("Entrypoint")), *_list(run.get("Cmd"))]) or "nothing"),
        ("as", str(run.get("User") or "root")),
        ("ports", ", ".join(run.get("ExposedPorts") or ()) or "none"),
    ]
    if wide:
        facts += [("environment", variable) for variable in _list(run.get("Env"))]
        facts += [("label", f"{key}={value}") for key, value in sorted((run.get("Labels") or {}).items())]
    sentence("")
    table(facts, FACTS, wide=wide)
    sentence("")


def _list(given: object) -> Sequence[str]:
    return [str(one) for one in given] if isinstance(given, list) else []


LAYERS: list[Column[SeenLayer]] = [
    Column(title="LAYER", text=lambda layer: layer.title or "-", least=24),
    Column(title="SIZE", text=lambda layer: size(layer.blob.size_bytes), right=True),
    Column(title="BLOB", text=lambda layer: short(layer.blob), drop=1),
    Column(title="TYPE", text=lambda layer: layer.blob.media_type, wide=True),
    Column(title="DIGEST", text=lambda layer: layer.blob.digest, wide=True),
]
FACTS: list[Column[tuple[str, str]]] = [
    Column(title="CONTAINER", text=lambda fact: fact[0]),
    Column(title="", text=lambda fact: fact[1], least=24),
]
REFERRERS: list[Column[Referrer]] = [
    Column(title="REFERRER", text=lambda one: one.kind),
    Column(title="SAYS", text=lambda one: one.says or "-", least=12),
    Column(title="BLOB", text=lambda one: short(one.document), drop=1),
    Column(title="DIGEST", text=lambda one: one.document.digest, wide=True),
]
PACKAGES: list[Column[tuple[str, str, str]]] = [
    Column(title="PACKAGE", text=lambda one: one[0]),
    Column(title="VERSION", text=lambda one: one[1]),
    Column(title="LICENCE", text=lambda one: one[2]),
]
