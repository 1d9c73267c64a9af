"""The lane in simulated time: batches, priorities, deadlines, faults, overload."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgewise.edge.serve.faults import DeadlineExceeded, ModelFailed, Overloaded
from edgewise.edge.serve.tensors import Response
from fakes.lanes import Asked, Doubler, Scene, SimulatedCores, Turns

PAYS = (4e-3, 5e-3, 7e-3, 10e-3)
"""Eight rows in the time of two and a half."""


def scene(
    run_s: Sequence[float] = PAYS, *, inline: bool = False, delay_bound_s: float = 0.0, **settings: float
) -> Scene:
    model = Doubler(turns=Turns(), run_s=run_s, inline=inline, delay_bound_s=delay_bound_s)
    return Scene(model, **settings)


def busy(one: Scene) -> Scene:
    """It has had a request every millisecond, and is idle now."""
    for i in range(60):
        one.turns.call_later(i * 1e-3, one.ask)
    one.turns.run()
    one.model.batches.clear()
    return one


def value(one: Asked) -> float:
    """What it was answered, all of its rows alike."""
    assert isinstance(one.outcome, Response), one.outcome
    ((_, _, y),) = one.outcome.outputs
    assert len(set(y.ravel())) == 1
    assert y.shape == one.ticket.request.inputs["x"].shape
    return float(y.flat[0])


class TestBatches:
    @pytest.mark.parametrize("inline", [True, False])
    def test_who_waits_in_the_same_turn_runs_together(self, inline: bool) -> None:
        one = scene(inline=inline)
        asked = [one.ask(float(i)) for i in range(8)]
        one.turns.run()
        assert one.model.batches == [8]
        assert [value(each) for each in asked] == [2.0 * i for i in range(8)]

    def test_a_model_that_gains_nothing_runs_them_one_by_one(self) -> None:
        one = scene((1e-3,))
        for i in range(5):
            one.ask(float(i))
        one.turns.run()
        assert one.model.batches == [1] * 5

    def test_who_comes_while_it_runs_is_the_next_batch(self) -> None:
        one = scene()
        one.ask()
        one.turns.step()
        for _ in range(5):
            one.ask()
        one.turns.run()
        assert one.model.batches == [1, 5]

    def test_rows_fill_a_batch_and_not_more(self) -> None:
        one = scene()
        for rows in (3, 3, 3, 20):
            one.ask(rows=rows)
        one.turns.run()
        assert one.model.batches == [6, 3, 20]

    def test_other_shapes_run_apart_and_none_is_forgotten(self) -> None:
        one = scene()
        asked = [one.ask(float(i), width=2 + i % 2) for i in range(8)]
        one.turns.run()
        assert one.model.batches == [4, 4]
        assert [value(each) for each in asked] == [2.0 * i for i in range(8)]

    def test_waits_for_others_as_long_as_the_budget_lets_it(self) -> None:
        one = busy(scene(delay_bound_s=4e-3))
        first = one.ask()
        one.turns.call_later(1e-3, one.ask)
        one.turns.call_later(5e-3, one.ask)
        one.turns.run()
        assert one.model.batches == [2, 1]
        assert first.answered_s - first.asked_s == pytest.approx(4e-3 + PAYS[1])

    def test_waits_for_nobody_where_few_come(self) -> None:
        one = scene(delay_bound_s=20e-3)
        for i in range(10):
            one.turns.call_later(i * 10e-3, one.ask)
        one.turns.run()
        assert one.model.batches == [1] * 10
        assert all(each.answered_s - each.asked_s == pytest.approx(PAYS[0]) for each in one.all)

    def test_a_full_batch_waits_for_nobody(self) -> None:
        one = busy(scene(delay_bound_s=1.0))
        first, *_ = [one.ask() for _ in range(8)]
        one.turns.run()
        assert first.answered_s - first.asked_s == pytest.approx(PAYS[3])

    def test_does_not_wait_past_a_deadline(self) -> None:
        one = busy(scene(delay_bound_s=1.0))
        first = one.ask(within_s=0.1)
        one.turns.run()
        assert isinstance(first.outcome, Response)
        assert first.answered_s - first.asked_s <= 0.1


class TestFaults:
    def test_one_request_that_fails_does_not_fail_the_others(self) -> None:
        one = scene()
        asked = [one.ask(-1.0 if i == 3 else float(i)) for i in range(8)]
        one.turns.run()
        for i, each in enumerate(asked):
            if i == 3:
                assert isinstance(each.outcome, ModelFailed)
                assert "a poisoned row" in each.outcome.message
            else:
                assert value(each) == 2.0 * i

    def test_an_output_without_a_row_for_each_is_run_one_by_one(self) -> None:
        one = scene()
        whole = one.model.run
        one.model.run = lambda inputs: [whole(inputs)[0][:1]]  # type: ignore[method-assign]
        asked = [one.ask(float(i)) for i in range(3)]
        one.turns.run()
        assert [value(each) for each in asked] == [0.0, 2.0, 4.0]


class TestPrioritiesAndCancelling:
    def test_the_urgent_goes_first_and_equals_in_order(self) -> None:
        one = scene((1e-3,))
        order: list[float] = []
        for i, priority in enumerate((3, 2, 2, 1, 3)):
            each = one.ask(float(i), priority=priority)
            done = each.ticket.done
            assert done is not None
            each.ticket.done = lambda outcome, i=i, done=done: (order.append(i), done(outcome))  # type: ignore[misc]
        one.turns.run()
        assert order == [3, 1, 2, 0, 4]

    def test_who_has_gone_is_neither_run_nor_answered(self) -> None:
        one = scene()
        asked = [one.ask(float(i)) for i in range(4)]
        asked[0].ticket.cancel()
        asked[2].ticket.cancel()
        asked[2].ticket.cancel()
        assert one.lane.waiting == 2
        one.turns.run()
        assert one.model.batches == [2]
        assert [each.answers for each in asked] == [0, 1, 0, 1]
        assert (value(asked[1]), value(asked[3])) == (2.0, 6.0)

    def test_who_goes_while_it_runs_is_not_answered_and_harms_nobody(self) -> None:
        one = scene()
        asked = [one.ask(float(i)) for i in range(3)]
        one.turns.step()
        asked[1].ticket.cancel()
        one.turns.run()
        assert [each.answers for each in asked] == [1, 0, 1]
        assert one.lane.idle


class TestDeadlines:
    def test_one_that_cannot_be_met_is_refused_at_once_with_when_to_come_back(self) -> None:
        one = scene((10e-3,))
        for _ in range(5):
            one.ask()
        late = one.ask(within_s=30e-3)
        assert isinstance(late.outcome, Overloaded)
        assert late.answered_s == late.asked_s
        assert late.outcome.retry_after_s is not None
        assert 0 < late.outcome.retry_after_s <= 0.06
        assert isinstance(one.ask(within_s=5e-3).outcome, Overloaded)
        assert one.ask(within_s=0.2).outcome is None

    def test_the_urgent_is_not_refused_for_those_that_go_after_it(self) -> None:
        one = scene((10e-3,))
        for _ in range(20):
            one.ask(priority=3)
        urgent = one.ask(priority=1, within_s=30e-3)
        one.turns.run()
        assert isinstance(urgent.outcome, Response)
        assert urgent.answered_s - urgent.asked_s <= 30e-3

    def test_the_queue_is_bounded_by_time_and_by_count(self) -> None:
        one = scene((10e-3,), queue_s=0.1)
        outcomes = [one.ask() for _ in range(50)]
        assert sum(each.outcome is None for each in outcomes) == 11
        few = scene((10e-6,), queue_requests=3)
        assert [few.ask().outcome is None for _ in range(5)] == [True, True, True, False, False]

    def test_a_refusal_is_said_again_only_while_somebody_is_ahead(self) -> None:
        one = scene((10e-6,), queue_requests=3)
        ahead = [one.ask() for _ in range(3)]
        refused = one.ask().outcome
        assert isinstance(refused, Overloaded)
        assert one.lane.shed(2, np.inf) is refused
        for each in ahead:
            each.ticket.cancel()  # their clients have gone, and no run is due
        assert one.lane.shed(2, np.inf) is None
        assert one.ask().outcome is None

    def test_one_that_became_hopeless_is_told_and_not_run(self) -> None:
        one = scene((10e-3,))
        one.ask(priority=3)
        one.turns.step()
        late = one.ask(priority=3, within_s=30e-3)
        for _ in range(4):
            one.ask(priority=1)
        one.turns.run()
        assert isinstance(late.outcome, DeadlineExceeded)
        assert len(one.model.batches) == 5


@given(
    st.lists(
        st.tuples(
            st.floats(0, 3e-3), st.integers(1, 5), st.integers(1, 3), st.sampled_from([2, 3]), st.booleans(),
            st.one_of(st.none(), st.floats(0, 20e-3)),
        ),
        min_size=1, max_size=40,
    ),
    st.booleans(),
)  # fmt: skip
def test_everybody_gets_exactly_what_is_their_own_whatever_happens(
    script: list[tuple[float, int, int, int, bool, float | None]], inline: bool
) -> None:
    """Arrivals at any time, of any shape, priority and rows; some poisoned, some cancelled."""
    one = scene(inline=inline, queue_s=10.0)
    for i, (_, rows, priority, width, poisoned, gone) in enumerate(script):

        def come(
            i: int = i, rows: int = rows, priority: int = priority, width: int = width,
            poisoned: bool = poisoned, gone: float | None = gone,
        ) -> None:  # fmt: skip
            each = one.ask(-1.0 if poisoned else float(i), rows=rows, width=width, priority=priority)
            if gone is not None:
                one.turns.call_later(gone, each.ticket.cancel)

        one.turns.call_later(sum(step[0] for step in script[: i + 1]), come)
    one.turns.run()
    assert one.lane.idle
    assert len(one.all) == len(script)
    for each in one.all:
        sent = float(each.ticket.request.inputs["x"].flat[0])
        if each.answers == 0:
            assert each.ticket.done is None  # cancelled
            continue
        assert each.answers == 1
        if sent == -1.0:
            assert isinstance(each.outcome, ModelFailed)
        else:
            assert value(each) == 2 * sent


class TestOverload:
    @pytest.mark.parametrize("run_s", [(5e-3,), PAYS], ids=["alone", "together"])
    @pytest.mark.parametrize("inline", [True, False])
    @pytest.mark.parametrize("slower", [1.0, 2.0])
    def test_at_twice_the_saturating_rate_what_is_admitted_keeps_its_deadline(
        self, run_s: Sequence[float], inline: bool, slower: float
    ) -> None:
        """Poisson arrivals; the machine may have become slower than it was when it was probed."""
        one = scene(run_s, inline=inline)
        one.model.slower = slower
        peak = one.model.batch_limit / run_s[-1] / slower
        random = np.random.default_rng(0)
        seconds, at = 8.0, 0.0
        start = one.turns.now

        def come(when: float) -> None:
            one.ask(within_s=start + when + 0.1 - one.turns.now)  # waits in the socket while the loop is busy

        while at < seconds:
            at += random.exponential(1 / (2 * peak))
            one.turns.call_later(at, come, at)
        one.turns.run()
        settled = [each for each in one.all if each.asked_s > start + 2.0]
        good = [each for each in settled if isinstance(each.outcome, Response)]
        assert all(each.answered_s <= each.ticket.deadline_s for each in good)
        assert len(good) >= 0.9 * peak * (seconds - 2.0)
        refused = [each for each in settled if isinstance(each.outcome, Overloaded)]
        assert all(each.answered_s == each.asked_s for each in refused)
        assert len(good) + len(refused) >= 0.995 * len(settled)

    def test_what_the_event_loop_does_between_batches_is_waited_for_too(self) -> None:
        """Reading and refusing takes time that no probe has seen: admission must not count on what the model takes."""
        one = scene(PAYS, inline=True)
        peak, read_s = one.model.batch_limit / PAYS[-1], 0.2e-3
        random = np.random.default_rng(0)
        seconds, at = 8.0, 0.0
        start = one.turns.now

        def come(when: float) -> None:
            one.turns.now += read_s
            one.ask(within_s=start + when + 0.1 - one.turns.now)

        while at < seconds:
            at += random.exponential(1 / (2 * peak))
            one.turns.call_later(at, come, at)
        one.turns.run()
        settled = [each for each in one.all if each.asked_s > start + 2.0]
        good = [each for each in settled if isinstance(each.outcome, Response)]
        assert sum(each.answered_s > each.ticket.deadline_s for each in good) <= 0.01 * len(good)
        left = 1 - 2 * peak * read_s
        assert len(good) >= 0.9 * left * peak * (seconds - 2.0)

    def test_who_is_no_more_patient_hears_what_was_said_until_it_runs_again(self) -> None:
        one = scene((10e-3,))
        for _ in range(5):
            one.ask()
        now = one.turns.now
        assert one.lane.shed(2, now + 30e-3) is None
        refused = one.ask(within_s=30e-3).outcome
        assert one.lane.shed(2, now + 30e-3) is refused
        assert one.lane.shed(3, now + 10e-3) is refused
        assert one.lane.shed(1, now + 30e-3) is None
        assert one.lane.shed(2, now + 40e-3) is None
        one.turns.step()
        assert one.lane.shed(2, now + 30e-3) is None

    def test_models_that_share_a_core_share_it_fairly(self) -> None:
        turns = Turns()
        cores = SimulatedCores(1, turns)
        quick = Scene(Doubler(turns=turns, run_s=(1e-3,), name="quick"), cores=cores, queue_s=100.0)
        slow = Scene(Doubler(turns=turns, run_s=(20e-3,), name="slow"), cores=cores, queue_s=100.0)
        for _ in range(100):
            slow.ask()
        for _ in range(1000):
            quick.ask()
        start = turns.now
        while turns.now < start + 1.0:
            turns.step()
        assert quick.model.spent_s == pytest.approx(0.5, abs=0.05)
        assert slow.model.spent_s == pytest.approx(0.5, abs=0.05)

    def test_one_that_was_idle_saved_nothing_up(self) -> None:
        turns = Turns()
        cores = SimulatedCores(1, turns)
        busy = Scene(Doubler(turns=turns, run_s=(1e-3,), name="busy"), cores=cores, queue_s=100.0)
        late = Scene(Doubler(turns=turns, run_s=(1e-3,), name="late"), cores=cores, queue_s=100.0)
        for _ in range(2000):
            busy.ask()
        while turns.now < 1001.0:
            turns.step()
        before = busy.model.spent_s
        for _ in range(2000):
            late.ask()
        while turns.now < 1001.4:
            turns.step()
        assert busy.model.spent_s - before == pytest.approx(0.2, abs=0.03)
