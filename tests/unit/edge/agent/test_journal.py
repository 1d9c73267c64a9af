"""The journal and the link on a disk that dies at every write: what is read afterwards is old or new, never a mix."""

import contextlib
import errno
import os
from dataclasses import replace
from pathlib import Path

import pytest

from edgewise.edge.agent import journal
from edgewise.edge.agent.disk import Disk
from edgewise.edge.agent.journal import Journal
from edgewise.edge.agent.machine import step
from edgewise.edge.agent.state import Event, EventKind, Phase, State
from edgewise.errors import EdgewiseError
from fakes.dying_disk import DyingDisk, Killed

A, B = f"sha256:{'a' * 64}", f"sha256:{'b' * 64}"
UPDATE = [
    Event(kind=EventKind.OFFERED, release=B),
    Event(kind=EventKind.FETCHED, release=B),
    Event(kind=EventKind.PROVEN, release=B),
    Event(kind=EventKind.SWITCHED, release=B),
    Event(kind=EventKind.SOAKED, release=B),
]
BEGUN = State(phase=Phase.SERVING, booted=A)


def update(root: Path) -> None:
    """What the agent writes during a full update: a line before every effect, and the link between two of them."""
    kept = Journal(root / "journal")
    for event in UPDATE:
        if event.kind is EventKind.SWITCHED:
            Disk(root).point(B)
        kept.write(event, step(kept.state, event)[0])


def begun(root: Path) -> None:
    root.mkdir()
    Disk(root).point(A)
    Journal(root / "journal").write(Event(kind=EventKind.RETURNED, release=A), BEGUN)


def states_of_an_update() -> list[State]:
    found = [BEGUN]
    for event in UPDATE:
        found.append(step(found[-1], event)[0])
    return found


def test_it_is_readable_and_the_last_line_is_the_state(tmp_path):
    begun(tmp_path / "device")
    update(tmp_path / "device")
    assert Journal(tmp_path / "device/journal").state == states_of_an_update()[-1]
    text = (tmp_path / "device/journal").read_text()
    assert [one.event for one in journal.entries(tmp_path / "device/journal")][1:] == [one.kind for one in UPDATE]
    assert text.count("\n") == 6


def test_the_power_goes_at_every_write_of_an_update(tmp_path):
    """Every prefix of the writes, half a write included: the state is one that was decided, and the link fits it."""
    with pytest.MonkeyPatch.context() as patch:
        begun(tmp_path / "counted")
        counting = DyingDisk(0)
        counting.install(patch)
        update(tmp_path / "counted")
    assert counting.count > 20
    allowed = states_of_an_update()
    for at in range(1, counting.count + 1):
        root = tmp_path / f"cut-{at}"
        begun(root)
        with pytest.MonkeyPatch.context() as patch:
            DyingDisk(at).install(patch)
            with pytest.raises(Killed):
                update(root)
        found, linked = Journal(root / "journal"), Disk(root).serves()
        assert found.state in allowed, at
        assert linked in (A, B), at
        woken, _ = step(found.state, Event(kind=EventKind.AWOKE, release=linked, intact=frozenset((A, B))))
        assert woken.booted == linked, at
        found.write(Event(kind=EventKind.AWOKE, release=linked), woken)
        assert Journal(root / "journal").state == woken, at


def test_the_disk_is_full_at_every_write_of_an_update(tmp_path):
    with pytest.MonkeyPatch.context() as patch:
        begun(tmp_path / "counted")
        counting = DyingDisk(0)
        counting.install(patch)
        update(tmp_path / "counted")
    for at in range(1, counting.count + 1):
        root = tmp_path / f"full-{at}"
        begun(root)
        with pytest.MonkeyPatch.context() as patch:
            DyingDisk(at, errno.ENOSPC).install(patch)
            with contextlib.suppress(EdgewiseError):  # anything else is a bug, and fails the test
                update(root)
        assert Journal(root / "journal").state in states_of_an_update(), at
        assert Disk(root).serves() in (A, B), at


@pytest.mark.parametrize("cut", range(1, 400, 23))
def test_a_torn_or_flipped_tail_is_no_news(tmp_path, cut):
    path = tmp_path / "journal"
    kept = Journal(path)
    kept.write(Event(kind=EventKind.RETURNED, release=A), BEGUN)
    whole = path.read_bytes()
    kept.write(Event(kind=EventKind.OFFERED, release=B), replace(BEGUN, phase=Phase.FETCHING, staged=B))
    content = path.read_bytes()
    for damaged in (content[: len(whole) + cut], _flipped(content, len(whole) + cut)):
        path.write_bytes(damaged)
        assert Journal(path).state == BEGUN
        Journal(path).write(Event(kind=EventKind.UP, release=A), replace(BEGUN, tries=1))
        assert Journal(path).state == replace(BEGUN, tries=1)


def _flipped(content: bytes, at: int) -> bytes:
    return content[:at] + bytes([content[at] ^ 4]) + content[at + 1 :]


def test_a_long_journal_is_cut_to_its_newest_lines(tmp_path, monkeypatch):
    monkeypatch.setattr(journal, "LIMIT_BYTES", 60_000)
    kept = Journal(tmp_path / "journal")
    for number in range(400):
        kept.write(Event(kind=EventKind.UP, release=A), replace(BEGUN, tries=number))
    assert (tmp_path / "journal").stat().st_size <= 60_000
    assert Journal(tmp_path / "journal").state.tries == 399
    assert len(journal.entries(tmp_path / "journal")) >= journal.KEPT_LINES


def test_a_journal_without_one_good_line_is_said_to_be_lost(tmp_path):
    (tmp_path / "journal").write_bytes(os.urandom(200))
    assert Journal(tmp_path / "journal").lost
