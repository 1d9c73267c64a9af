"""Where plans of one user meet: a folder in a place that others may write to, too."""

import tempfile
from pathlib import Path

import pytest

from edgewise.errors import StoreUnusable
from edgewise.flow import plan
from edgewise.store import lock


@pytest.fixture
def shared_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(tmp_path))
    return tmp_path


def test_the_folder_is_made_for_its_user_alone(shared_place: Path) -> None:
    assert plan.machine_wide().stat().st_mode & 0o077 == 0
    assert plan.machine_wide().parent == shared_place


def test_a_link_in_its_place_is_refused(shared_place: Path) -> None:
    elsewhere = shared_place / "elsewhere"
    elsewhere.mkdir()
    plan.machine_wide().rmdir()
    (shared_place / f"edgewise-{plan.os.getuid()}").symlink_to(elsewhere)
    with pytest.raises(StoreUnusable, match="not a folder of yours"):
        plan.machine_wide()


def test_a_lock_that_is_a_link_leaves_what_it_points_to_alone(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("content")
    (tmp_path / "plan.lock").symlink_to(precious)
    with pytest.raises(StoreUnusable), lock.alone(tmp_path, "plan"):
        pass
    assert precious.read_text() == "content"
