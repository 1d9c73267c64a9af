"""The switch to another agent's code, with the power going at every write: old or new, and never tried for ever."""

import contextlib
import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from edgewise.edge.agent import launch, own
from edgewise.edge.agent.own import Trial
from edgewise.errors import EdgewiseError
from fakes.dying_disk import DyingDisk, Killed

OLD, NEW = "a" * 64, "b" * 64


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return device(tmp_path / "device")


def device(root: Path) -> Path:
    """It runs the code of `OLD`, and `NEW` is laid out."""
    for name in (OLD, NEW):
        (root / own.FOLDER / name).mkdir(parents=True)
    own.point(root, OLD)
    return root


def begin(root: Path) -> None:
    own.begin(root, NEW, 60.0)


def give_up(root: Path) -> None:
    found = own.trial(root)
    assert found is not None
    own.put_back(root, found, "it hangs")


def test_a_switch_is_on_trial_until_it_is_confirmed(root: Path) -> None:
    begin(root)
    assert own.linked(root) == NEW
    assert own.trial(root) == Trial(agent=NEW, before=OLD, bound_s=60.0)
    assert own.needed(root) == {OLD, NEW}
    own.confirm(root, OLD)
    assert own.trial(root)
    own.confirm(root, NEW)
    assert (own.linked(root), own.trial(root)) == (NEW, None)
    assert own.needed(root) == {NEW}


def test_what_is_given_up_is_refused_with_the_reason_until_somebody_forgives(root: Path) -> None:
    begin(root)
    give_up(root)
    assert (own.linked(root), own.trial(root), own.refused(root)) == (OLD, None, {NEW: "it hangs"})
    own.forgive(root)
    assert own.refused(root) == {}


def test_what_is_installed_is_gone_back_to_where_there_was_nothing_before(root: Path) -> None:
    own.point(root, "")
    begin(root)
    give_up(root)
    assert own.linked(root) == ""
    assert not (root / own.LINK).is_symlink()


@pytest.mark.parametrize("error", [None, errno.ENOSPC])
def test_the_power_goes_or_the_disk_is_full_at_every_write(tmp_path: Path, error: int | None) -> None:
    for step in (begin, give_up):
        for at in range(1, writes(tmp_path / f"counted-{step.__name__}", step) + 1):
            root = device(tmp_path / f"{step.__name__}-{at}")
            if step is give_up:
                begin(root)
            with pytest.MonkeyPatch.context() as patch, contextlib.suppress(Killed, EdgewiseError):
                (DyingDisk(at) if error is None else DyingDisk(at, error)).install(patch)
                step(root)
            found = own.trial(root)
            assert own.linked(root) in (OLD, NEW), at
            assert found is None or (found.agent, own.linked(root)) == (NEW, NEW), at
            if own.linked(root) == NEW:
                assert found is not None, "it is not guarded"
            if own.linked(root) == OLD and step is give_up:
                assert NEW in own.refused(root), "it will be tried again"


def writes(root: Path, step: Callable[[Path], None]) -> int:
    """How many there are."""
    device(root)
    if step is give_up:
        begin(root)
    with pytest.MonkeyPatch.context() as patch:
        counting = DyingDisk(0)
        counting.install(patch)
        step(root)
    assert counting.count > 3
    return counting.count


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"agent": 1}', bytes(range(128, 256))])
def test_a_damaged_trial_is_none(root: Path, content: bytes) -> None:
    (root / own.TRIAL).write_bytes(content)
    assert own.trial(root) is None
    assert own.needed(root) == {OLD}


def test_a_link_to_code_that_is_gone_is_what_is_installed(root: Path) -> None:
    own.point(root, "c" * 64)
    assert own.linked(root) == ""


def test_starts_are_counted_and_after_the_last_one_the_old_code_runs(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    became: list[str] = []
    guards: list[Path] = []
    monkeypatch.setattr(launch.os, "execve", lambda _, argv, env: became.append(env[own.PATH]))
    monkeypatch.setattr(launch, "_leave_guard", guards.append)
    begin(root)
    for _ in range(own.MAX_STARTS + 1):
        launch.launch(root)
    assert [Path(one.partition(os.pathsep)[0]).name for one in became] == [NEW] * own.MAX_STARTS + [OLD]
    assert len(guards) == own.MAX_STARTS
    assert "ended 3 times before a poll of it was answered" in own.refused(root)[NEW]


def test_what_is_installed_comes_back_as_it_was(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(own.PATH, "/opt/site")
    monkeypatch.delenv(own.INSTALLED, raising=False)
    inside = own.environment(root, NEW)
    assert inside[own.PATH] == f"{root}/agents/{NEW}:/opt/site"
    for name, value in inside.items():
        monkeypatch.setenv(name, value)
    assert own.environment(root, "")[own.PATH] == "/opt/site"
    assert own.environment(root, OLD)[own.PATH] == f"{root}/agents/{OLD}:/opt/site"
