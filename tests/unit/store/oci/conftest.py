"""Places to copy between."""

from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from edgewise.store.oci.layout import Layout
from edgewise.store.oci.registry import Registry
from edgewise.store.oci.transport import Timing
from fakes.registries import FakeRegistry

Connect = Callable[..., Registry]


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(tmp_path / "layout")


@pytest.fixture
def other(tmp_path: Path) -> Layout:
    return Layout(tmp_path / "other")


@pytest.fixture
def fake() -> Iterator[FakeRegistry]:
    with FakeRegistry() as registry:
        yield registry


@pytest.fixture
def waits() -> list[float]:
    """Seconds that were slept, or would have been."""
    return []


@pytest.fixture
def connect(fake: FakeRegistry, tmp_path: Path, waits: list[float]) -> Iterator[Connect]:
    """A repository of the fake registry; nobody's credentials unless an environment is given."""
    opened: list[Registry] = []

    def connect(repository: str = "team/app", **how: object) -> Registry:
        timing = Timing(sleep=waits.append, chance=lambda: 1.0, timeout=httpx.Timeout(5.0))
        environment = {"HOME": str(tmp_path / "nobody")}
        opened.append(Registry(fake.host, repository, **{"timing": timing, "environment": environment, **how}))  # type: ignore[arg-type]
        return opened[-1]

    yield connect
    for registry in opened:
        registry.transport.close()
