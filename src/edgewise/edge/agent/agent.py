"""The agent's process: what the machine decides is written down, then done. All decisions on one thread.

Slow effects run on threads of their own and come back as events. What touches `current` or the public socket is done
by the loop itself, one after the other, and only if the state still asks for it.
"""

import base64
import contextlib
import math
import queue
import random
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

from edgewise import __version__
from edgewise.edge import cases, unix
from edgewise.edge.agent import (
    backend,
    health,
    machine,
    notify,
    outbox,
    own,
    schedule,
    servers,
    settings,
    status,
    units,
)
from edgewise.edge.agent.backend import Backend, Running, Way
from edgewise.edge.agent.disk import Disk
from edgewise.edge.agent.figures import Tally
from edgewise.edge.agent.journal import Journal
from edgewise.edge.agent.servers import Processes
from edgewise.edge.agent.state import Effect, EffectKind, Event, EventKind, Phase, Server, State
from edgewise.edge.agent.units import Unit
from edgewise.errors import BadConfiguration, ChildFailed, EdgewiseError
from edgewise.exchange import message, signing
from edgewise.exchange.release import Release
from edgewise.runtimes.child import Child

TICK_S, FETCH_S, PROVE_S, ASK_S = 1.0, 24 * 3600.0, 120.0, 120.0
GOLDEN_EVERY_S, HANGS_S, REPLAY_S = 10.0, 8.0, 10.0
"""While a release is watched: how often its golden is replayed, how long one answer may take, and how long all of them.
A golden that is slow by nature is given twice what a round of it took when it was proven."""
START_S = 5.0
"""Allowed for the start of the child that replays, beside the replay's own bound."""
BACKOFF_S = (0.0, 1.0, 5.0, 30.0)
LOG_LINES = 20
MEMORY_SAMPLES = 64
CASES_EVERY_S, CASES_AT_ONCE = 5.0, 20
UNITS_EVERY_S = 30.0
"""How often units that were there at the last report are looked at."""
K, E = EffectKind, EventKind


class Agent:
    """The agent of the device whose files lie in `root`. `run` works until `stop` is called.

    Args:
        backends: what runs releases beside child processes, by the way in which it does.
        beside: looks at the units that run releases without the agent.

    Raises:
        BadConfiguration: the device is not enrolled, or agent.json has a fault.
    """

    def __init__(
        self,
        root: Path,
        *,
        backends: Mapping[Way, Backend] | None = None,
        beside: Callable[[], Sequence[Unit]] = tuple,
        now_s: Callable[[], float] = time.time,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        who = settings.identity(root)
        if who is None:
            raise BadConfiguration("this device is not enrolled", hint="edgewise agent enrol --hub URL --token TOKEN")
        self.settings, self.who = settings.read(root), who
        self.disk = Disk(root)
        self.backends: Mapping[Way, Backend] = {Way.PROCESS: Processes(self.disk), **(backends or {})}
        self._beside = beside
        self.key = signing.read_key(root / "device.key")
        self._now_s, self._clock_s = now_s, clock_s
        self.disk.run.mkdir(parents=True, exist_ok=True)
        self.journal = Journal(root / "journal", now_s=now_s)
        self.events: queue.SimpleQueue[Event | Callable[[], None] | None] = queue.SimpleQueue()
        self._public: socket.socket | None = None
        self._serving: Running | None = None
        self._candidate: Running | None = None
        self._orphans: list[tuple[int, str]] = []
        self._watch_from_s = self._up_from_s = self._golden_at_s = 0.0
        self._memory: list[tuple[float, int]] = []
        self._round_s: dict[str, float] = {}
        self._collect_cases_at_s = self._units_at_s = 0.0
        self._units: tuple[Unit, ...] = ()
        self._failures, self._poll_at_s, self._sequence = 0, 0.0, max(who.sequence, outbox.newest(root / "outbox"))
        self._tally, self._said, self._reported_at_s = Tally(), deque[str](maxlen=LOG_LINES), clock_s()
        self._sending, self._to_send = threading.Lock(), False
        self._starting = ""
        self._polling = self._looking = False
        self._told_to_fetch = self._renewing = False
        self.renewed = False
        self._running: list[Running] = []
        self._remembering = threading.Lock()
        self._opening = threading.Lock()

    @property
    def state(self) -> State:
        """What the journal holds."""
        return self.journal.state

    def run(self) -> None:
        """Work until `stop`; then end the servers, which answer first what is under way.

        Where `renewed` is true afterwards, they serve on: other code is to run in this process, and takes over.
        """
        self._wake()
        notify.tell("READY=1")
        try:
            while True:
                try:
                    found = self.events.get(timeout=TICK_S)
                except queue.Empty:
                    self._tick()
                    continue
                if found is None:
                    return
                if isinstance(found, Event):
                    self.happen(found)
                else:
                    found()
                self._tick()
        finally:
            if self.renewed and self._public is not None:
                servers.hand_on(self._public, self.settings.listen)
            elif not self.renewed:
                notify.tell("STOPPING=1")
                self._end(self._candidate)
                self._end(self._serving)
                if self._public is not None:
                    self._public.close()

    def stop(self) -> None:
        """Let `run` come to its end. From any thread, and from a signal."""
        self.events.put(None)

    def happen(self, event: Event) -> None:
        """Decide on `event`, write it down, and begin what follows.

        Where the journal cannot be written, nothing has happened: the event is offered again a little later.
        """
        before = self.state
        after, effects = machine.step(before, event)
        if after == before and not effects:
            return
        try:
            self.journal.write(event, after)
        except EdgewiseError:
            self._later(5.0, lambda: self.events.put(event))
            return
        self._tally.happen(event, before, after)
        self._said.append(_line(event, after))
        for effect in effects:
            self._begin(effect)

    def tell(self, what: str, release: str = "") -> None:
        """A person's word: fetch, apply, rollback, retry. What a person says does not wait for a window."""
        kinds = {"apply": E.TOLD_APPLY, "rollback": E.TOLD_BACK, "retry": E.TOLD_RETRY}
        if what == "retry":
            own.forgive(self.disk.root)
        if what in kinds:
            self.events.put(Event(kind=kinds[what], release=release))
        if what in ("fetch", "apply", "retry"):
            self.events.put(lambda: self._poll(hold=what == "fetch"))

    def _wake(self) -> None:
        self._orphans = servers.orphans(self.disk.run / "servers.json")
        linked = self.disk.serves()
        self.happen(Event(kind=E.AWOKE, release=linked, intact=self.disk.whole()))
        for pid, release in [one for one in self._orphans if one[1] != self.state.booted]:
            servers.end_orphan(pid, drain_s=5.0)
            self._orphans.remove((pid, release))

    # Effects.

    def _begin(self, effect: Effect) -> None:
        if not machine.is_wanted(self.state, effect):
            return
        match effect.kind:
            case K.FETCH:
                self._aside(self._fetch, effect.release)
            case K.TRY:
                self._aside(self._try, effect.release)
            case K.SWITCH:
                self._switch(effect.release)
            case K.WATCH:
                self._watch_from_s = self._golden_at_s = self._clock_s()
                self._memory = []
            case K.START:
                self._start(effect.release)
            case K.RETURN:
                self._return(effect.release)
            case K.STOP:
                self._stop_serving()
            case K.DROP:
                candidate, self._candidate = self._candidate, None
                self._aside(self._end, candidate)
            case K.COLLECT:
                self._aside(self._collect)
            case K.REPORT:
                self._report()

    def _fetch(self, release: str) -> None:
        left_s = math.inf if self._told_to_fetch else schedule.left_s(self.settings.download_minutes(), self._minute())
        if not left_s:
            reason = "the hours in which this device downloads are over; what has come is kept"
            self.events.put(Event(kind=E.NOT_FETCHED, release=release, reason=reason))
            return
        try:
            told = self._outside(
                "fetch",
                min(FETCH_S, left_s),
                tree=list(self.settings.tree),
                site=self.who.site,
                release=release,
                containers=self.settings.containers,
                there=sorted(self.backends),
                bytes_per_s=self.settings.bandwidth_bytes_per_s,
            )
            if not told["refuted"]:
                made = self.disk.read(release)
                self._backend(made).stage(made)
        except EdgewiseError as error:
            self.events.put(Event(kind=E.NOT_FETCHED, release=release, reason=error.message))
            return
        if told["refuted"]:
            self.events.put(Event(kind=E.REFUTED, release=release, reason=told["refuted"]))
        else:
            self.events.put(Event(kind=E.FETCHED, release=release))

    def _try(self, release: str) -> None:
        """Start it on a private socket, replay its golden, measure it."""
        try:
            made = self.disk.read(release)
            lacking = _lacking_memory(made.allowance.memory_bytes)
            if lacking:
                self.events.put(Event(kind=E.NOT_TRIED, release=release, reason=lacking))
                return
            candidate = self._server(release)
        except EdgewiseError as error:
            self.events.put(Event(kind=E.NOT_TRIED, release=release, reason=error.message))
            return
        reason = candidate.ready(self.settings.ready_s)
        if not reason:
            try:
                told = self._proven(candidate)
                self._round_s = {release: told["round_s"]}
                resident = candidate.resident_bytes()
                reason = told["wrong"] or health.over_budget(made.allowance, resident, told["latency_p99_ms"])
            except ChildFailed as error:
                candidate.stop(drain_s=1.0)
                self.events.put(Event(kind=E.NOT_TRIED, release=release, reason=error.message))
                return
        if reason:
            candidate.stop(drain_s=1.0)
            self.events.put(Event(kind=E.REFUTED, release=release, reason=reason))
            return
        self.events.put(lambda: self._take_candidate(candidate))

    def _take_candidate(self, candidate: Running) -> None:
        """On the loop: what was given up meanwhile is ended, all else may take over."""
        if self.state.phase is not Phase.PROVING or self.state.staged != candidate.release:
            self._aside(self._end, candidate)
            return
        self._candidate = candidate
        self.happen(Event(kind=E.PROVEN, release=candidate.release))

    def _switch(self, release: str) -> None:
        """One rename; then the new one accepts, and the old one answers what it has and ends."""
        new = self._candidate
        if new is None or new.release != release or new.ended():
            how = "" if new is None else new.ended()
            self.happen(Event(kind=E.REFUTED, release=release, reason=how or "its server ended before it took over"))
            return
        try:
            self.disk.point(release)
        except EdgewiseError as error:
            if self.disk.serves() != release:
                self.happen(Event(kind=E.NOT_SWITCHED, release=release, reason=error.message))
                return
        self._candidate = None
        self._serve(new)
        self.happen(Event(kind=E.SWITCHED, release=release))

    def _serve(self, new: Running) -> None:
        """Let `new` accept, and end whatever served before."""
        old, self._serving = self._serving, new
        new.accept()
        self._up_from_s = self._clock_s()
        self._remember()
        self._aside(self._await_end, new)
        self._aside(self._end, old)
        self._let_orphans_go()

    def _let_orphans_go(self) -> None:
        """End servers that an earlier agent has left, and remove what is left of them."""
        orphans, self._orphans = self._orphans, []

        def end() -> None:
            for pid, _ in orphans:
                servers.end_orphan(pid)
            self._collect()

        if orphans:
            self._aside(end)

    def _start(self, release: str) -> None:
        wait_s = BACKOFF_S[min(self.state.restarts, len(BACKOFF_S) - 1)]
        if self._starting != release:
            self._starting = release
            self._later(wait_s, lambda: self._aside(self._bring_up, release, E.UP, E.DOWN))

    def _return(self, release: str) -> None:
        if self.disk.serves() != release:
            try:
                self.disk.point(release)
            except EdgewiseError as error:
                event = Event(kind=E.NOT_RETURNED, release=self.disk.serves(), reason=error.message)
                self._later(2.0, lambda: self.events.put(event))
                return
        self._aside(self._bring_up, release, E.RETURNED, E.NOT_RETURNED)

    def _bring_up(self, release: str, good: EventKind, bad: EventKind) -> None:
        """Start the server of `release`, and let it take over when it is ready."""
        try:
            new = self._server(release)
            reason = new.ready(self.settings.ready_s)
            if reason:
                new.stop(drain_s=1.0)
        except EdgewiseError as error:
            reason = error.message

        def then() -> None:
            self._starting = ""
            if reason:
                if bad is E.NOT_RETURNED:
                    old, self._serving = self._serving, None
                    self._aside(self._end, old)
                self.happen(Event(kind=bad, release=release, reason=reason))
            elif self.disk.serves() != release or release in self.state.rejected:
                self._aside(self._end, new)
            else:
                self._serve(new)
                self.happen(Event(kind=good, release=release))

        self.events.put(then)

    def _stop_serving(self) -> None:
        old, self._serving = self._serving, None
        self._aside(self._end, old)
        self._let_orphans_go()
        if self._public is not None:
            self._public.close()  # clients are refused at once, and do not wait for nobody
            self._public = None
        with contextlib.suppress(EdgewiseError):
            self.disk.point("")

    # Servers.

    def _server(self, release: str) -> Running:
        made = self.disk.read(release)
        with self._opening:  # two servers begin at once where an agent wakes within an update: of one socket
            if self._public is None:
                self._public = servers.listening(self.settings.listen)
            public = self._public
        begun = self._backend(made).start(release, made, public, self._ended)
        self._running.append(begun)
        self._remember()
        return begun

    def _backend(self, made: Release) -> Backend:
        """What runs `made` here.

        Raises:
            BadConfiguration: nothing does any more.
        """
        if reason := backend.unfit(made, self.settings.containers, self.backends):
            raise BadConfiguration(f"{made.version} cannot run here: {reason}", hint="containers in agent.json")
        return self.backends[backend.way(made, self.settings.containers)]

    def _ended(self, server: Running) -> None:
        """On a thread of its own: a server that nobody has told to end has ended."""
        reason = server.ended()

        def then() -> None:
            if self._serving is server:
                self._serving = None
                self.happen(Event(kind=E.DOWN, release=server.release, reason=reason))

        self.events.put(then)

    def _await_end(self, server: Running) -> None:
        server.wait()

    def _end(self, server: Running | None) -> None:
        if server is not None:
            self._count(server)
            server.stop()
            self._tally.forget(server.private)

    def _remember(self) -> None:
        """Every server that was started is written down, so that none outlives two agents."""
        with self._remembering:
            self._running = [one for one in self._running if not one.ended()]
            with contextlib.suppress(EdgewiseError):
                servers.remember(self.disk.run / "servers.json", self._running, self._orphans)

    def _proven(
        self, server: Running, rounds: int = 3, answer_s: float = 60.0, whole_s: float | None = None
    ) -> dict[str, Any]:
        if server.proof is None:
            return {"wrong": "", "latency_p99_ms": 0.0, "round_s": 0.0}
        with (
            self._tally.asking(server.private) as asked,
            Child("edgewise.edge.agent.proving", name="the proof of a release") as child,
        ):
            folder, private = str(server.proof), str(server.private)
            given = {"folder": folder, "private": private, "rounds": rounds, "answer_s": answer_s}
            if whole_s is None:
                told = dict(child.call("prove", timeout_s=PROVE_S, **given))
            else:
                told = dict(child.call("prove", timeout_s=whole_s + START_S, whole_s=whole_s, **given))
            asked(told["asked"])
            return told

    # Time.

    def _tick(self) -> None:
        notify.tell("WATCHDOG=1")
        now_s = self._clock_s()
        if self.state.phase is Phase.WATCHING and self._serving is not None and self.state.server is Server.UP:
            self._look_after(now_s)
        if self.state.restarts and self.state.server is Server.UP and now_s - self._up_from_s > self.settings.steady_s:
            self.happen(Event(kind=E.STEADY, release=self.state.booted))
        if self.settings.hub and now_s - self._reported_at_s >= self.settings.report_s:
            self._report()
        if self.settings.hub and self._units and now_s >= self._units_at_s:
            self._units_at_s = now_s + UNITS_EVERY_S
            self._aside(self._look_beside)
        if now_s >= self._collect_cases_at_s:
            self._escalate()
        if now_s >= self._poll_at_s and not self._polling:
            self._poll()

    def _look_after(self, now_s: float) -> None:
        server = self._serving
        if server is None or server.release != self.state.booted:
            return
        try:
            made = self.disk.read(server.release)
        except EdgewiseError:
            return
        age_s, resident = now_s - self._watch_from_s, server.resident_bytes()
        if not self._memory or age_s >= self._memory[-1][0] + made.soak_s / MEMORY_SAMPLES:
            self._memory.append((age_s, resident))
        over = age_s >= made.soak_s
        reason = health.over_budget(made.allowance, resident, None)
        if over and not reason:
            reason = health.leak(self._memory, made.allowance.memory_bytes)
        if reason:
            self.happen(Event(kind=E.UNWELL, release=server.release, reason=reason))
            return
        if not self._looking and (now_s >= self._golden_at_s or over):
            self._looking = True
            self._aside(self._look_closer, server, over)

    def _look_closer(self, server: Running, last: bool) -> None:
        """The golden once more, and what the server has counted."""
        reason = ""
        try:
            made = self.disk.read(server.release)
            took_s = self._round_s.get(server.release)  # unknown where another process has proven it
            whole_s = None if took_s is None else max(REPLAY_S, 2 * took_s)
            told = self._proven(server, rounds=1, answer_s=HANGS_S, whole_s=whole_s)
            self._round_s.setdefault(server.release, told["round_s"])
            latency = told["latency_p99_ms"] if last else None
            counted = health.read(metrics(server.private)) if server.proof is not None else health.Counted()
            reason = told["wrong"] or health.unwell(made.allowance, counted, server.resident_bytes(), latency)
        except (EdgewiseError, OSError, ValueError) as error:
            reason = f"it could not be looked at: {error}"

        def then() -> None:
            self._looking, self._golden_at_s = False, self._clock_s() + GOLDEN_EVERY_S
            if self._serving is not server:
                return
            kind = E.UNWELL if reason else E.SOAKED
            if reason or last:
                self.happen(Event(kind=kind, release=server.release, reason=reason))

        self.events.put(then)

    def _poll(self, *, hold: bool | None = None) -> None:
        self._polling = True
        self._aside(self._ask, hold)

    def _ask(self, hold: bool | None) -> None:
        """Ask the tree whose turn it is; `hold` is a person's word, None where nobody has said anything."""
        try:
            told = self._outside(
                "follow",
                ASK_S,
                tree=list(self.settings.tree),
                device=self.who.device,
                site=self.who.site,
                labels=self.who.labels,
                running=self.state.booted,
            )
        except ChildFailed as error:
            reason = error.message
            self.events.put(lambda: self._asked(None, reason))
            return
        shut = not schedule.is_open(self.settings.minutes(), self._minute())
        held = hold if hold is not None else shut or self.settings.apply == "told"
        due, gone, state = told["due"], tuple(told["withdrawn"]), self.state
        self._told_to_fetch = hold is not None
        if not self._told_to_fetch and not schedule.is_open(self.settings.download_minutes(), self._minute()):
            due = schedule.postponed(due, booted=state.booted, staged=state.staged, withdrawn=gone)
        offered = Event(kind=E.OFFERED, release=due, withdrawn=gone, hold=held)
        self.events.put(lambda: self._asked(offered, ""))

    def _minute(self) -> int:
        """Of the day, by the device's own clock."""
        local = time.localtime(self._now_s())
        return local.tm_hour * 60 + local.tm_min

    def _asked(self, offered: Event | None, reason: str) -> None:
        self._polling = False
        self._failures = 0 if offered is not None else self._failures + 1
        self._poll_at_s = self._clock_s() + schedule.wait_s(self.settings.poll_s, self._failures, random.random())  # noqa: S311
        if offered is not None:
            self._renew()
            self.happen(offered)
            if self.state.phase is Phase.HOLDING and not offered.hold:
                self.happen(Event(kind=E.TOLD_APPLY))
        else:
            notify.tell(f"STATUS={reason}")
        self._aside(self._send)

    def _renew(self) -> None:
        """A poll was answered: this code works. Then take the agent that the kept release brings, if it is another."""
        if self.renewed:
            return
        with contextlib.suppress(EdgewiseError):
            own.confirm(self.disk.root, own.running(self.disk.root))
            settled = self.state.phase is Phase.SERVING and self.state.server is Server.UP
            if settled and not self._renewing and own.wanted(self.disk.root, self.disk.read(self.state.booted)):
                self._renewing = True
                self._aside(self._prepare, self.state.booted)

    def _prepare(self, release: str) -> None:
        """Lay the agent of `release` out and check it, beside this one."""
        root, agent = self.disk.root, ""
        with contextlib.suppress(EdgewiseError):
            wanted = own.wanted(root, self.disk.read(release))
            self._outside("lay_out_agent", ASK_S, agent=wanted)
            if reason := own.unfit(root, wanted):
                own.refuse(root, wanted, reason)
                self.events.put(self._report)
            else:
                agent = wanted

        def then() -> None:
            self._renewing = False
            if agent and self.state.phase is Phase.SERVING and self.state.booted == release:
                with contextlib.suppress(EdgewiseError):
                    own.begin(root, agent, self.settings.agent_bound_s)
                    self.renewed = True
                    self.stop()

        self.events.put(then)

    def _collect(self) -> None:
        with contextlib.suppress(EdgewiseError):
            needed = self.state.needed
            self._outside("collect", ASK_S, needed=sorted(needed), containers=self.settings.containers)
            for one in self.backends.values():
                one.collect(needed)

    def _report(self) -> None:
        """Keep a report for the hub; a full disk or a hub that is away stops nothing."""
        self._sequence = 1 + max(self._sequence, outbox.newest(self.disk.root / "outbox"))
        self._reported_at_s = self._clock_s()
        said = tuple(self._said)
        self._said.clear()
        self._aside(self._say, self.state, self._sequence, self._serving, said)

    def _look_beside(self) -> None:
        """Report once more where a unit is not as it was reported."""
        if tuple(self._beside()) != self._units:
            self.events.put(self._report)

    def _escalate(self) -> None:
        """Sign what servers have escalated, and keep it for the hub; where that fails, it waits where it is."""
        self._collect_cases_at_s = self._clock_s() + CASES_EVERY_S
        taken = 0
        for name, found in cases.take(self.disk.cases, CASES_AT_ONCE):
            self._sequence = 1 + max(self._sequence, outbox.newest(self.disk.root / "outbox"))
            made = message.Case(
                id=name[:32],
                device=self.who.device,
                site=self.who.site,
                sequence=self._sequence,
                time_s=max(0, int(self._now_s())),
                release=self.state.booted,
                model=found.model,
                why=found.why,
                prediction=found.prediction,
                confidence=found.confidence,
                input_digest=found.digest,
                input_media_type=found.media_type,
                input=base64.b64encode(found.input).decode(),
            )
            try:
                outbox.put(self.disk.root / "outbox", made, self.key)
                cases.forget(self.disk.cases, name)
            except EdgewiseError:
                break
            self._tally.escalate()
            taken += 1
        if taken:
            self._aside(self._send)

    def _say(self, state: State, sequence: int, server: Running | None, said: tuple[str, ...]) -> None:
        """Sign how it was at `state`, with what was counted since the report before, and send it."""
        if server is not None:
            self._count(server)
        figures, counted = self._tally.take(server.resident_bytes() if server is not None else 0)
        found = self._units = tuple(self._beside())
        unwell = self._outside_limits(state, figures, counted) or units.unwell(found)
        made = message.Report(
            id=uuid4().hex,
            device=self.who.device,
            site=self.who.site,
            sequence=sequence,
            time_s=max(0, int(self._now_s())),
            status=status.word(state, unwell, found),
            reason=status.sentence(state, unwell, found),
            booted=state.booted,
            staged=state.staged,
            rollback=state.rollback,
            rejected=tuple(state.rejected),
            labels=self.who.labels,
            agent_version=__version__,
            figures=figures,
            log=(*said, *map(str, found)),
        )
        with contextlib.suppress(EdgewiseError):
            outbox.put(self.disk.root / "outbox", made, self.key)
        notify.tell(f"STATUS={made.status.value}: {made.reason}")
        self._send()

    def _count(self, server: Running) -> None:
        with contextlib.suppress(OSError, ValueError):
            self._tally.count(server.private, health.read(metrics(server.private)))

    def _outside_limits(self, state: State, figures: message.Figures, counted: health.Counted) -> str:
        """What of the limits of the booted release was exceeded, or which part of it is not run, in a sentence."""
        if figures.restarts:
            return f"its server had to be started again: {state.reason}"
        try:
            made = self.disk.read(state.booted)
        except EdgewiseError:
            return ""
        over = health.unwell(made.allowance, counted, int(figures.memory_bytes or 0), None)
        return over or own.refusal(self.disk.root, made)

    def _send(self) -> None:
        """Send what waits; a word that comes while somebody sends is heeded by whoever sends."""
        self._to_send = bool(self.settings.hub)
        while self._to_send and self._sending.acquire(blocking=False):
            self._to_send = False
            try:
                with contextlib.suppress(ChildFailed):
                    self._outside("report", ASK_S, hub=self.settings.hub.rstrip("/"))
            finally:
                self._sending.release()

    def _outside(self, command: str, timeout_s: float, **arguments: Any) -> dict[str, Any]:
        with Child("edgewise.edge.agent.outside", name="the agent's errand") as child:
            return dict(child.call(command, timeout_s=timeout_s, root=str(self.disk.root), **arguments) or {})

    def _aside(self, work: Callable[..., None], *arguments: Any) -> None:
        threading.Thread(target=work, args=arguments, daemon=True).start()

    def _later(self, wait_s: float, work: Callable[[], object]) -> None:
        if wait_s <= 0:
            work()
            return
        timer = threading.Timer(wait_s, lambda: self.events.put(lambda: (work(), None)[1]))
        timer.daemon = True
        timer.start()


def _line(event: Event, after: State) -> str:
    """What happened, for people at the hub."""
    release = event.release.removeprefix("sha256:")[:12]
    what = " ".join(part for part in (event.kind.value, release) if part)
    return f"{what} -> {after.phase.value}" + (f": {event.reason}" if event.reason else "")


def metrics(private: Path) -> str:
    """The page /metrics of the server at the socket `private`."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(5.0)
        with unix.address(private) as short:
            connection.connect(short)
        connection.sendall(b"GET /metrics HTTP/1.1\r\nHost: server\r\nConnection: close\r\n\r\n")
        content = b""
        while piece := connection.recv(1 << 16):
            content += piece
            if len(content) > 4 << 20:
                raise ValueError("its page of metrics has no end")
    return content.partition(b"\r\n\r\n")[2].decode(errors="replace")


def _lacking_memory(wanted_bytes: int | None) -> str:
    """Why the device has not the memory for one server more; "" where it has."""
    if wanted_bytes is None:
        return ""
    found = 0
    with contextlib.suppress(OSError, ValueError, StopIteration):
        lines = Path("/proc/meminfo").read_text().splitlines()
        found = int(next(line for line in lines if line.startswith("MemAvailable")).split()[1]) << 10
    if found and found < wanted_bytes:
        return f"{found >> 20} MiB of memory are free, and its server may take {wanted_bytes >> 20} MiB"
    return ""
