"""A child that does what needs the network or a heavy library: following, fetching, enrolling, reporting, collecting.

The agent's own process talks to nobody outside. What a hostile mirror can do to a parser, it does to this child, which
holds no socket of the server and ends when it is done.
"""

import io
import os
import platform
import shutil
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx

from edgewise import __version__
from edgewise.edge.agent import backend, deltas, outbox, own, pace
from edgewise.edge.agent.backend import Way
from edgewise.edge.agent.deltas import Deltas
from edgewise.edge.agent.disk import Disk, discard
from edgewise.errors import BadMessage, NotTrusted, RegistryUnreachable, StoreFull, WrongBytes
from edgewise.exchange import enrolment, offer, receipt, signing
from edgewise.exchange.follow import Follower
from edgewise.exchange.offer import Standing
from edgewise.exchange.receipt import Taken
from edgewise.exchange.release import Part, PartKind, Release
from edgewise.exchange.sources import nearest
from edgewise.runtimes import answer, served
from edgewise.store import atomic
from edgewise.store.blobs import digest_of, digest_of_file
from edgewise.store.oci import gc as collecting
from edgewise.store.oci import place
from edgewise.store.oci.copy import copy
from edgewise.store.oci.documents import Descriptor, Manifest
from edgewise.store.oci.layout import Layout
from edgewise.store.oci.place import Place

NAMES = ("org.cncf.model.filepath", "org.opencontainers.image.title")
"""Annotations that name the file of a layer: ModelPack's, which `edgewise build` writes, and that of ORAS."""
TIMEOUT_S = 60.0
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "armv8l": "arm"}
"""OCI's name by the kernel's."""
DELTAS: tuple[Deltas, ...] = ()
"""What can read deltas here."""


def follow(
    root: str, tree: list[str], device: str, site: str, labels: dict[str, str], running: str, kept: str = "tuf"
) -> dict[str, Any]:
    """What this device shall run, by the first place of `tree` that can be read and trusted.

    Raises:
        NotTrusted, MetadataExpired, TreeUnreachable: none can; the last one's error.
    """
    failure: Exception = NotTrusted("no address of a release tree is known", hint="tree in agent.json")
    for base in tree:
        try:
            with _follower(root, base, site, kept) as follower:
                found = follower.follow()
        except Exception as error:
            failure = error
            continue
        gone = sorted(digest for digest, one in found.offers.items() if one.standing is Standing.WITHDRAWN)
        due = offer.due(device, labels, found.offers, running=running)
        return {"due": due, "withdrawn": gone, "expires_s": found.expires_s, "tree": base}
    raise failure


def fetch(
    root: str, tree: list[str], site: str, release: str, containers: str, there: list[str], bytes_per_s: float
) -> dict[str, Any]:
    """Bring what is missing of `release` and lay it out; `refuted` says why it can never run here, or "".

    Args:
        containers: see `backend.way`. `there`: ways in which this device runs releases.
        bytes_per_s: at most; 0 for as fast as they come.

    Raises:
        EdgewiseError: it did not come whole this time.
    """
    disk = Disk(Path(root))
    if release in disk.whole():
        return {"refuted": ""}
    failure: Exception = NotTrusted("no address of a release tree is known")
    for base in tree:
        try:
            with _follower(root, base, site) as follower:
                follower.follow()
                made, document = follower.release(release)
            refuted = backend.unfit(made, containers, [Way(one) for one in there])
            if not refuted:
                _bring(disk, made, backend.parts(made, containers), base, bytes_per_s)
                _lay_out(disk, release, made, document)
            return {"refuted": refuted}
        except Exception as error:
            failure = error
    raise failure


def lay_out_agent(root: str, agent: str) -> None:
    """Lay the code of `agent` out, whose blobs are here: the files of wheels, and other files as they are titled.

    Raises:
        WrongBytes: it is no artifact of code.
    """
    disk = Disk(Path(root))
    folder = disk.root / own.FOLDER / agent
    if folder.is_dir():
        return
    layout = Layout(disk.root / "store")
    manifest = place.document(layout, layout.resolve(f"sha256:{agent}"))
    if not isinstance(manifest, Manifest):
        raise WrongBytes(f"{agent} is no artifact of an agent")
    temporary = folder.with_name(f"{atomic.TEMPORARY_PREFIX}{uuid4().hex}")
    for layer in manifest.layers:
        content = b"".join(layout.fetch(layer))
        title = _title(layer)
        if title.endswith(".whl"):
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                for one in archive.infolist():
                    if not one.is_dir():
                        atomic.write(temporary / _plain(one.filename, agent), archive.read(one))
        else:
            atomic.write(temporary / _plain(title, agent), content)
    atomic.settle_folder(temporary, folder)


def collect(root: str, needed: list[str], containers: str) -> None:
    """Remove releases and blobs that nothing needs."""
    disk = Disk(Path(root))
    disk.collect(frozenset(needed))
    for folder in (disk.root / own.FOLDER).glob("*"):
        if folder.name not in own.needed(disk.root):
            discard(folder)
    layout = Layout(disk.root / "store")
    kept = {part.digest for one in disk.whole() for part in backend.parts(disk.read(one), containers)}
    for name in list(layout.references()):
        if f"sha256:{name}" not in kept:
            layout.untag(name)
    if layout.exists():
        collecting.collect(layout)


def enrol(root: str, hub: str, token: str) -> dict[str, Any]:
    """Show `token` to the hub with a key that is made here, once.

    Raises:
        NotTrusted: the hub refuses.
        RegistryUnreachable: it cannot be reached.
    """
    path = Path(root) / "device.key"
    if not path.exists():
        signing.keep_key(signing.make_key(), path)
    key = signing.read_key(path)
    asked = enrolment.Enrolment(token=token, public_key=signing.public_bytes(key), agent_version=__version__)
    told = enrolment.read_answer(_post(f"{hub}/api/v1/enrol", enrolment.written(asked, key)))
    return {"device": told.device, "site": told.site, "labels": told.labels, "sequence": told.sequence}


def report(root: str, hub: str) -> dict[str, Any]:
    """Send what waits in the outbox, oldest first, and forget what the hub has acknowledged.

    Returns:
        sent: how many messages were acknowledged.
        refused: why the hub will never take some of them, a sentence for each.

    Raises:
        RegistryUnreachable, NotTrusted, BadMessage: the hub did not acknowledge; what was not, waits.
    """
    folder = Path(root) / "outbox"
    sent, refused = 0, []
    while waiting := outbox.waiting(folder):
        read = {path: outbox.read(path) for path in waiting}
        messages = [one for one in read.values() if one is not None]
        damaged = [path for path, one in read.items() if one is None]
        outbox.acknowledge(folder, damaged)
        if not messages:
            continue
        identifiers = [outbox.identifier(one.payload) for one in messages]
        told = receipt.read(_post(f"{hub}/api/v1/messages", signing.batch(messages)), identifiers)
        taken = [path for path in waiting if path not in damaged]
        outbox.acknowledge(folder, taken, known=told.sequences.get(messages[0].device, -1))
        refused += [one.reason for one in told.outcomes if one.taken is Taken.REFUSED]
        sent += len(messages)
    return {"sent": sent, "refused": refused}


def _post(address: str, body: bytes) -> bytes:
    try:
        with httpx.Client(timeout=TIMEOUT_S) as client, client.stream("POST", address, content=body) as answered:
            content = b""
            for piece in answered.iter_raw():
                content += piece
                if len(content) > receipt.LIMIT_BYTES:
                    raise BadMessage(f"{address} answers with more than {receipt.LIMIT_BYTES} bytes")
    except httpx.HTTPError as error:
        raise RegistryUnreachable(f"the hub at {address} cannot be reached: {error}") from error
    if answered.status_code not in (httpx.codes.OK, httpx.codes.CREATED):
        raise NotTrusted(f"the hub answers {answered.status_code}: {content[:300].decode(errors='replace')}")
    return content


def _follower(root: str, base: str, site: str, kept: str = "tuf") -> Follower:
    trusted = Path(root) / "trust" / "root.json"
    try:
        content = trusted.read_bytes()
    except OSError as error:
        raise NotTrusted(f"{trusted} is not there: nobody can be trusted", hint="it ships with the device") from error
    return Follower(base, site, Path(root) / kept, content)


def _bring(disk: Disk, release: Release, parts: Sequence[Part], base: str, bytes_per_s: float) -> None:
    layout = Layout(disk.root / "store")
    layout.folder.mkdir(parents=True, exist_ok=True)
    wanted = release.allowance.disk_bytes
    size_bytes = sum(part.size_bytes for part in parts)
    free = shutil.disk_usage(disk.root).free
    if wanted is not None and free < wanted + size_bytes:
        raise StoreFull(f"the release needs {wanted + size_bytes} bytes of disk, and {free} are free")
    bucket = pace.Bucket(bytes_per_s) if bytes_per_s else None
    for part in parts:
        with nearest(part, base) as there:
            source = pace.Slowed(there, bucket) if bucket else there
            _make(source, layout, part)
            only = [this_platform()] if part.kind is PartKind.IMAGE else None
            copied = copy(source, layout, part.digest, platforms=only, with_referrers=False)
        layout.tag(part.digest.removeprefix("sha256:"), copied.document)


def this_platform() -> str:
    """This device, as images name it."""
    architecture = ARCHITECTURES.get(platform.machine(), platform.machine())
    return f"linux/{architecture}"


def _make(source: Place, layout: Layout, part: Part) -> None:
    """Make what deltas can make of the artifact `part`; nothing is lost where they cannot."""
    if DELTAS:
        artifact = source.resolve(part.digest)
        found = place.document(source, artifact)
        if isinstance(found, Manifest):
            deltas.make(found.layers, deltas.offers(source, artifact), source, layout, DELTAS)


def _lay_out(disk: Disk, release: str, made: Release, document: bytes) -> None:
    temporary = disk.releases / f"{atomic.TEMPORARY_PREFIX}{uuid4().hex}"
    if part := made.part(PartKind.MODEL):
        _lay_out_model(disk, part, temporary / "model")
        _check(temporary / "model", made)
    atomic.write(temporary / "release.json", document)
    atomic.settle_folder(temporary, disk.folder(release))


def _lay_out_model(disk: Disk, part: Part, folder: Path) -> None:
    """The files of the artifact `part` in `folder`, as links to its blobs."""
    layout = Layout(disk.root / "store")
    manifest = place.document(layout, layout.resolve(part.digest))
    if not isinstance(manifest, Manifest):
        raise WrongBytes(f"{part.digest} is no artifact of a model")
    for layer in manifest.layers:
        target = folder / _plain(_title(layer), part.digest)
        target.parent.mkdir(parents=True, exist_ok=True)
        for _ in layout.fetch(layer):  # hashed to its end: what was right when it came may have rotted
            pass
        _linked(layout.blobs.path(layer.digest), target)


def _title(layer: Descriptor) -> str:
    """What the file of an artifact is called."""
    return next((layer.annotations[key] for key in NAMES if layer.annotations.get(key)), "")


def _plain(name: str, whole: str) -> str:
    """`name`, if it is one of a file below the folder of `whole`."""
    if not name or any(piece in ("", ".", "..") for piece in name.split("/")):
        raise WrongBytes(f"a file of {whole} is called {name!r}")
    return name


def _linked(blob: Path, target: Path) -> None:
    try:
        os.link(blob, target)
    except OSError:
        with blob.open("rb") as source, atomic.replacing(target) as file:
            shutil.copyfileobj(source, file)


def _check(folder: Path, made: Release) -> None:
    """That the folder is the model that the release names, whole."""
    path = folder / served.NAME
    content = path.read_bytes() if path.is_file() else b""
    if digest_of(content) != made.model_digest:
        raise WrongBytes(f"{served.NAME} is not the one that the release names")
    model = served.read(content)
    for one in (*model.files, *((model.golden.file,) if model.golden else ())):
        there = folder / one.name
        if not there.is_file() or there.stat().st_size != one.size_bytes or digest_of_file(there) != one.digest:
            raise WrongBytes(f"{one.name} of the model is missing, or other than {served.NAME} says")


if __name__ == "__main__":
    answer.serve(
        {
            "follow": follow,
            "fetch": fetch,
            "enrol": enrol,
            "report": report,
            "collect": collect,
            "lay_out_agent": lay_out_agent,
        }
    )
