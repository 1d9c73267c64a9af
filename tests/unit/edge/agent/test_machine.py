"""The agent's state machine against everything that can happen: laws hold in every state that can be reached.

Two releases without withdrawals reach 255,028 states, which took 147 s to visit once; here a part of them is visited.
"""

from collections import deque
from dataclasses import replace
from itertools import chain

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from edgewise.edge.agent import machine
from edgewise.edge.agent.machine import RULES, step
from edgewise.edge.agent.state import Effect, EffectKind, Event, EventKind, Phase, Server, State, document, read
from fakes import worlds
from fakes.worlds import World

E, K = EventKind, EffectKind


def run(state, *events):
    """The states and effects that follow."""
    effects = ()
    for event in events:
        state, effects = step(state, event)
    return state, [one.kind for one in effects]


def test_a_good_release_goes_the_whole_way():
    kinds = [E.OFFERED, E.FETCHED, E.PROVEN, E.SWITCHED, E.SOAKED]
    state = State(phase=Phase.SERVING, booted="a", server=Server.UP)
    seen = []
    for kind in kinds:
        state, effects = step(state, Event(kind=kind, release="b"))
        seen.append((state.phase, [one.kind for one in effects]))
    assert seen == [
        (Phase.FETCHING, [K.FETCH]),
        (Phase.PROVING, [K.TRY]),
        (Phase.SWITCHING, [K.SWITCH]),
        (Phase.WATCHING, [K.WATCH, K.REPORT]),
        (Phase.SERVING, [K.COLLECT, K.REPORT]),
    ]
    assert (state.booted, state.rollback, state.staged) == ("b", "a", "")


def test_a_release_that_answers_wrong_never_touches_the_one_that_serves():
    state = State(phase=Phase.PROVING, booted="a", staged="b", server=Server.UP)
    state, effects = run(state, Event(kind=E.REFUTED, release="b", reason="y0[3] is 7, not 2"))
    assert (state.phase, state.booted, state.server) == (Phase.SERVING, "a", Server.UP)
    assert state.rejected == {"b": "y0[3] is 7, not 2"}
    assert effects == [K.DROP, K.COLLECT, K.REPORT]


def test_what_was_rejected_is_taken_again_only_when_a_person_says_so():
    state = State(phase=Phase.SERVING, booted="a", server=Server.UP, rejected={"b": "slow"})
    offered = Event(kind=E.OFFERED, release="b")
    assert run(state, offered)[1] == []
    assert run(state, Event(kind=E.TOLD_RETRY, release="b"), offered)[1] == [K.FETCH]


def test_an_unwell_release_goes_back_and_says_why():
    state = State(phase=Phase.WATCHING, booted="b", rollback="a", server=Server.UP)
    state, effects = run(state, Event(kind=E.UNWELL, release="b", reason="3 % of requests failed"))
    assert (state.phase, state.rollback, effects) == (Phase.RETURNING, "a", [K.RETURN, K.REPORT])
    state, _ = run(state, Event(kind=E.RETURNED, release="a"))
    assert (state.phase, state.booted, state.reason) == (Phase.SERVING, "a", "3 % of requests failed")


def test_a_first_release_that_is_unwell_leaves_nothing_and_says_so():
    state = State(phase=Phase.WATCHING, booted="b", server=Server.UP)
    state, effects = run(state, Event(kind=E.UNWELL, release="b", reason="it leaks"))
    assert (state.phase, state.booted, effects) == (Phase.EMPTY, "", [K.STOP, K.REPORT])
    assert state.reason == "it leaks; no earlier release is kept here"


def test_a_kept_release_that_does_not_stay_up_goes_back_after_three_restarts():
    state = State(phase=Phase.SERVING, booted="b", rollback="a", server=Server.UP)
    down = Event(kind=E.DOWN, release="b", reason="it ended with exit code 3")
    for _ in range(machine.MAX_RESTARTS):
        state, effects = run(state, down)
        assert effects == [K.START]
    state, effects = run(state, down)
    assert (state.phase, effects) == (Phase.RETURNING, [K.RETURN, K.REPORT])
    assert "3 times in a row: it ended with exit code 3" in state.reason


def test_a_device_that_dies_over_a_release_gives_it_up():
    state = State(phase=Phase.PROVING, booted="a", staged="b", server=Server.UP)
    awoke = Event(kind=E.AWOKE, release="a", intact=frozenset("ab"))
    for _ in range(machine.MAX_TRIES - 1):
        state, effects = run(state, awoke)
        assert effects == [K.START, K.TRY]
    state, _ = run(state, awoke)
    assert (state.phase, state.booted) == (Phase.SERVING, "a")
    assert "died 3 times in a row" in state.rejected["b"]


def test_it_trusts_the_link_where_the_journal_is_lost():
    state, effects = run(State(), Event(kind=E.AWOKE, release="a", intact=frozenset("a")))
    assert (state.phase, state.booted, effects) == (Phase.SERVING, "a", [K.START])


def test_late_news_of_what_was_given_up_changes_nothing():
    state = State(phase=Phase.SERVING, booted="a", server=Server.UP)
    for kind in (E.FETCHED, E.PROVEN, E.SWITCHED, E.SOAKED, E.UNWELL, E.RETURNED, E.NOT_FETCHED, E.NOT_SWITCHED):
        assert step(state, Event(kind=kind, release="b")) == (state, ())


@pytest.mark.parametrize("phase", Phase)
def test_a_state_survives_being_written(phase):
    state = State(phase=phase, booted="a", rejected={"b": "slow"}, withdrawn=("c",), hold=True, tries=2)
    assert read(document(state)) == state


def test_the_laws_hold_in_every_state_that_one_release_can_reach():
    """Exhaustive: one release, a disk that may lose it, withdrawals, crashes at every point, half-done effects."""
    assert len(reachable("a", World(rotten=1))) > 5000


def test_every_rule_is_taken_somewhere():
    """None is dead or shadowed by the ones before it."""
    missing = set(RULES)
    begun = (
        State(phase=Phase.SERVING, booted="a", server=Server.UP),
        State(phase=Phase.WATCHING, booted="a", rollback="b", server=Server.UP, tries=machine.MAX_TRIES - 1),
        State(phase=Phase.SERVING, booted="a", rollback="b", server=Server.UP, restarts=machine.MAX_RESTARTS),
    )
    both = frozenset("ab")
    worlds_begun = [
        World(state=one, awake=True, link="a", served="a", disk=both, proven=both, rotten=1) for one in begun[::2]
    ]
    watch = Effect(kind=EffectKind.WATCH, release="a")
    worlds_begun.append(replace(worlds_begun[0], state=begun[1], pending=(watch,)))
    found = [reachable("a", World()), *(reachable("ab", begin, most=3_000) for begin in worlds_begun)]
    for world in chain.from_iterable(found):
        for event in EVENTS:
            missing.discard(first(world.state, event))
        if not missing:
            return
    assert not missing, [(one.event, one.change.__name__) for one in missing]


def first(state, event):
    fitting = (one for one in RULES if state.phase in one.phases and event.kind is one.event)
    return next((one for one in fitting if one.when(state, event)), None)


EVENTS = [
    Event(kind=kind, release=release, intact=intact, withdrawn=withdrawn)
    for kind in EventKind
    for release in ("", "a", "b")
    for intact in (
        (frozenset(), frozenset("a"), frozenset("b"), frozenset("ab")) if kind is E.AWOKE else (frozenset(),)
    )
    for withdrawn in (((), ("a",), ("b",)) if kind is E.OFFERED else ((),))
]


def reachable(releases: str, begin: World, most: int = 1 << 30) -> list[World]:
    """Worlds that can be reached, breadth first; the laws are checked in each."""
    found, queue = {begin.key(): begin}, deque([begin])
    while queue and len(found) < most:
        for name, after in worlds.moves(queue.popleft(), releases):
            if after.key() not in found:
                try:
                    worlds.check(after)
                except AssertionError as error:
                    raise AssertionError(f"{error} after {name}: {after}") from error
                found[after.key()] = after
                queue.append(after)
    return list(found.values())


class Device(RuleBasedStateMachine):
    """Any order of anything, with three releases; at the end of every run, all comes to rest."""

    def __init__(self):
        super().__init__()
        self.world = World(rotten=1)

    @rule(choice=st.integers(0, 10_000))
    def anything(self, choice):
        found = list(worlds.moves(self.world, "abc"))
        self.world = found[choice % len(found)][1]

    @precondition(lambda self: self.world.awake and self.world.pending)
    @rule(choice=st.integers(0, 10))
    def something_ends(self, choice):
        found = list(worlds.done(self.world, self.world.pending[choice % len(self.world.pending)]))
        self.world = found[0][1]

    @precondition(lambda self: self.world.awake)
    @rule(release=st.sampled_from("abc"))
    def offer(self, release):
        self.world = worlds.happen(self.world, Event(kind=E.OFFERED, release=release))

    @invariant()
    def laws(self):
        worlds.check(self.world)

    def teardown(self):
        rested = worlds.settle(replace(self.world, awake=False, pending=(), served=""))
        state = rested.state
        serves = state.server is Server.UP and rested.served == state.booted == rested.link != ""
        assert serves or (not state.booted and state.reason), rested


Device.TestCase.settings = settings(
    max_examples=40, stateful_step_count=50, deadline=None, suppress_health_check=list(HealthCheck)
)
test_any_order_of_anything = Device.TestCase
