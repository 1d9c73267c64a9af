"""A device in a few values, for checking the agent's state machine against everything that can happen to it.

The real executor keeps two rules that the world keeps too: the state is written before an effect begins, and an effect
that the state no longer asks for does not begin. Everything else may go wrong at any instant.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from edgewise.edge.agent.machine import is_wanted, step
from edgewise.edge.agent.state import Effect, EffectKind, Event, EventKind, Phase, Server, State

E, K = EventKind, EffectKind


@dataclass(frozen=True, kw_only=True)
class World:
    """`state` is what the journal holds; `served` whose server accepts connections; `proven` what passed its trial."""

    state: State = field(default_factory=State)
    awake: bool = False
    link: str = ""
    disk: frozenset[str] = frozenset()
    pending: tuple[Effect, ...] = ()
    served: str = ""
    proven: frozenset[str] = frozenset()
    rotten: int = 0
    """How many releases the disk may still lose by itself."""

    def key(self):
        s = self.state
        told = (s.wanted, s.withdrawn, frozenset(s.rejected), s.hold, s.tries, s.restarts)
        return (
            s.phase,
            s.server,
            s.booted,
            s.staged,
            s.rollback,
            told,
            self.awake,
            self.link,
            self.disk,
            self.pending,
            self.served,
            self.proven,
            self.rotten,
        )


def happen(world: World, event: Event) -> World:
    """The event is decided on, the journal written, and what is to be done is waiting."""
    state, effects = step(world.state, event)
    pending = tuple(dict.fromkeys((*world.pending, *effects)))
    return replace(world, state=state, pending=tuple(one for one in pending if is_wanted(state, one)))


def sleeping(world: World) -> Iterator[tuple[str, World]]:
    awake = replace(world, awake=True, pending=())
    woken = happen(awake, Event(kind=E.AWOKE, release=world.link, intact=world.disk))
    # A server that outlived its agent serves on until the new one takes over; any other is ended at once.
    yield "boot", replace(woken, served=woken.served if woken.served == woken.state.booted else "")


def done(world: World, effect: Effect) -> Iterator[tuple[str, World]]:
    """Every way that `effect` can end, half of it done included."""
    release, name = effect.release, f"{effect.kind} {effect.release}"
    rest = replace(world, pending=tuple(one for one in world.pending if one != effect))

    def then(label: str, kind: EventKind, made: World = rest, about: str = release) -> tuple[str, World]:
        return f"{name}: {label}", happen(made, Event(kind=kind, release=about, reason=f"{label} for a reason"))

    match effect.kind:
        case K.FETCH:
            yield then("here", E.FETCHED, replace(rest, disk=rest.disk | {release}))
            yield then("broken off", E.NOT_FETCHED)
            yield then("wrong for us", E.REFUTED)
        case K.TRY:
            if release in rest.disk:
                yield then("good", E.PROVEN, replace(rest, proven=rest.proven | {release}))
            yield then("bad", E.REFUTED)
            yield then("no memory", E.NOT_TRIED)
        case K.SWITCH:
            yield f"{name}: half", replace(world, link=release)
            yield then("done", E.SWITCHED, replace(rest, link=release, served=release))
            back = replace(rest, link=world.state.booted)
            yield then("not", E.NOT_SWITCHED, back)
            yield then("its server died", E.REFUTED, back)
        case K.WATCH:
            if world.served == release:
                yield then("well", E.SOAKED)
            yield then("bad", E.UNWELL)
        case K.START:
            if release in rest.disk and rest.link == release:
                yield then("up", E.UP, replace(rest, served=release))
            yield then("down", E.DOWN, replace(rest, served=""))
        case K.RETURN:
            yield f"{name}: half", replace(world, link=release)
            if release in rest.disk:
                yield then("done", E.RETURNED, replace(rest, link=release, served=release))
            yield then("server does not start", E.NOT_RETURNED, replace(rest, link=release, served=""))
            if world.link != release:
                yield then("link stays", E.NOT_RETURNED, rest, world.link)
        case K.STOP:
            yield f"{name}: half", replace(world, served="")
            yield name, replace(rest, served="", link="")
        case K.COLLECT:
            yield name, replace(rest, disk=rest.disk & (rest.state.needed | {rest.link}))
        case K.DROP | K.REPORT:
            yield name, rest


def outside(world: World, releases: str, *, withdraw: bool = True) -> Iterator[tuple[str, World]]:
    """What can come from the site, people, and bad luck."""
    for offered in ("", *releases):
        for withdrawn in ((), *(((gone,) for gone in releases if gone != offered) if withdraw else ())):
            for hold in (False, True):
                event = Event(kind=E.OFFERED, release=offered, withdrawn=withdrawn, hold=hold)
                yield f"offered {offered} hold={hold} withdrawn={withdrawn}", happen(world, event)
    yield "told to apply", happen(world, Event(kind=E.TOLD_APPLY))
    yield "told to go back", happen(world, Event(kind=E.TOLD_BACK))
    for release in releases:
        yield f"told to retry {release}", happen(world, Event(kind=E.TOLD_RETRY, release=release))
    if world.served and world.served == world.state.booted:
        died = replace(world, served="")
        yield "the server dies", happen(died, Event(kind=E.DOWN, release=world.served, reason="it died"))
        yield "steady", happen(world, Event(kind=E.STEADY, release=world.served))


def moves(world: World, releases: str, *, withdraw: bool = True) -> Iterator[tuple[str, World]]:
    """Everything that can happen next."""
    for release in sorted(world.disk) if world.rotten else ():
        yield f"{release} rots", replace(world, disk=world.disk - {release}, rotten=world.rotten - 1)
    if not world.awake:
        yield from sleeping(world)
        return
    yield "power cut", replace(world, awake=False, pending=(), served="")
    yield "agent killed", replace(world, awake=False, pending=())
    for effect in world.pending:
        yield from done(world, effect)
    yield from outside(world, releases, withdraw=withdraw)


def check(world: World) -> None:
    """The laws."""
    state = world.state
    assert world.served in world.proven | {""}, "something serves that was never proven here"
    assert world.link in world.proven | {""}, "`current` names what was never proven here"
    used = {state.rollback, state.staged, "" if state.phase is Phase.RETURNING else state.booted}
    assert not used & set(state.rejected), "something rejected is in use"
    assert not state.booted or state.booted not in (state.staged, state.rollback)
    assert state.reason, "no reason"
    if state.server is Server.UP:
        assert state.booted in world.proven
        assert state.booted not in state.withdrawn
    if not world.awake:
        return
    if state.phase is Phase.EMPTY:
        assert (state.booted, state.server) == ("", Server.DOWN)
    if world.served in state.rejected or (world.served and world.served in state.withdrawn):
        assert {one.kind for one in world.pending} & {K.RETURN, K.STOP, K.SWITCH}, "what was rejected serves on"
    busy = {
        Phase.FETCHING: K.FETCH,
        Phase.PROVING: K.TRY,
        Phase.SWITCHING: K.SWITCH,
        Phase.WATCHING: K.WATCH,
        Phase.RETURNING: K.RETURN,
    }
    if state.phase in busy:
        assert busy[state.phase] in {one.kind for one in world.pending}, "nothing goes on"
    if state.server is Server.STARTING:
        assert K.START in {one.kind for one in world.pending}, "nobody starts the server"
    for effect in world.pending:
        if effect.kind in (K.FETCH, K.TRY, K.SWITCH):
            assert effect.release not in state.rejected, "what was rejected is tried again"


def settle(world: World) -> World:
    """Everything pending ends well, after any crash; nothing else happens."""
    for _ in range(30):
        if not world.awake:
            _, world = next(sleeping(world))
        elif world.pending:
            endings = [one for name, one in done(world, world.pending[0]) if not name.endswith(": half")]
            world = endings[0]
        else:
            return world
    raise AssertionError("it never comes to rest")
