"""What comes after the plan in `edgewise demo`: two releases, a device that takes one and refuses the other, and a hub.

All of it is real and on this machine: keys and a signed tree in a folder, the agent, its servers and the hub as
processes that listen on the loopback alone. The second release stands for a model that answers otherwise on the device
than where it was designed: its golden holds other answers than the model gives, and the device must find out.
"""

import contextlib
import io
import shutil
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import httpx
import numpy as np

from edgewise.core.database import migrate
from edgewise.core.database.engine import Database
from edgewise.core.hub import enrolment, fleet
from edgewise.core.registry import releases as registry
from edgewise.core.releases import publish
from edgewise.core.releases.found import found, root_of
from edgewise.core.releases.publish import Desk
from edgewise.core.releases.web import Folder
from edgewise.edge.agent import enrolling, journal, settings
from edgewise.edge.agent.state import Phase, State
from edgewise.errors import ChildFailed, StoreCorrupt
from edgewise.exchange import release as documents
from edgewise.exchange.message import Status
from edgewise.exchange.release import Allowance
from edgewise.flow import build
from edgewise.flow.demo.running import Running
from edgewise.flow.edgefile import Project
from edgewise.flow.naming import MODEL, names_of
from edgewise.flow.publish import Wishes, release_with
from edgewise.flow.served import Served, served
from edgewise.nouns import ModelFile, ServedModel
from edgewise.progress import SILENT, Progress
from edgewise.runtimes import served as served_models
from edgewise.store.steps import Store

PATIENCE_S = 180.0
SOAK_S, POLL_S = 1.0, 1.0
PICTURES = 20
GOOD, BAD = "1", "2"
MADE = ("keys", "releases", "hub.db", "hub.db-wal", "hub.db-shm", "device")
"""What is made anew in the demo's folder."""
Found = TypeVar("Found")


@dataclass(frozen=True, slots=True, kw_only=True)
class Happened:
    """What the demo has seen.

    Attributes:
        design: what both releases run.
        right: of `PICTURES` that the device was asked for over HTTP after it had refused the second release.
        device, status, runs, reason: of the device, as the hub shows it.
        served: versions that answered those requests.
        hub: its address. `database`: that the hub keeps what it heard in.
        left_running: process ids of the hub and the agent, where they were to be kept.
    """

    design: str
    right: int
    served: frozenset[str]
    device: str
    status: str
    runs: str
    reason: str
    hub: str
    database: str
    left_running: tuple[int, ...] = ()


def live(project: Project, folder: Path, *, store: Path, keep: bool = False, progress: Progress = SILENT) -> Happened:
    """Publish two releases of what the last plan chose, and let a device and a hub say what they make of them.

    Args:
        folder: of the demo; keys, tree and the hub's database are made there anew.
        store: of the plan.
        keep: leave hub and agent running.

    Raises:
        ChildFailed: one of the processes has ended, or nothing came of it for `PATIENCE_S`.
    """
    progress.stage("two releases, a device and a hub", 6)
    with Running(folder) as running:
        _clear(folder)
        with contextlib.closing(migrate.opened(f"sqlite:///{(folder / 'hub.db').absolute()}")) as database:
            happened = _live(project, folder, store, database, running, progress)
        return replace(happened, left_running=tuple(running.let_go()) if keep else ())


def _live(
    project: Project, folder: Path, store: Path, database: Database, running: Running, progress: Progress
) -> Happened:
    site, root = project.sites[0], (folder / "device").absolute()
    hub, asked = f"127.0.0.1:{_free_port()}", f"127.0.0.1:{_free_port()}"
    running.start("hub", "edgewise", ["hub", "--listen", hub, "--database", str(database.url)])
    _until(lambda: _answers(hub), "the hub has not answered", running)
    progress.step(f"hub at http://{hub}")
    ring = found(Folder(folder / "releases"), folder / "keys", [site.name], "", now_s=time.time())
    desk = Desk(web=Folder(folder / "releases"), root=root_of(folder / "keys"), keyring=ring, now_s=time.time())
    good = served(project, site, Store(store), version=GOOD)
    first = _publish(good, project, desk, database, store)
    progress.step(f"release {GOOD} is built, signed and published")
    device = _enrolled(root, f"http://{hub}", asked, folder, site.name, database)
    running.start("agent", "edgewise.edge.agent", [str(root)])
    _until(lambda: _is_kept(_state(root), first), f"the device has not kept release {GOOD}", running)
    progress.step(f"release {GOOD} is proven on the device, and serves")
    second = _publish(spoilt(good, Store(store)), project, desk, database, store)
    progress.step(f"release {BAD}, which answers wrong, is published")
    _until(lambda: second in _state(root).rejected, f"the device has not refused release {BAD}", running)
    progress.step(f"release {BAD} is refused")
    right, versions = _read_pictures(project, good.model, asked)
    told = _until(lambda: _refused(database, device), "the hub has not heard of it", running)
    progress.step("the hub has heard of both")
    return Happened(
        design=good.model.design,
        right=right,
        served=versions,
        device=device,
        status=told.status.value,
        runs=told.release,
        reason=told.reason,
        hub=f"http://{hub}",
        database=str(database.url),
    )


def spoilt(model: Served, store: Store) -> Served:
    """`model` as another version, whose golden expects other answers than it gives.

    Raises:
        StoreCorrupt: its golden is not in the store.
    """
    golden = model.model.golden
    if golden is None:
        raise StoreCorrupt("the model has no golden", hint="make the plan again: edgewise plan")
    with np.load(io.BytesIO(store.blobs.get(golden.file.digest)), allow_pickle=False) as arrays:
        changed = {name: np.roll(arrays[name], 1, axis=-1) if name[0] == "y" else arrays[name] for name in arrays}
    content = io.BytesIO()
    np.savez(content, **changed)
    digest = store.blobs.put(content.getvalue())
    file = ModelFile(name=golden.file.name, digest=digest, size_bytes=len(content.getvalue()))
    made = replace(model.model, version=BAD, golden=replace(golden, file=file))
    return Served(model=made, document=served_models.written(made), plan=model.plan)


def _clear(folder: Path) -> None:
    """Remove what an earlier demo has made."""
    for name in MADE:
        path = folder / name
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def _publish(model: Served, project: Project, desk: Desk, database: Database, store: Path) -> str:
    """Build `model`, and offer it to every device at once; the digest of its release."""
    site, version = project.sites[0], model.model.version
    build.build_model(model, names_of(project, site, version)[MODEL], folder=store)
    wishes = Wishes(version=version, source=f"oci:{store.absolute()}", soak_s=SOAK_S, settings={})
    made = release_with(model, project, site, wishes, folder=store)
    # This machine does other things as well: what a model takes is the plan's to judge, and not this device's.
    document = documents.written(replace(made, allowance=Allowance()))
    with database.writing() as connection:
        registry.keep(connection, document, who="edgewise demo", now_s=int(time.time()))
    return publish.offer_release(replace(desk, now_s=time.time()), document, at_once=True)


def _enrolled(root: Path, hub: str, listen: str, folder: Path, site: str, database: Database) -> str:
    with database.writing() as connection:
        made = enrolment.invite(connection, site=site, labels={}, who="edgewise demo", now_s=int(time.time()))
    tree = (folder / "releases").absolute().as_uri()
    trust = root_of(folder / "keys")
    who = enrolling.enrol(root, hub=hub, token=made.token, tree=[tree], trust=trust, listen=listen)
    settings.keep(root, poll_s=POLL_S)
    return who.device


def _read_pictures(project: Project, model: ServedModel, asked: str) -> tuple[int, frozenset[str]]:
    """How many pictures the device reads right over HTTP, and which versions of the model have answered."""
    with np.load(project.path.parent / "eval.npz", allow_pickle=False) as arrays:
        pictures, labels = arrays["x"][:PICTURES], arrays["y"][:PICTURES]
    right, versions = 0, set()
    (given,) = model.signature.inputs
    with httpx.Client(base_url=f"http://{asked}", timeout=30, trust_env=False) as client:
        for picture, label in zip(pictures, labels, strict=True):
            tensor = {"name": given.name, "shape": [1, *picture.shape], "datatype": "FP32"}
            body = {"inputs": [{**tensor, "data": picture.ravel().tolist()}]}
            answer = client.post(f"/v2/models/{model.name}/infer", json=body).raise_for_status().json()
            versions.add(str(answer["model_version"]))
            right += int(np.argmax(answer["outputs"][0]["data"])) == int(label)
    return right, frozenset(versions)


def _refused(database: Database, device: str) -> fleet.Device | None:
    with database.reading() as connection:
        one = fleet.detail(connection, device, now_s=int(time.time()), silence_s=3600, most=1).device
    return one if one.said == Status.ROLLED_BACK else None


def _state(root: Path) -> State:
    entries = journal.entries(root / "journal")
    return entries[-1].state if entries else State()


def _is_kept(state: State, release: str) -> bool:
    return (state.phase, state.booted) == (Phase.SERVING, release)


def _answers(hub: str) -> bool:
    try:
        return httpx.get(f"http://{hub}/readyz", trust_env=False).is_success
    except httpx.HTTPError:
        return False


def _until(condition: Callable[[], Found | None], why: str, running: Running) -> Found:
    """Wait until `condition` holds."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        if found := condition():
            return found
        running.check()
        time.sleep(0.1)
    raise ChildFailed(f"{why} in {PATIENCE_S:g} s", log=running.log("agent"))


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])
