"""Structures on a real Ray cluster on this machine: a head without CPUs, and two workers that come and die."""

import importlib.util
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from edgewise.errors import EngineLost
from edgewise.flow import engines, structures
from edgewise.flow.edgefile import Project
from edgewise.nouns import TrialStage
from edgewise.store.steps import Store
from fakes import trainings

pytestmark = pytest.mark.slow

STRUCTURE = "{'width': [4, 8, 16], 'depth': [1], 'resolution': [8, 32], 'pruning': [0.5]}"
FEW = "{'width': [4, 16], 'depth': [1], 'resolution': [8, 32], 'pruning': [0.0]}\ndel build"
START_S = 40.0
QUICK = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_health_check_initial_delay_ms": "500",
    "RAY_health_check_period_ms": "1000",
    "RAY_health_check_timeout_ms": "5000",
    "RAY_health_check_failure_threshold": "5",
}
"""A node that is gone is given up sooner than it would be otherwise."""
STORE_BYTES = "80000000"


@dataclass
class Cluster:
    """`ray start` processes, ended by their own ids."""

    folder: Path
    port: int
    client_port: int
    nodes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def address(self) -> str:
        return f"ray://127.0.0.1:{self.client_port}"

    def add(self, *arguments: str) -> subprocess.Popen[bytes]:
        """A node; waits until it is up."""
        log = self.folder / f"node{len(self.nodes)}.log"
        command = [sys.executable, "-m", "ray.scripts.scripts", "start", "--block", "--disable-usage-stats"]
        with log.open("wb") as output:
            node = subprocess.Popen(
                [*command, "--object-store-memory", STORE_BYTES, *arguments],
                stdout=output,
                stderr=subprocess.STDOUT,
                env=os.environ | QUICK,
                start_new_session=True,
            )
        self.nodes.append(node)
        deadline = time.monotonic() + START_S
        while "Ray runtime started" not in log.read_text(errors="replace"):
            assert node.poll() is None, log.read_text()[-2000:]
            assert time.monotonic() < deadline, log.read_text()[-2000:]
            time.sleep(0.1)
        return node

    def worker(self) -> subprocess.Popen[bytes]:
        return self.add("--address", f"127.0.0.1:{self.port}", "--num-cpus", "1")

    def end(self) -> None:
        for node in reversed(self.nodes):
            if node.poll() is None:
                node.send_signal(signal.SIGTERM)
        for node in self.nodes:
            try:
                node.wait(timeout=15)
            except subprocess.TimeoutExpired:
                os.killpg(node.pid, signal.SIGKILL)
                node.wait()


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A head and two workers of one CPU each."""
    if importlib.util.find_spec("ray") is None:
        if os.environ.get("CI") == "true":
            pytest.fail("ray (pip install edgewise[ray]) is missing, and CI=true")
        pytest.skip("ray (pip install edgewise[ray]) is missing")
    made = Cluster(tmp_path_factory.mktemp("ray"), free_port(), free_port())
    try:
        made.add(
            *("--head", "--port", str(made.port), "--ray-client-server-port", str(made.client_port)),
            *("--num-cpus", "0", "--include-dashboard", "false", "--temp-dir", str(made.folder)),
        )
        made.worker()
        made.worker()
        yield made
    finally:
        made.end()


def explored(project: Project, store: Path, address: str) -> structures.Search:
    with engines.opened(address) as engine:
        return structures.explore(project, project.sites[0], engine=engine, store=Store(store), trials=4)


def test_the_same_results_as_locally_from_both_workers(cluster: Cluster, tmp_path: Path):
    diary = tmp_path / "diary"
    project = trainings.project(tmp_path / "p", structure=STRUCTURE, diary=str(diary))
    spread = explored(project, tmp_path / "spread", cluster.address)
    assert len(trainings.diary(diary)) == 4
    local = explored(project, tmp_path / "local", engines.LOCAL)
    assert trainings.results(spread) == trainings.results(local)
    assert spread.survivors() == local.survivors()
    again = explored(project, tmp_path / "spread", engines.LOCAL)
    assert trainings.results(again) == trainings.results(local)
    assert len(trainings.diary(diary)) == 8  # four there, four here, and none for the search that knew them


def test_workers_killed_in_the_middle(cluster: Cluster, tmp_path: Path):
    """One training takes its worker down once, another every time; each is counted once, and the rest is whole."""
    diary = tmp_path / "diary"
    fatal = {"width": 4, "resolution": 32}
    accidents = [
        {"where": {"width": 16, "resolution": 32}, "kind": "the worker is killed", "once": str(tmp_path / "killed")},
        {"where": fatal, "kind": "the worker is killed"},
    ]
    project = trainings.project(tmp_path / "p", structure=FEW, accidents=accidents, diary=str(diary))
    found = explored(project, tmp_path / "store", cluster.address)
    assert (tmp_path / "killed").exists()
    failed = [each for each in found.tries.known.values() if each.failure]
    assert [dict(each.structure) | fatal for each in failed] == [dict(each.structure) for each in failed]
    assert [each.failure.partition(": its Ray worker died: ")[0] for each in failed] == ["it was tried twice"]
    done = trainings.diary(diary)
    assert len(done) == len({str(each) for each in done}) == 3
    assert found.tries.spent() == 4
    assert sum(each.stage is TrialStage.TRAINED for each in found.tries.known.values()) == 3


def test_a_node_that_goes_down_in_the_middle_leaves_its_work_to_the_other(cluster: Cluster, tmp_path: Path):
    diary = tmp_path / "diary"
    pause = {"where": {}, "kind": "waits", "seconds": 0.5}
    project = trainings.project(tmp_path / "p", structure=FEW, accidents=[pause], diary=str(diary))
    last = cluster.nodes[-1]

    def kill() -> None:
        deadline = time.monotonic() + 60
        while not trainings.diary(diary) and time.monotonic() < deadline:
            time.sleep(0.05)
        os.killpg(last.pid, signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        found = explored(project, tmp_path / "store", cluster.address)
    finally:
        killer.join()
    assert last.wait(timeout=10) == -signal.SIGKILL
    trained = [each for each in found.tries.known.values() if each.stage is TrialStage.TRAINED]
    assert len(trained) == 4
    assert not any(each.failure for each in trained)


def test_a_cluster_that_has_gone_is_said_and_what_was_trained_is_kept(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("RAY_CLIENT_RECONNECT_GRACE_PERIOD", "2")  # half a minute where it is not set
    diary = tmp_path / "diary"
    pause = {"where": {}, "kind": "waits", "seconds": 0.5}
    project = trainings.project(tmp_path / "p", structure=FEW, accidents=[pause], diary=str(diary))

    def kill() -> None:
        deadline = time.monotonic() + 60
        while len(trainings.diary(diary)) < 1 and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(0.5)  # for the first one's answer to arrive
        for node in cluster.nodes:
            if node.poll() is None:
                os.killpg(node.pid, signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        with pytest.raises(EngineLost, match="has gone") as caught:
            explored(project, tmp_path / "store", cluster.address)
    finally:
        killer.join()
    assert "what was trained so far is kept" in caught.value.hint
    before = len(trainings.diary(diary))
    (tmp_path / "diary").write_text("")
    rest = explored(project, tmp_path / "store", engines.LOCAL)
    assert 1 <= 4 - len(trainings.diary(diary)) <= before
    assert sum(each.stage is TrialStage.TRAINED for each in rest.tries.known.values()) == 4
