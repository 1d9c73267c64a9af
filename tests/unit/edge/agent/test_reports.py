"""What a report counts, what the outbox keeps, and what of it the hub acknowledges; no network."""

from dataclasses import replace
from pathlib import Path

import pytest

from edgewise.edge.agent import outbox, outside, status
from edgewise.edge.agent.figures import Tally
from edgewise.edge.agent.health import Counted
from edgewise.edge.agent.state import Event, EventKind, Phase, Server, State
from edgewise.exchange import receipt, signing
from edgewise.exchange.message import Report, Status
from edgewise.exchange.receipt import Outcome, Receipt, Taken

KEY = signing.make_key()
DEVICE = signing.device_id(signing.public_bytes(KEY))
INF = float("inf")
ONE, TWO = Path("one.sock"), Path("two.sock")


def page(answered: int, failed: int = 0, *, slow: int = 0) -> Counted:
    return Counted(
        answered=answered, failed=failed, buckets={0.001: answered - slow, 0.1: float(answered), INF: answered}
    )


def test_what_two_servers_counted_is_added_up_and_counted_once():
    tally = Tally()
    tally.count(ONE, page(100))
    tally.count(ONE, page(150, 3))
    tally.count(TWO, page(50, slow=50))
    tally.forget(ONE)
    figures, _ = tally.take(40 << 20)
    assert (figures.requests, figures.errors, figures.memory_bytes) == (203, 3, 40 << 20)
    assert figures.latency_p99_ms == 100
    tally.count(TWO, page(60, slow=50))
    assert tally.take(0)[0].requests == 10
    assert tally.take(0)[0].latency_p99_ms is None


def test_what_the_agent_asked_itself_is_no_request():
    tally = Tally()
    with tally.asking(ONE) as asked:
        asked(24)
    tally.count(ONE, page(24 + 8))
    assert tally.take(0)[0].requests == 8
    with tally.asking(ONE) as asked:
        tally.count(ONE, page(36 + 8))  # the proof is under way: nobody knows yet whose these are
        assert tally.take(0)[0].requests == 0
        asked(8)
    tally.count(ONE, page(40 + 10))
    assert tally.take(0)[0].requests == 10


def test_updates_restarts_and_refusals_are_counted_and_a_withdrawal_is_no_failure():
    tally, up = Tally(), State(phase=Phase.SERVING, server=Server.UP, booted="a")
    watching = replace(up, phase=Phase.WATCHING)
    bad = replace(up, rejected={"b": "wrong"})
    tally.happen(Event(kind=EventKind.SOAKED, release="a"), watching, up)
    tally.happen(Event(kind=EventKind.REFUTED, release="b"), up, bad)
    tally.happen(Event(kind=EventKind.OFFERED, release="c"), up, bad)
    tally.happen(Event(kind=EventKind.DOWN, release="a"), up, replace(up, server=Server.STARTING))
    figures, _ = tally.take(0)
    assert (figures.updates, figures.failed_updates, figures.restarts) == (1, 1, 1)


def test_only_a_device_that_serves_what_it_should_is_degraded():
    up = State(phase=Phase.SERVING, server=Server.UP, booted="a", wanted="a", reason="kept")
    assert (status.word(up, "slow"), status.sentence(up, "slow")) == (Status.DEGRADED, "slow")
    assert status.word(replace(up, wanted="b"), "slow") is Status.UPDATING
    assert status.word(replace(up, wanted="b", rejected={"b": "x"}), "slow") is Status.ROLLED_BACK
    assert status.word(replace(up, server=Server.DOWN), "slow") is Status.FAILED


def report(number: int) -> Report:
    return Report(id=f"{number:032x}", device=DEVICE, site="here", sequence=number, time_s=0, status=Status.ONLINE)


@pytest.fixture
def hub(monkeypatch):
    """A hub that takes what is in the batch, and says what it got; `answers` changes its receipt."""

    class Hub:
        answers = staticmethod(lambda receipt: receipt)

    def post(address, body):
        messages = signing.read_batch(body)
        sequences = [outbox.message.read(one.payload).sequence for one in messages]
        made = Receipt(
            outcomes=tuple(Outcome(id=f"{number:032x}", taken=Taken.ACCEPTED) for number in sequences),
            time_s=0,
            sequences={DEVICE: max(sequences)},
        )
        return receipt.written(Hub.answers(made))

    monkeypatch.setattr(outside, "_post", post)
    return Hub


def test_numbers_go_on_after_everything_was_acknowledged(tmp_path, hub):
    for number in range(3):
        outbox.put(tmp_path / "outbox", report(number), KEY)
    assert outside.report(str(tmp_path), "hub") == {"sent": 3, "refused": []}
    assert outbox.waiting(tmp_path / "outbox") == []
    assert outbox.newest(tmp_path / "outbox") == 2


def test_a_device_that_was_set_back_hears_which_number_the_hub_has(tmp_path, hub):
    hub.answers = staticmethod(
        lambda made: replace(
            made,
            outcomes=(Outcome(id=made.outcomes[0].id, taken=Taken.REFUSED, reason="sequence 0 is another message's"),),
            sequences={DEVICE: 41},
        )
    )
    outbox.put(tmp_path / "outbox", report(0), KEY)
    assert outside.report(str(tmp_path), "hub")["refused"] == ["sequence 0 is another message's"]
    assert outbox.newest(tmp_path / "outbox") == 41


def test_a_damaged_message_does_not_hold_up_the_others(tmp_path, hub):
    for number in range(3):
        outbox.put(tmp_path / "outbox", report(number), KEY)
    outbox.waiting(tmp_path / "outbox")[1].write_bytes(b'{"device": 3}')
    assert outside.report(str(tmp_path), "hub")["sent"] == 2
    assert outbox.waiting(tmp_path / "outbox") == []


def test_the_outbox_is_bounded_in_bytes_and_so_is_a_batch(tmp_path):
    sizes = []
    for number in range(6):
        outbox.put(tmp_path, report(number), KEY, most_bytes=sizes[0] * 4 + 10 if sizes else 1 << 20)
        sizes.append(max(path.stat().st_size for path in tmp_path.iterdir()))
    left = [int(path.stem) for path in outbox.waiting(tmp_path)]
    assert left == [2, 3, 4, 5]
    assert [int(path.stem) for path in outbox.waiting(tmp_path, most_bytes=sizes[0] * 2 + 10)] == [2, 3]
    assert len(outbox.waiting(tmp_path, most_bytes=1)) == 1
