"""A site with a signed tree and artifacts, and devices of it whose agents are real processes."""

import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from edgewise.build.keep import keep, keep_bytes
from edgewise.edge.agent import journal, settings
from edgewise.edge.agent.disk import Disk
from edgewise.edge.agent.settings import Identity
from edgewise.edge.agent.state import Phase
from edgewise.exchange import signing
from edgewise.exchange.release import Allowance, Part, PartKind, Release, Strategy
from edgewise.runtimes import served
from edgewise.store.oci.documents import EMPTY, MANIFEST, Manifest
from edgewise.store.oci.layout import Layout
from fakes import linear
from fakes import served as models
from fakes.releases import Releases

PATIENCE_S = 60.0
TITLE = "org.opencontainers.image.title"


class Site:
    """Releases of one site, in `folder`.

    Attributes:
        source: where releases say that their models lie; "" for a folder beside the tree.
        brought: parts beside the model, of every release from then on.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.tree = Releases.make(folder, "press-line")
        self.layout = Layout(folder / "artifacts")
        self.source = ""
        self.brought: tuple[Part, ...] = ()

    def release(self, version: str, *, wrong: bool = False, soak_s: float = 1.0, **allowance: Any) -> str:
        """Publish a linear model in `version` at once to every device; its digest."""
        model = self.folder / f"model-{version}"
        models.linear_folder(model, version=version)
        if wrong:
            made = served.read((model / served.NAME).read_bytes())
            x = np.random.default_rng(5).standard_normal((8, linear.FEATURES)).astype(np.float32)
            golden = models.golden(model, [x], [linear.expected("dynamic", x) + 1])
            (model / served.NAME).write_bytes(served.written(_with(made, golden=golden)))
        return self.publish(model, version, soak_s=soak_s, **allowance)

    def publish(self, model: Path, version: str, *, soak_s: float, **allowance: Any) -> str:
        """Publish the model folder."""
        document = self.document(model, version, soak_s=soak_s, **allowance)
        return self.tree.publish(document, at_once=True)

    def document(self, model: Path, version: str, *, soak_s: float, **allowance: Any) -> Release:
        """A release of the model folder, whose artifact lies in the site's store."""
        blobs = self.layout.blobs
        layers = []
        for path in sorted(one for one in model.rglob("*") if one.is_file()):
            one = keep_bytes(path.read_bytes(), "application/octet-stream", blobs)
            layers.append(_with(one, annotations={TITLE: str(path.relative_to(model))}))
        manifest = Manifest(config=keep_bytes(b"{}", EMPTY, blobs), layers=tuple(layers), artifact_type="a/model")
        root = keep(manifest.document(), MANIFEST, blobs, artifact_type="a/model")
        self.layout._prepare()
        self.layout.tag(f"v{version}", root)
        made = (model / served.NAME).read_bytes()
        return Release(
            site="press-line",
            version=version,
            strategy=Strategy.EXTERNAL,
            parts=(
                Part(
                    name="model",
                    kind=PartKind.MODEL,
                    digest=root.digest,
                    size_bytes=sum(one.size_bytes for one in layers),
                    source=self.source or f"oci:{self.layout.folder}",
                ),
                *self.brought,
            ),
            model_name="line",
            model_version=version,
            model_digest=f"sha256:{hashlib.sha256(made).hexdigest()}",
            allowance=Allowance(**allowance),
            soak_s=soak_s,
        )


def _with(one: Any, **changes: Any) -> Any:
    from dataclasses import replace

    return replace(one, **changes)


def kept(device: "Device", release: str) -> Callable[[], bool]:
    """Whether the device serves `release`, and nothing is under way."""
    return lambda: device.state is not None and (device.state.phase, device.state.booted) == (Phase.SERVING, release)


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


class Device:
    """A device in `root` that follows `site`; a context manager that ends its agent and its servers.

    Where it was enrolled there already, it is who it is.
    """

    def __init__(self, root: Path, site: Site, *, described: str = "", **chosen: Any) -> None:
        self.root, self.port, self._described = root, free_port(), described
        if settings.identity(root) is None:
            key = signing.make_key()
            (root / "trust").mkdir(parents=True)
            root.chmod(0o700)
            (root / "trust" / "root.json").write_bytes(site.tree.root)
            signing.keep_key(key, root / "device.key")
            device = signing.device_id(signing.public_bytes(key))
            settings.keep_identity(root, Identity(device=device, site="press-line"))
        given = {"tree": [site.tree.base], "listen": f"127.0.0.1:{self.port}", "poll_s": 2.0, "steady_s": 5.0}
        settings.keep(root, **{**given, **chosen})
        self.disk = Disk(root)
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "Device":
        return self

    def __exit__(self, *_: object) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(PATIENCE_S)
        self._end_orphans()

    def start(self, *, mortal: str = "") -> None:
        """Start its agent; `mortal`: it is killed right after the line of this event, see mortal_agent.py."""
        log = (self.root / "agent.log").open("ab")
        command = [sys.executable, "-P", "-m", "edgewise.edge.agent", str(self.root), self._described]
        if mortal:
            command = [sys.executable, str(Path(__file__).with_name("mortal_agent.py")), str(self.root), mortal]
        self.process = subprocess.Popen(command, stdout=log, stderr=log)
        log.close()

    def kill(self) -> None:
        """As a power cut is to the agent alone: its servers live on."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(PATIENCE_S)

    def power_cut(self) -> None:
        self.kill()
        self._end_orphans()

    def kill_servers(self) -> None:
        """As the kernel does where memory runs out."""
        self._end_orphans()

    def _end_orphans(self) -> None:
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    command = (entry / "cmdline").read_bytes()
                    if str(self.root).encode() in command and b"edgewise.edge.serve" in command:
                        os.kill(int(entry.name), signal.SIGKILL)
                except OSError:
                    continue

    @property
    def state(self):
        found = journal.entries(self.root / "journal")
        return found[-1].state if found else None

    def answers(self) -> str:
        """The version that answers a request at the public address; raises OSError where nobody does."""
        return ask(self.port)

    def until(self, condition: Callable[[], Any], what: str) -> Any:
        """Wait for `condition`."""
        deadline = time.monotonic() + PATIENCE_S
        failed = ""
        while time.monotonic() < deadline:
            try:
                found = condition()
            except OSError as error:
                found, failed = None, repr(error)
            if found:
                return found
            time.sleep(0.05)
        log = (self.root / "agent.log").read_text()[-3000:]
        raise AssertionError(f"never {what}; {failed}; {self.state}; {log}")


def ask(port: int, timeout_s: float = 20.0) -> str:
    """Version of the model that answers right at `port`."""
    import http.client

    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout_s)
    try:
        x = np.ones((1, linear.FEATURES), np.float32)
        tensor = {"name": "x", "shape": [1, linear.FEATURES], "datatype": "FP32", "data": x.ravel().tolist()}
        connection.request("POST", "/v2/models/line/infer", json.dumps({"inputs": [tensor]}))
        response = connection.getresponse()
        body = json.loads(response.read())
    finally:
        connection.close()
    if response.status != 200:
        raise OSError(f"{response.status}: {body}")
    got = np.array(body["outputs"][0]["data"], np.float32)
    assert np.allclose(got, linear.expected("dynamic", x).ravel(), atol=1e-3), got
    return str(body["model_version"])
