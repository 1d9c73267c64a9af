"""Cases that a server leaves: bounded, checked, collected, signed, and kept where they are while the disk is full."""

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgewise.edge import cases
from edgewise.edge.agent import outbox
from edgewise.edge.cases import Escalated
from edgewise.errors import BadMessage, StoreFull
from edgewise.exchange import message
from edgewise.exchange.message import Case
from fakes.agents import SteppedAgent, stepped
from fakes.sites import Site

UNSURE = Escalated(model="line", why="two digits are as likely", prediction='{"outputs":[]}', confidence=0.51)


def left(number: int, **changes: object) -> Escalated:
    return Escalated(model="line", why=f"unsure {number}", prediction="{}", **changes)  # type: ignore[arg-type]


def test_what_was_left_is_taken_once_and_the_same_again_is_the_same(tmp_path: Path) -> None:
    picture = left(1, input=b"picture", media_type="image/png")
    assert cases.leave(tmp_path, picture)
    assert cases.leave(tmp_path, picture)
    ((name, found),) = cases.take(tmp_path, 10)
    assert found == picture
    cases.forget(tmp_path, name)
    assert list(cases.take(tmp_path, 10)) == []


def test_there_is_room_for_so_many_and_a_large_input_stays_out(tmp_path: Path) -> None:
    assert [cases.leave(tmp_path, left(number), most=3) for number in range(5)] == [True, True, True, False, False]
    assert cases.leave(tmp_path, left(9, input=bytes(cases.INPUT_BYTES + 1), media_type="x/y"), most=9)
    (large,) = [one for _, one in cases.take(tmp_path, 10) if one.why == "unsure 9"]
    assert (large.input, large.digest, large.media_type) == (b"", "", "")


@pytest.mark.parametrize(
    "wrong",
    [Escalated(model="", why="", prediction=""), left(1, confidence=float("nan")), left(1, media_type="x" * 200)],
)
def test_what_is_no_case_is_not_left(tmp_path: Path, wrong: Escalated) -> None:
    with pytest.raises(BadMessage):
        cases.leave(tmp_path, wrong)


def test_what_is_no_case_is_removed(tmp_path: Path) -> None:
    (tmp_path / f"{'0' * 64}.case.json").write_bytes(b"{")
    cases.leave(tmp_path, UNSURE)
    assert [one for _, one in cases.take(tmp_path, 10)] == [UNSURE]
    assert len(list(tmp_path.iterdir())) == 1


@pytest.fixture
def agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SteppedAgent]:
    site = Site(tmp_path / "site")
    site.release("1", soak_s=1.0)
    made = stepped(monkeypatch, tmp_path / "device", site)
    made.advance(10)
    yield made
    made.close()


def signed(agent: SteppedAgent) -> list[Case]:
    read = [outbox.read(path) for path in outbox.waiting(agent.disk.root / "outbox")]
    said = [message.read(one.payload) for one in read if one is not None]
    return [one for one in said if isinstance(one, Case)]


def test_the_agent_signs_what_servers_left_with_the_release_that_serves(agent: SteppedAgent) -> None:
    cases.leave(agent.disk.cases, left(1, input=b"picture", media_type="image/png"))
    agent.advance(10)
    (case,) = signed(agent)
    assert (case.release, case.why, case.input_media_type) == (agent.state.booted, "unsure 1", "image/png")
    assert base64.b64decode(case.input) == b"picture"
    assert list(cases.take(agent.disk.cases, 10)) == []


def test_while_the_disk_is_full_cases_wait_where_they_are(agent: SteppedAgent, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> int:
        raise StoreFull("no space left")

    cases.leave(agent.disk.cases, UNSURE)
    with monkeypatch.context() as patch:
        patch.setattr(outbox, "put", full)
        agent.advance(10)
    assert signed(agent) == []
    agent.advance(10)
    assert [case.why for case in signed(agent)] == [UNSURE.why]
