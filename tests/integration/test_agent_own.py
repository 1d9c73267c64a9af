"""The agent takes its own next version, while its server serves: real processes, started again as systemd would."""

import io
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

import edgewise
from edgewise.build.keep import keep, keep_bytes
from edgewise.edge.agent import own
from edgewise.exchange.release import Part, PartKind
from edgewise.store.oci.documents import EMPTY, MANIFEST, Manifest
from fakes import served as models
from fakes.sites import TITLE, Device, Site, kept

pytestmark = pytest.mark.slow
ROOMS = ("edge", "exchange", "runtimes", "store", "hardware")
BOUND_S = 15.0
RUN, ASK = "edge/agent/agent.py", "edge/agent/agent.py"


class Works(Site):
    """A site whose releases bring an agent."""

    number = 0

    def upgrade(self, changes: Mapping[str, tuple[str, str]] | None = None) -> tuple[str, str]:
        """Publish a release with an agent of a new version; the release, and the name of the agent's folder.

        Args:
            changes: by file: what is replaced, and by what.
        """
        self.number += 1
        version = str(self.number)
        model = models.linear_folder(self.folder / f"model-{version}", version=version)
        given = self.document(model, version, soak_s=0.5)
        blobs, name = self.layout.blobs, f"edgewise-9.{version}-py3-none-any.whl"
        content = keep_bytes(wheel(f"9.{version}", changes or {}), "application/zip", blobs)
        layers = (replace(content, annotations={TITLE: name}),)
        manifest = Manifest(config=keep_bytes(b"{}", EMPTY, blobs), layers=layers, artifact_type="an/agent")
        root = keep(manifest.document(), MANIFEST, blobs, artifact_type="an/agent")
        self.layout.tag(f"agent{version}", root)
        part = Part(
            name="agent",
            kind=PartKind.AGENT,
            digest=root.digest,
            size_bytes=content.size_bytes,
            source=f"oci:{self.layout.folder}",
        )
        release = self.tree.publish(replace(given, parts=(*given.parts, part)), at_once=True)
        return release, root.digest.removeprefix("sha256:")


def wheel(version: str, changes: Mapping[str, tuple[str, str]]) -> bytes:
    """What of this package a device needs, as the version `version` of it."""
    folder = Path(edgewise.__file__).parent
    files = [*folder.glob("*.py"), *(path for room in ROOMS for path in (folder / room).rglob("*.py"))]
    told = {**changes, "__init__.py": (f'__version__ = "{edgewise.__version__}"', f'__version__ = "{version}"')}
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in files:
            place = str(path.relative_to(folder))
            text = path.read_text()
            if place in told:
                assert told[place][0] in text
                text = text.replace(*told[place])
            archive.writestr(f"edgewise/{place}", text)
    return made.getvalue()


class Init:
    """Starts the agent again whenever it ends, as systemd does."""

    def __init__(self, device: Device) -> None:
        self._device, self._over = device, False
        self.starts = 0
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        command = [sys.executable, "-P", "-m", "edgewise.edge.agent.launch", str(self._device.root)]
        while not self._over:
            with (self._device.root / "agent.log").open("ab") as log:
                self._device.process = subprocess.Popen(command, stdout=log, stderr=log)
            self.starts += 1
            self._device.process.wait()

    def end(self) -> None:
        self._over = True
        self._device.process.terminate()
        self._thread.join()


@pytest.fixture(scope="module")
def works(tmp_path_factory: pytest.TempPathFactory) -> Works:
    return Works(tmp_path_factory.mktemp("works"))


@pytest.fixture(scope="module")
def device(works: Works, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Device]:
    """It follows, and runs what is installed."""
    folder = tmp_path_factory.mktemp("device") / "root"
    with Device(folder, works, poll_s=0.5, agent_bound_s=BOUND_S) as made:
        init = Init(made)
        try:
            yield made
        finally:
            init.end()


class Asking:
    """A client that never stops."""

    def __init__(self, device: Device) -> None:
        self.failures: list[str] = []
        self._device, self._over = device, threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while not self._over.wait(0.02):
            try:
                self._device.answers()
            except Exception as error:  # anything is a failed request
                self.failures.append(repr(error))

    def end(self) -> list[str]:
        self._over.set()
        self._thread.join()
        return self.failures


def runs(device: Device, agent: str) -> bool:
    """Whether the code of `agent` is what runs, confirmed."""
    environment = Path(f"/proc/{device.process.pid}/environ").read_bytes()
    inside = f"/agents/{agent}".encode() in environment if agent else b"/agents/" not in environment
    return own.linked(device.root) == agent and own.trial(device.root) is None and inside


def test_it_takes_the_agent_of_its_release_and_the_server_serves_on(works: Works, device: Device) -> None:
    release, agent = works.upgrade()
    device.until(kept(device, release), "kept the release")
    asking = Asking(device)
    device.until(lambda: runs(device, agent), "ran the new agent")
    device.until(lambda: device.state.server == "up" and device.answers() == "1", "served")
    assert asking.end() == []


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        pytest.param(("K, E = EffectKind, EventKind", "K, E = EffectKind EventKind"), "invalid syntax", id="broken"),
        pytest.param(("        self._wake()\n", "        raise SystemExit(3)\n"), "ended 3 times", id="ends"),
        pytest.param(
            ("        self._polling = True\n", "        return\n"),
            f"within {BOUND_S:g} s of its start",
            id="never-polls",
        ),
    ],
)
def test_an_agent_that_does_not_work_is_put_back_with_the_reason_and_the_server_serves_on(
    works: Works, device: Device, change: tuple[str, str], reason: str
) -> None:
    before = own.linked(device.root)
    release, agent = works.upgrade({"edge/agent/agent.py": change})
    device.until(kept(device, release), "kept the release")
    device.until(lambda: agent in own.refused(device.root), "refused the agent")
    assert reason in own.refused(device.root)[agent]
    device.until(lambda: runs(device, before), "ran the old agent")
    device.until(lambda: device.answers() == device.disk.read(release).version, "served")


def test_killed_as_soon_as_the_link_has_changed_it_begins_again_as_the_new_one(works: Works, device: Device) -> None:
    _, agent = works.upgrade()
    device.until(lambda: own.linked(device.root) == agent, "changed the link")
    device.process.kill()
    device.until(lambda: runs(device, agent), "ran the new agent")
    assert (device.root / own.FOLDER / agent).is_dir()
