"""What the agent decides: (state, event) to (state, effects). Pure, written as a table.

The first rule that fits is taken; where none fits, nothing changes: a late answer about something that was given up
meanwhile is no news. Three laws hold for every state that can be reached (tests/unit/edge/agent/test_machine.py):

1. The booted server is up, and its release was proven here and is neither rejected nor withdrawn; or the reason says
   why nothing serves.
2. What is rejected is neither fetched, tried nor switched to, until a person says so.
3. What may be needed next, the release that serves and the one to go back to, is never given up for collection.

`docs/reference/agent-states.md` is drawn from `RULES`.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from edgewise.edge.agent.state import (
    MAX_REASON,
    MAX_REJECTED,
    Effect,
    EffectKind,
    Event,
    EventKind,
    Phase,
    Server,
    State,
)

MAX_TRIES: Final = 3
"""How often a step is begun before its release is given up: a device must not restart for ever over one release."""
MAX_RESTARTS: Final = 3
"""Of a server that is not yet steady, before the release before is asked to serve."""

E, F, H, P = Phase.EMPTY, Phase.FETCHING, Phase.HOLDING, Phase.PROVING
S, X, W, R = Phase.SERVING, Phase.SWITCHING, Phase.WATCHING, Phase.RETURNING
ALL = tuple(Phase)
SETTLED = (E, S)
UNDER_WAY = (F, H, P)

WITHOUT_RELEASE: Final = frozenset((EffectKind.STOP, EffectKind.COLLECT, EffectKind.REPORT))

Guard = Callable[[State, Event], bool]
Change = Callable[[State, Event], State]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """In one of `phases`, on `event`, where `when` holds: change to one of `then`, and do `do`.

    The first line of `when`'s docstring stands in the drawing.
    """

    phases: tuple[Phase, ...]
    event: EventKind
    when: Guard
    change: Change
    then: tuple[Phase, ...]
    do: tuple[EffectKind, ...] = ()


def step(state: State, event: Event) -> tuple[State, tuple[Effect, ...]]:
    """What becomes of `state` by `event`, and what is to be done about it, in order."""
    for rule in RULES:
        if state.phase in rule.phases and event.kind is rule.event and rule.when(state, event):
            after = rule.change(state, event)
            after = replace(after, reason=after.reason[:MAX_REASON])
            assert after.phase in rule.then, (rule, after)
            effects = (Effect(kind=kind, release=_subject(kind, state, after)) for kind in rule.do)
            return after, tuple(one for one in effects if one.release or one.kind in WITHOUT_RELEASE)
    return state, ()


def is_wanted(state: State, effect: Effect) -> bool:
    """Whether `state` still asks for `effect`: what was given up before it began must not begin."""
    match effect.kind:
        case EffectKind.FETCH:
            return state.phase is F and state.staged == effect.release
        case EffectKind.TRY:
            return state.phase is P and state.staged == effect.release
        case EffectKind.SWITCH:
            return state.phase is X and state.staged == effect.release
        case EffectKind.WATCH:
            return state.phase is W and state.booted == effect.release
        case EffectKind.RETURN:
            return state.phase is R and state.rollback == effect.release
        case EffectKind.START:
            return state.phase is not R and state.booted == effect.release and state.server is not Server.UP
        case EffectKind.STOP:
            return state.phase is E or not state.booted
        case EffectKind.DROP:
            return state.staged != effect.release and state.booted != effect.release
        case EffectKind.COLLECT | EffectKind.REPORT:
            return True


def _subject(kind: EffectKind, before: State, after: State) -> str:
    match kind:
        case EffectKind.FETCH | EffectKind.TRY | EffectKind.SWITCH:
            return after.staged
        case EffectKind.WATCH | EffectKind.START:
            return after.booted
        case EffectKind.RETURN:
            return after.rollback
        case EffectKind.DROP:
            return before.staged
        case EffectKind.STOP | EffectKind.COLLECT | EffectKind.REPORT:
            return ""


# Guards: what must hold for a rule.


def always(_: State, __: Event) -> bool:
    """In any case."""
    return True


def is_new(state: State, event: Event) -> bool:
    """A release that is not here and was not rejected."""
    return event.release not in ("", state.booted, *state.rejected, *event.withdrawn)


def is_another(state: State, event: Event) -> bool:
    """Another release than the staged one, new here."""
    return event.release != state.staged and is_new(state, event)


def is_no_longer(state: State, event: Event) -> bool:
    """Not the staged release."""
    return event.release != state.staged


def is_withdrawn(state: State, event: Event) -> bool:
    """What serves may not, and there is one to go back to."""
    return state.booted in event.withdrawn and _may_serve(_told(state, event), state.rollback)


def is_withdrawn_alone(state: State, event: Event) -> bool:
    """What serves may not, and nothing else may."""
    return state.booted in event.withdrawn


def is_refuge_gone(state: State, event: Event) -> bool:
    """Where it goes back to was withdrawn."""
    return state.rollback in event.withdrawn


def is_staged(state: State, event: Event) -> bool:
    """It is the staged one."""
    return event.release == state.staged


def is_held(state: State, event: Event) -> bool:
    """It shall wait for the word."""
    return is_staged(state, event) and state.hold


def is_hopeless(state: State, event: Event) -> bool:
    """Begun too often."""
    return is_staged(state, event) and state.tries + 1 >= MAX_TRIES


def is_booted(state: State, event: Event) -> bool:
    """It is the one that serves."""
    return event.release == state.booted


def is_bad(state: State, event: Event) -> bool:
    """It serves, and there is one to go back to."""
    return is_booted(state, event) and _may_serve(state, state.rollback)


def is_restless(state: State, event: Event) -> bool:
    """Restarted too often, and there is one to go back to."""
    return is_bad(state, event) and state.restarts >= MAX_RESTARTS


def can_go_back(state: State, _: Event) -> bool:
    """There is one to go back to."""
    return _may_serve(state, state.rollback)


def is_refuge(state: State, event: Event) -> bool:
    """It is the one to go back to."""
    return event.release == state.rollback


def is_rejected(state: State, event: Event) -> bool:
    """It was rejected."""
    return event.release in state.rejected


def woke_worn(state: State, event: Event) -> bool:
    """Died too often at this, one to go back to is whole."""
    return state.tries + 1 >= MAX_TRIES and event.release == state.booted and _is_refuge_whole(state, event)


def woke_worn_alone(state: State, event: Event) -> bool:
    """Died too often at this, nothing else is whole."""
    return state.tries + 1 >= MAX_TRIES and event.release == state.booted


def woke_hopeless(state: State, event: Event) -> bool:
    """Died too often at this; what serves is whole."""
    return state.tries + 1 >= MAX_TRIES and _woke_as_left(state, event)


def woke_whole(state: State, event: Event) -> bool:
    """What serves is whole."""
    return _woke_as_left(state, event)


def woke_with_both(state: State, event: Event) -> bool:
    """What serves and what is staged are whole."""
    return _woke_as_left(state, event) and state.staged in event.intact


def woke_switched(state: State, event: Event) -> bool:
    """`current` names the staged release, which is whole."""
    return event.release == state.staged and state.staged in event.intact


def woke_back(state: State, event: Event) -> bool:
    """The one to go back to is whole."""
    return _is_refuge_whole(state, event)


def woke_elsewhere(state: State, event: Event) -> bool:
    """`current` names another release that is whole and may serve."""
    return event.release in event.intact and _may_serve(state, event.release)


def _woke_as_left(state: State, event: Event) -> bool:
    return event.release == state.booted and (not state.booted or state.booted in event.intact)


def _is_refuge_whole(state: State, event: Event) -> bool:
    return _may_serve(state, state.rollback) and state.rollback in event.intact


def _may_serve(state: State, release: str) -> bool:
    return release not in ("", *state.rejected, *state.withdrawn)


# Changes: what a rule makes of the state.


def _told(state: State, event: Event) -> State:
    """What the site said is known."""
    return replace(state, wanted=event.release, withdrawn=event.withdrawn, hold=event.hold)


def _settled(state: State) -> State:
    """No update is under way."""
    return replace(state, phase=S if state.booted else E, staged="", tries=0)


def _rejecting(state: State, release: str, reason: str) -> State:
    kept = {known: why for known, why in state.rejected.items() if known != release}
    newest = dict(list({**kept, release: reason[:MAX_REASON]}.items())[-MAX_REJECTED:])
    rollback = "" if state.rollback == release else state.rollback
    return replace(state, rejected=newest, rollback=rollback, reason=reason)


def _leaving(state: State, reason: str) -> State:
    """What is booted is given up, and the rollback shall serve."""
    return replace(_rejecting(state, state.booted, reason), phase=R, staged="", server=Server.DOWN, tries=0, restarts=0)


def _serving_none(state: State, reason: str) -> State:
    return replace(
        state, phase=E, booted="", staged="", rollback="", server=Server.DOWN, tries=0, restarts=0, reason=reason
    )


def take(state: State, event: Event) -> State:
    """The offered release is staged."""
    told = _told(state, event)
    return replace(told, phase=F, staged=event.release, tries=0)


def hear(state: State, event: Event) -> State:
    """Only what the site said is known; a rollback that was withdrawn is none."""
    told = _told(state, event)
    return replace(told, rollback="" if told.rollback in told.withdrawn else told.rollback)


def let_go(state: State, event: Event) -> State:
    """What was staged is given up without blame."""
    return _settled(hear(state, event))


def leave_withdrawn(state: State, event: Event) -> State:
    """What serves was withdrawn; back to the one before."""
    return _leaving(_told(state, event), "the release that served was withdrawn by its publisher")


def stop_withdrawn(state: State, event: Event) -> State:
    """What serves was withdrawn, and there is nothing else."""
    reason = "the release that served was withdrawn by its publisher, and no other is kept here"
    return _serving_none(_rejecting(_told(state, event), state.booted, reason), reason)


def stop_without_refuge(state: State, event: Event) -> State:
    """Where it was going back to was withdrawn."""
    return _serving_none(_told(state, event), "the release to go back to was withdrawn by its publisher")


def wait(state: State, _: Event) -> State:
    """It is here, and waits."""
    return replace(state, phase=H, tries=0)


def prove(state: State, _: Event) -> State:
    """The trial begins."""
    return replace(state, phase=P, tries=0, hold=False)


def give_up_for_now(state: State, event: Event) -> State:
    """It is left for the next offer."""
    return replace(_settled(state), reason=event.reason)


def reject_staged(state: State, event: Event) -> State:
    """It failed here."""
    return _settled(_rejecting(state, state.staged, event.reason))


def reject_hopeless(state: State, event: Event) -> State:
    """It could not be tried for too long."""
    return _settled(_rejecting(state, state.staged, f"given up after {MAX_TRIES} tries: {event.reason}"))


def prove_again(state: State, event: Event) -> State:
    """The trial could not be made; once more."""
    return replace(state, phase=P, tries=state.tries + 1, reason=event.reason)


def switch(state: State, _: Event) -> State:
    """It is proven and takes over."""
    return replace(state, phase=X, tries=0)


def taken_over(state: State, _: Event) -> State:
    """The new one serves, and is watched."""
    before = state.booted
    return replace(
        state,
        phase=W,
        booted=state.staged,
        rollback=before if before and _may_serve(state, before) else state.rollback,
        staged="",
        server=Server.UP,
        tries=0,
        restarts=0,
        reason="it reproduced its golden here and took over; it is watched before it is kept",
    )


def keep(state: State, _: Event) -> State:
    """It is the last good one now."""
    return replace(_settled(state), restarts=0, reason="it was watched and is kept")


def leave(state: State, event: Event) -> State:
    """Back to the one before."""
    return _leaving(state, event.reason)


def stop(state: State, event: Event) -> State:
    """There is nothing to go back to."""
    reason = f"{event.reason}; no earlier release is kept here"
    return _serving_none(_rejecting(state, state.booted, reason), reason)


def came_back(state: State, _: Event) -> State:
    """The one before serves again; why it had to stays the reason."""
    return replace(_settled(replace(state, booted=state.rollback)), rollback="", server=Server.UP, restarts=0)


def started_back(state: State, event: Event) -> State:
    """`current` names the one before, and its server must still be started."""
    back = replace(_settled(replace(state, booted=state.rollback)), rollback="")
    return replace(back, server=Server.STARTING, restarts=1, reason=f"{state.reason}; then {event.reason}")


def return_again(state: State, event: Event) -> State:
    """`current` could not be changed; once more."""
    return replace(state, tries=min(state.tries + 1, MAX_TRIES), reason=event.reason)


def up(state: State, _: Event) -> State:
    """It serves."""
    return replace(state, server=Server.UP)


def steady(state: State, _: Event) -> State:
    """Restarts are forgotten."""
    return replace(state, restarts=0)


def start_again(state: State, event: Event) -> State:
    """It is started once more, as often as it takes."""
    restarts = min(state.restarts + 1, MAX_RESTARTS)
    return replace(state, server=Server.STARTING, restarts=restarts, reason=event.reason)


def leave_restless(state: State, event: Event) -> State:
    """It does not stay up; back to the one before."""
    return _leaving(state, f"its server ended {MAX_RESTARTS} times in a row: {event.reason}")


def go_back(state: State, event: Event) -> State:
    """Because a person said so."""
    return _leaving(state, event.reason or "a person asked to go back")


def forgive(state: State, event: Event) -> State:
    """It may be tried again."""
    return replace(state, rejected={known: why for known, why in state.rejected.items() if known != event.release})


def wake(state: State, _: Event) -> State:
    """Go on where it was left; the server is to be started."""
    server = Server.STARTING if state.booted else Server.DOWN
    return replace(state, server=server, tries=state.tries + (state.phase in (P, X, W)))


def wake_settled(state: State, event: Event) -> State:
    """What was staged is not whole; the next offer brings it anew."""
    return _settled(wake(state, event))


def wake_hopeless(state: State, event: Event) -> State:
    """The device or the agent died each time that this was tried."""
    reason = f"the agent or the device died {MAX_TRIES} times in a row while it was tried"
    return wake(_settled(_rejecting(state, state.staged, reason)), event)


def wake_proving(state: State, event: Event) -> State:
    """The switch had not happened: prove it once more."""
    return replace(wake(state, event), phase=P)


def wake_watching(state: State, event: Event) -> State:
    """The switch had happened."""
    return replace(taken_over(state, event), server=Server.STARTING, tries=1)


def leave_worn(state: State, _: Event) -> State:
    """The device or the agent died each time that it served this."""
    return _leaving(state, f"the agent or the device died {MAX_TRIES} times in a row while it was watched")


def stop_worn(state: State, _: Event) -> State:
    """As `leave_worn`, and there is nothing to go back to."""
    reason = f"the agent or the device died {MAX_TRIES} times in a row while it was watched; no earlier one is kept"
    return _serving_none(_rejecting(state, state.booted, reason), reason)


def wake_returning(state: State, _: Event) -> State:
    """What served is damaged on the disk, or going back was cut off."""
    if state.phase is R:
        return replace(state, server=Server.DOWN)
    return _leaving(state, "the release that served is damaged on the disk, or is not what `current` names")


def adopt(state: State, event: Event) -> State:
    """The journal says otherwise, or is lost: `current` only ever names what was proven here."""
    reason = "the journal did not fit the disk; what `current` names serves on"
    rollback = state.rollback if state.rollback in event.intact and state.rollback != event.release else ""
    adopted = _settled(replace(state, booted=event.release, rollback=rollback))
    return replace(adopted, server=Server.STARTING, restarts=0, reason=reason)


def wake_empty(state: State, _: Event) -> State:
    """Nothing that may serve is whole."""
    if not state.booted and not state.rollback:
        return _settled(replace(state, server=Server.DOWN))
    return _serving_none(state, "no release is whole on the disk; the next one that is offered is fetched")


FETCH, TRY, SWITCH, WATCH = EffectKind.FETCH, EffectKind.TRY, EffectKind.SWITCH, EffectKind.WATCH
RETURN, START, STOP, DROP = EffectKind.RETURN, EffectKind.START, EffectKind.STOP, EffectKind.DROP
COLLECT, REPORT = EffectKind.COLLECT, EffectKind.REPORT
K = EventKind


def _rule(
    phases: tuple[Phase, ...], event: EventKind, when: Guard, change: Change, then: tuple[Phase, ...], *do: EffectKind
) -> Rule:
    return Rule(phases=phases, event=event, when=when, change=change, then=then, do=do)


RULES: Final[tuple[Rule, ...]] = (
    # The site's word. A switch under way is not disturbed: the word comes again with the next poll.
    _rule((S, F, H, P, W), K.OFFERED, is_withdrawn, leave_withdrawn, (R,), DROP, RETURN, REPORT),
    _rule((S, F, H, P, W), K.OFFERED, is_withdrawn_alone, stop_withdrawn, (E,), DROP, STOP, REPORT),
    _rule(SETTLED, K.OFFERED, is_new, take, (F,), FETCH),
    _rule((R,), K.OFFERED, is_refuge_gone, stop_without_refuge, (E,), STOP, REPORT),
    _rule(UNDER_WAY, K.OFFERED, is_another, take, (F,), DROP, FETCH),
    _rule(UNDER_WAY, K.OFFERED, is_no_longer, let_go, SETTLED, DROP, COLLECT),
    _rule((E, S, F, H, P, W, R), K.OFFERED, always, hear, (E, S, F, H, P, W, R)),
    # The way of a release.
    _rule((F,), K.FETCHED, is_held, wait, (H,), REPORT),
    _rule((F,), K.FETCHED, is_staged, prove, (P,), TRY),
    _rule((F,), K.NOT_FETCHED, is_staged, give_up_for_now, SETTLED, REPORT),
    _rule((H,), K.TOLD_APPLY, always, prove, (P,), TRY),
    _rule((P,), K.PROVEN, is_staged, switch, (X,), SWITCH),
    _rule((P,), K.NOT_TRIED, is_hopeless, reject_hopeless, SETTLED, DROP, COLLECT, REPORT),
    _rule((P,), K.NOT_TRIED, is_staged, prove_again, (P,), DROP, TRY),
    _rule((F, P, X), K.REFUTED, is_staged, reject_staged, SETTLED, DROP, COLLECT, REPORT),
    _rule((X,), K.SWITCHED, is_staged, taken_over, (W,), WATCH, REPORT),
    _rule((X,), K.NOT_SWITCHED, is_staged, give_up_for_now, SETTLED, DROP, REPORT),
    _rule((W,), K.SOAKED, is_booted, keep, (S,), COLLECT, REPORT),
    # The way back.
    _rule((W,), K.UNWELL, is_bad, leave, (R,), RETURN, REPORT),
    _rule((W,), K.UNWELL, is_booted, stop, (E,), STOP, REPORT),
    _rule((W,), K.DOWN, is_bad, leave, (R,), RETURN, REPORT),
    _rule((W,), K.DOWN, is_booted, stop, (E,), STOP, REPORT),
    _rule((S, F, H, P), K.DOWN, is_restless, leave_restless, (R,), DROP, RETURN, REPORT),
    _rule((S, F, H, P, X), K.DOWN, is_booted, start_again, (S, F, H, P, X), START),
    _rule((S, F, H, P, W), K.TOLD_BACK, can_go_back, go_back, (R,), DROP, RETURN, REPORT),
    _rule((R,), K.RETURNED, is_refuge, came_back, (S,), COLLECT, REPORT),
    _rule((R,), K.NOT_RETURNED, is_refuge, started_back, (S,), START, REPORT),
    _rule((R,), K.NOT_RETURNED, always, return_again, (R,), RETURN),
    # The server, and people.
    _rule((S, F, H, P, X, W), K.UP, is_booted, up, (S, F, H, P, X, W), REPORT),
    _rule(ALL, K.STEADY, is_booted, steady, ALL),
    _rule(ALL, K.TOLD_RETRY, is_rejected, forgive, ALL),
    # After any crash.
    _rule((X,), K.AWOKE, woke_switched, wake_watching, (W,), START, WATCH),
    _rule((P, X), K.AWOKE, woke_hopeless, wake_hopeless, SETTLED, START, COLLECT, REPORT),
    _rule((P, X), K.AWOKE, woke_with_both, wake_proving, (P,), START, TRY),
    _rule((H,), K.AWOKE, woke_with_both, wake, (H,), START),
    _rule((F,), K.AWOKE, woke_whole, wake, (F,), START, FETCH),
    _rule((W,), K.AWOKE, woke_worn, leave_worn, (R,), RETURN, REPORT),
    _rule((W,), K.AWOKE, woke_worn_alone, stop_worn, (E,), STOP, REPORT),
    _rule((W,), K.AWOKE, woke_whole, wake, (W,), START, WATCH),
    _rule((S, H, P, X), K.AWOKE, woke_whole, wake_settled, SETTLED, START),
    _rule((E,), K.AWOKE, woke_whole, wake_settled, SETTLED),
    _rule((S, F, H, P, X, W, R), K.AWOKE, woke_back, wake_returning, (R,), DROP, RETURN),
    _rule(ALL, K.AWOKE, woke_elsewhere, adopt, (S,), START),
    _rule(ALL, K.AWOKE, always, wake_empty, (E,), STOP, REPORT),
)
