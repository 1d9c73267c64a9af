"""What the device's face says, really run: the units' own command lines and pods in Podman, for all three strategies.

Debian's Podman (4.3) has no quadlet: its face is services that call `podman run`, and those command lines are run, but
for what only systemd can give. Pods are those of .kube units, played.
"""

import os
import shlex
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from edgewise.build.nodes.describe import Wish, describe
from edgewise.build.nodes.description import NodeKind, Workload
from edgewise.build.nodes.owner import SYSTEM
from edgewise.build.nodes.quadlet import compose, kube, unit
from edgewise.build.nodes.quadlet import run as podman_run
from edgewise.build.nodes.quadlet.compose import Layout, Modelcar
from edgewise.build.nodes.versions import Version
from edgewise.build.strategies.bundle import Strategy
from edgewise.edge.agent import units
from edgewise.exchange import release as releases
from edgewise.exchange.release import Allowance, Part, PartKind, Release
from integration.shelves import Shelf
from integration.test_registry import LIMITS, run
from integration.test_strategies_run import PATIENCE_S, answers, free_port

pytestmark = pytest.mark.slow
HERE = Version(4, 3)
UNDER_SYSTEMD = ("--sdnotify=conmon", "--cgroups=split")
"""What a service alone can be given."""
WAYS = [
    (Strategy.EMBEDDED, Modelcar.IMAGE_VOLUME),
    (Strategy.EXTERNAL, Modelcar.IMAGE_VOLUME),
    (Strategy.MODELCAR, Modelcar.IMAGE_VOLUME),
    (Strategy.MODELCAR, Modelcar.EXTRACT),
]


def release_of(shelf: Shelf, strategy: Strategy) -> Release:
    """What `publish` would make of what was pushed."""
    outcome = shelf.outcomes[strategy]
    sizes = {part.name: part.size_bytes for part in outcome.made.bundles[0].parts}
    parts = tuple(
        Part(
            name=part,
            kind=PartKind.MODEL if (strategy, part) == (Strategy.EXTERNAL, "model") else PartKind.IMAGE,
            digest=outcome.made.roots[part].digest,
            size_bytes=sizes[part],
            source=shelf.pushed[strategy, part].rpartition(":")[0],
        )
        for part in outcome.names
    )
    return Release(
        site=outcome.site,
        version="subject 1",
        strategy=releases.Strategy(strategy.value),
        parts=parts,
        model_name=outcome.served.model.name,
        model_version=outcome.served.model.version,
        model_digest=outcome.served.digest,
        allowance=Allowance(memory_bytes=256 << 20),
    )


def workload_of(shelf: Shelf, podman: list[str], strategy: Strategy) -> Workload:
    """The workload, its images pulled."""
    given = release_of(shelf, strategy)
    made = describe(given, releases.digest(releases.written(given)), NodeKind.DEVICE, Wish(cpus=1.0))
    images = [made.server, *([made.model] if strategy is Strategy.MODELCAR and made.model else [])]
    for image in images:
        run(*podman, "pull", "--quiet", "--tls-verify=false", image.reference)
    return made


def model_store(shelf: Shelf, workload: Workload, folder: Path) -> str:
    """Model folders as a device has them, here in `folder`."""
    target = folder / "store" / workload.model_digest.replace(":", "/")
    if not target.exists():
        shutil.copytree(shelf.files / "subject" / "1", target)
    for path in (folder, *folder.parents):
        if path.stat().st_mode & 0o005 != 0o005 and path.owner() == "root":
            path.chmod(path.stat().st_mode | 0o055)  # the server is no root
    return str(folder / "store")


@contextmanager
def started(podman: list[str], workload: Workload, layout: Layout, store: str) -> Iterator[None]:
    """Run what the services' ExecStart= say, in their order."""
    try:
        for one in podman_run.units(workload, layout, tuple(podman)):
            line = (one.section("Service").last("ExecStart") or "").replace("%%", "%").replace("$$", "$")
            argv = [word for word in shlex.split(line.replace(SYSTEM.model_store, store)) if word not in UNDER_SYSTEMD]
            at = argv.index("run") + 1
            run(*argv[:at], *LIMITS, *argv[at:])
        yield
    finally:
        subprocess.run(
            [*podman, "rm", "--force", "--time=5", workload.name], capture_output=True, check=False, timeout=60
        )


def predictions(port: int, x: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
    """What the server at `port` says, when it is ready."""
    url = f"http://127.0.0.1:{port}"
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        try:
            if urllib.request.urlopen(f"{url}/v2/health/ready", timeout=5).status == 200:
                return answers(url, x)
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    pytest.fail("the server was never ready")


def test_all_strategies_answer_the_same_from_the_units_that_are_generated(
    shelf: Shelf, podman: list[str], tmp_path: Path
) -> None:
    with np.load(shelf.files / "subject" / "1" / "golden.npz") as golden:
        x, y = golden["x0"][:4], golden["y0"][:4]
    found = {}
    for strategy, modelcar in WAYS:
        workload = workload_of(shelf, podman, strategy)
        layout = Layout(podman=HERE, network=False, port=free_port(), modelcar=modelcar)
        with started(podman, workload, layout, model_store(shelf, workload, tmp_path)):
            found[strategy, modelcar] = predictions(layout.port, x)
            run(*podman, "healthcheck", "run", workload.name)
            assert [str(unit.health) for unit in units.look(workload.site, podman)] == ["healthy"]
            asked = ("inspect", "--format", f'{{{{index .Config.Labels "{compose.RELEASE_LABEL}"}}}}', workload.name)
            assert run(*podman, *asked).strip() == workload.release
            assert (
                run(*podman, "inspect", "--format", "{{.HostConfig.ReadonlyRootfs}}", workload.name).strip() == "true"
            )
            (limit,) = run(*podman, "inspect", "--format", "{{.HostConfig.Memory}}", workload.name).split()
            assert int(limit) == workload.memory_bytes
            write = [*podman, "exec", workload.name, "/usr/bin/python3", "-c", "open('/x', 'w')"]
            with pytest.raises(AssertionError, match=r"[Rr]ead-only|denied"):
                run(*write)
    for way, answer in found.items():
        np.testing.assert_allclose(answer, y.reshape(answer.shape), rtol=1e-4, atol=1e-4, err_msg=str(way))
        np.testing.assert_array_equal(answer, found[WAYS[0]], err_msg=str(way))


def test_a_model_of_another_digest_is_not_served(shelf: Shelf, podman: list[str], tmp_path: Path) -> None:
    workload = workload_of(shelf, podman, Strategy.EXTERNAL)
    store = model_store(shelf, workload, tmp_path)
    document = Path(store, workload.model_digest.replace(":", "/"), "model.json")
    document.write_bytes(document.read_bytes().replace(b'"version": "1"', b'"version": "2"'))
    layout = Layout(podman=HERE, network=False, port=free_port())
    with started(podman, workload, layout, store):
        until = time.monotonic() + PATIENCE_S
        exists = [*podman, "container", "exists", workload.name]
        while subprocess.run(exists, capture_output=True, check=False, timeout=60).returncode == 0:
            assert time.monotonic() < until, "the server went on with a model that is not the release's"
            time.sleep(0.2)


@pytest.mark.parametrize("strategy", Strategy)
def test_podman_plays_the_pod_of_every_strategy(
    shelf: Shelf, podman: list[str], tmp_path: Path, strategy: Strategy
) -> None:
    if shutil.which("catatonit", path=f"{os.environ['PATH']}:/usr/libexec/podman:/usr/lib/podman") is None:
        from fakes.needed import missing

        missing("catatonit (apt install catatonit)")
    workload = workload_of(shelf, podman, strategy)
    store = model_store(shelf, workload, tmp_path)
    files = {one.path.rpartition("/")[2]: one.content for one in kube.files(workload, Layout(podman=Version(4, 8)))}
    yaml = tmp_path / kube.yaml_name(workload)
    yaml.write_bytes(files[yaml.name].replace(SYSTEM.model_store.encode(), store.encode()))
    assert unit.read("a.kube", files[f"{workload.name}.kube"]).section("Kube").last("Yaml") == yaml.name
    settings = tmp_path / "containers.conf"
    settings.write_text('[containers]\ndefault_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]\n')
    environment = {**os.environ, "CONTAINERS_CONF": str(settings)}
    try:
        run(*podman, "play", "kube", str(yaml), env=environment)
        until = time.monotonic() + PATIENCE_S
        health = [*podman, "exec", f"{workload.name}-server", "/usr/bin/python3", "-m", "edgewise.edge.serve.health"]
        while subprocess.run(health, capture_output=True, check=False, timeout=60).returncode:
            assert time.monotonic() < until, run(*podman, "logs", f"{workload.name}-server")
            time.sleep(0.5)
        assert run(*podman, "port", f"{workload.name}-server").strip() == ""  # only the unit publishes
    finally:
        down = [*podman, "play", "kube", "--down", str(yaml)]
        subprocess.run(down, capture_output=True, check=False, timeout=60, env=environment)
