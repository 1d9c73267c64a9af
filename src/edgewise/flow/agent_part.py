"""The agent that comes with a release: wheels as one artifact, in the store and where the other parts are pushed to."""

import zipfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from edgewise.build.keep import keep, keep_bytes
from edgewise.errors import BadConfiguration
from edgewise.exchange.release import Part, PartKind
from edgewise.flow.naming import pushed_as, source_of
from edgewise.store.oci.copy import copy
from edgewise.store.oci.documents import EMPTY, MANIFEST, Manifest
from edgewise.store.oci.layout import Layout
from edgewise.store.oci.places import opened
from edgewise.store.oci.reference import InRegistry, parse

NAME, ARTIFACT = "agent", "application/vnd.edgewise.agent.v1"
TITLE, WHEEL = "org.opencontainers.image.title", "application/zip"
OURS = "edgewise-"
"""What the wheel of the agent itself is called; the others are what it needs."""


def made(wheels: Sequence[Path], source: str, layout: Layout) -> Part:
    """Keep `wheels` in the store as the agent of a release whose parts are pushed to `source`.

    Equal wheels are an equal part, in whichever order they are named.

    Raises:
        BadConfiguration: a file is no wheel, one is named twice, or none is the agent's.
        BadReference: the source is no place of images.
    """
    by_name = {path.name: path for path in wheels}
    if len(by_name) < len(wheels):
        raise BadConfiguration("two wheels of the agent have one name", hint="name each --agent once")
    for path in wheels:
        if path.suffix != ".whl" or not zipfile.is_zipfile(path):
            raise BadConfiguration(f"{path} is no wheel", hint="python -m build --wheel makes one")
    if not any(name.startswith(OURS) for name in by_name):
        raise BadConfiguration(
            "none of the wheels is that of edgewise", hint="--agent edgewise-VERSION-py3-none-any.whl"
        )
    layers = tuple(
        replace(keep_bytes(path.read_bytes(), WHEEL, layout.blobs), annotations={TITLE: name})
        for name, path in sorted(by_name.items())
    )
    config = keep_bytes(b"{}", EMPTY, layout.blobs)
    manifest = Manifest(config=config, layers=layers, artifact_type=ARTIFACT)
    root = keep(manifest.document(), MANIFEST, layout.blobs, artifact_type=ARTIFACT)
    layout.tag(_name(root.digest), root)
    place = source_of(_name(root.digest), source)
    parsed = parse(place)
    return Part(
        name=NAME,
        kind=PartKind.AGENT,
        digest=root.digest,
        size_bytes=root.size_bytes + sum(one.size_bytes for one in (config, *layers)),
        source=f"{parsed.host}/{parsed.repository}" if isinstance(parsed, InRegistry) else place,
    )


def push(part: Part, source: str, layout: Layout) -> None:
    """Bring the agent to where a release says that it is; what is there already is not sent again.

    Raises:
        RegistryUnreachable, NotAllowed, RegistryRefused: it cannot be brought there.
    """
    target = parse(pushed_as(_name(part.digest), source))
    with opened(target) as there:
        copy(layout, there, part.digest, to=target.name)


def _name(digest: str) -> str:
    """Its name in the store."""
    return f"{NAME}:{digest.removeprefix('sha256:')[:12]}"
