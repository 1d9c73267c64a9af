"""`edgewise run` on a real plan, on this machine's Python, into a real registry and a tree that a device follows."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgewise.nouns import Plan
from edgewise.store.oci.registry import Registry
from fakes.releases import Releases
from integration.test_plan import Place
from integration.test_registry import Served, serve

pytestmark = pytest.mark.slow


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Served]:
    yield from serve(tmp_path / "registry")


def test_from_edge_yaml_to_what_a_device_follows(
    planned: tuple[Place, Plan], registry: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = tmp_path / "project"
    shutil.copytree(planned[0].folder, project)
    made = Releases.make(tmp_path, "here")
    monkeypatch.chdir(project)
    where = ["--registry", f"{registry.host}/plant", "--tree", str(tmp_path / "tree"), "--keys", str(tmp_path / "keys")]
    command = [sys.executable, "-m", "edgewise", "run", *where, "--base", "host", "--store", "store", "-o", "json"]

    def run() -> list[dict[str, object]]:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=500)
        assert done.returncode == 0, done.stderr
        found: list[dict[str, object]] = json.loads(done.stdout)
        return found

    assert [one["state"] for one in run()] == ["done"] * 4
    again = run()
    assert [one["state"] for one in again] == ["unchanged"] * 4
    with made.follower(tmp_path / "device") as follower:
        (digest,) = follower.follow().offers
    assert again[3]["made"] == {"release": digest}
    pushed = again[2]["made"]
    assert isinstance(pushed, dict)
    with Registry(registry.host, "plant/subject/here") as there:
        assert pushed["inference"].endswith(there.resolve("1").digest)
