"""All three strategies of one model, built and in a registry, and a Podman of its own: made once for all tests."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from edgewise.build import sign
from edgewise.build.compress import Compression
from edgewise.build.strategies.bundle import Strategy
from edgewise.flow import build, record
from edgewise.flow.build import Outcome, Wishes
from edgewise.nouns import Plan
from edgewise.store.oci.copy import copy
from edgewise.store.oci.layout import Layout
from edgewise.store.oci.registry import Registry
from edgewise.store.steps import Store
from fakes.needed import missing
from integration.test_plan import Place
from integration.test_registry import Served, serve, tool


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelf:
    """What was built and pushed.

    Attributes:
        pushed: references in the registry by strategy and part.
    """

    place: Place
    plan: Plan
    outcomes: dict[Strategy, Outcome]
    pushed: dict[tuple[Strategy, str], str]
    files: Path
    key: Path


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    yield from serve(tmp_path_factory.mktemp("registry") / "strategies")


@pytest.fixture(scope="session")
def shelf(planned: tuple[Place, Plan], registry: Served, tmp_path_factory: pytest.TempPathFactory) -> Shelf:
    """Built on this machine's Python, without compression: packing is not what is looked at here."""
    here, made = planned
    record.remember(here.project, made, Store(here.store))
    folder = tmp_path_factory.mktemp("strategies")
    key, _ = sign.make_key(folder)
    outcomes, pushed = {}, {}
    for strategy in Strategy:
        wishes = Wishes(
            strategy=strategy,
            base="host",
            compression=Compression.NONE,
            key=key,
            files=folder / "files",
            grpc=strategy is Strategy.EMBEDDED,
        )
        outcomes[strategy] = build.build(here.project, here.project.sites[0], folder=here.store, wishes=wishes)
        for part, name in outcomes[strategy].names.items():
            repository = f"{strategy}/{part}"
            with Registry(registry.host, repository) as there:
                copy(Layout(here.store), there, name, to="1")
            pushed[strategy, part] = f"{registry.host}/{repository}:1"
    return Shelf(place=here, plan=made, outcomes=outcomes, pushed=pushed, files=folder / "files", key=key)


@pytest.fixture(scope="session")
def podman() -> Iterator[list[str]]:
    program = tool("podman")
    tool("runc")
    if os.geteuid() != 0:
        missing("root (for podman)")
    short = tempfile.mkdtemp(prefix="ew-")  # podman wants a runroot of at most 50 characters
    options = [program, "--root", f"{short}/root", "--runroot", f"{short}/run", "--storage-driver", "vfs"]
    options += ["--runtime", "runc", "--cgroup-manager", "cgroupfs"]
    yield options
    subprocess.run([*options, "system", "reset", "--force"], capture_output=True, check=False, timeout=60)
    shutil.rmtree(short, ignore_errors=True)
