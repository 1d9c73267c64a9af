"""The devices, as arrays, and one rollout over them: loss, wrong clocks, weeks without a network, faulty hardware.

Time goes by ticks. In each, devices that are due to poll read what is offered, those that were at work end it as chance
and their hardware have it, and what was said before arrives, is lost, or arrives twice. The decision is the real one,
and is held against its laws every time.
"""

import functools
import random
from dataclasses import dataclass, field

import numpy as np

from edgewise.core.rollouts.decide import decide
from edgewise.core.rollouts.health import failing
from edgewise.core.rollouts.policy import Policy, Rollout, State
from edgewise.edge.agent.state import EffectKind
from edgewise.exchange import offer
from edgewise.exchange.message import Figures, Report
from fleet_simulation.hearing import SITE, Hearing, identifier
from fleet_simulation.machines import NEW, OLD, Machines

TICK_S, POLL_S, STEP_S, REPORT_S, WORK_S = 300, 900, 900, 3600, 600
AFTERWARDS_S, LONGEST_S = 21600, 14 * 86400
LOST, ANSWER_LOST, CUT = 0.1, 0.05, 0.002
"""Of deliveries: that do not arrive, and of which the device does not hear; of steps of an update: the power fails."""
FAULTY_PROOF, FAULTY_LATER = 0.003, 0.002
"""Of devices: whose hardware reproduces no golden of a new release, and whose server dies while it is watched."""
AWAY_SHARE, AWAY_LONG = 0.04, 0.25
"""Of devices that are without a network when a rollout begins, and of these for weeks and not for hours."""
REQUESTS = 600
"""Of a device in an hour."""
offer.place = functools.cache(offer.place)  # pure, and asked for each device in every decision


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A release, as its devices will find it.

    Attributes:
        unproven: share of devices on which it misses its golden.
        unwell: share of devices on which it fails while it is watched.
        error_share: of requests, once it has been kept for `onset_s`; 0.1 % until then, and under the old release.
    """

    name: str
    unproven: float = 0.0
    unwell: float = 0.0
    error_share: float = 0.001
    onset_s: int = 0


@dataclass(slots=True, kw_only=True)
class Outcome:
    """What became of a rollout.

    Attributes:
        ended_h: hours until it was done or withdrawn.
        tried, served: devices that fetched the new release, and whose clients were ever answered by it.
        on_new, on_old, neither: where devices are in the end, all of them having come back.
        again: devices that took it twice.
        reports: that arrived, one that arrives twice counted twice.
        doubled_taken: of these, those that had arrived before.
    """

    state: State = State.RUNNING
    reason: str = ""
    ended_h: float = 0.0
    stages: list[tuple[float, int]] = field(default_factory=list)
    tried: int = 0
    served: int = 0
    on_new: int = 0
    on_old: int = 0
    neither: int = 0
    again: int = 0
    reports: int = 0
    doubled_taken: int = 0
    steps: int = 0
    worlds: int = 0


class Fleet:
    """Devices that follow one site, from the beginning of one rollout to its end."""

    def __init__(self, hearing: Hearing, kind: Kind, policy: Policy, seed: int) -> None:
        self.hearing, self.kind, self.policy = hearing, kind, policy
        self.chance, self.shuffle = np.random.default_rng(seed), random.Random(seed)
        size = len(hearing.ids)
        self.machines = Machines()
        self.world = np.full(size, self.machines.begun)
        self.place = np.array([offer.place(one, NEW) for one in hearing.ids]) * 100
        self.ringed = np.array([one.get("ring") == "canary" for one in hearing.labels])
        self.poll_s = self.chance.integers(0, POLL_S, size)
        self.work_s = np.full(size, -1)
        self.kept_s = np.full(size, -1)
        self.said_s = np.zeros(size, int)
        self.sequence = np.zeros(size, int)
        away = self.chance.random(size) < AWAY_SHARE
        weeks = self.chance.random(size) < AWAY_LONG
        length = np.where(weeks, self.chance.uniform(2, 12, size) * 86400, self.chance.exponential(7200, size))
        self.back_s = np.where(away, length, 0).astype(int)
        self.skew_s = np.where(self.chance.random(size) < 0.05, self.chance.integers(-90000, 90000, size), 0)
        self.skew_s[self.chance.random(size) < 0.01] = -(1 << 40)  # 1970
        self.unproven = self.chance.random(size) < max(kind.unproven, FAULTY_PROOF)
        self.unwell = self.chance.random(size) < max(kind.unwell, FAULTY_LATER)
        self.moved = np.zeros(size, int)
        self.tried, self.served = np.zeros(size, bool), np.zeros(size, bool)
        self.due = np.zeros(size, bool)
        self.waiting: list[tuple[int, Report]] = []
        self.arrived: set[str] = set()

    def run(self) -> Outcome:
        """Roll out, and see everybody come to rest."""
        rollout = Rollout(name="bench", policy=self.policy, state=State.RUNNING, stage=0, since_s=0)
        made = Outcome(stages=[(0.0, 0)])
        now_s, over_s = 0, LONGEST_S
        while now_s < over_s:
            self.tick(now_s, rollout, made)
            if now_s % STEP_S == 0 and rollout.state is State.RUNNING:
                after = self.decided(rollout, now_s, made)
                if after.stage > rollout.stage:
                    made.stages.append((now_s / 3600, after.stage))
                rollout = after
                if rollout.state is not State.RUNNING:
                    made.ended_h, over_s = now_s / 3600, now_s + AFTERWARDS_S
            now_s += TICK_S
        self.back_s[:] = 0
        for _ in range(4 * POLL_S // TICK_S):
            self.tick(now_s, rollout, made, says=False)
            now_s += TICK_S
        served, made.state, made.reason = self.machines.served()[self.world], rollout.state, rollout.reason
        made.on_old, made.on_new, made.neither = (int((served == which).sum()) for which in range(3))
        made.tried, made.served = int(self.tried.sum()), int(self.served.sum())
        made.again, made.worlds = int((self.moved > 1).sum()), len(self.machines)
        return made

    def decided(self, rollout: Rollout, now_s: int, made: Outcome) -> Rollout:
        """The real decision, held against its laws."""
        said = self.hearing.heard()
        after = decide(rollout, NEW, said, now_s)
        made.steps += 1
        assert after.stage - rollout.stage in (0, 1), "it skipped a stage"
        if after.stage > rollout.stage or after.state is State.DONE:
            assert not failing(rollout, NEW, said, now_s), "it went wider on failing health"
        if made.steps % 8 == 1:
            mixed = [*said, *self.shuffle.sample(said, len(said) // 10)]
            self.shuffle.shuffle(mixed)
            assert decide(rollout, NEW, mixed, now_s) == after, "order or doubles decided"
        return after

    def tick(self, now_s: int, rollout: Rollout, made: Outcome, *, says: bool = True) -> None:
        """What happens until `now_s` + a tick."""
        online = self.back_s <= now_s
        self.offer(rollout, online & (self.poll_s <= now_s) & (self.work_s < 0), now_s)
        ready = (self.work_s >= 0) & (self.work_s <= now_s)
        if ready.any():
            before = self.machines.booted()[self.world]
            self.play(np.flatnonzero(ready))
            self.work_s[ready] = -1
            booted = self.machines.booted()[self.world]
            self.kept_s[(booted == 1) & (before != 1)] = now_s
        if says:
            hourly = (self.kept_s >= 0) & online & (now_s - self.said_s >= REPORT_S)
            hourly &= rollout.state is State.RUNNING  # what comes later decides nothing
            self.say(np.flatnonzero(ready | hourly), now_s)
            self.deliver(online, made, now_s)

    def offer(self, rollout: Rollout, polls: np.ndarray, now_s: int) -> None:
        """Those that poll read what is signed now."""
        self.poll_s[polls] += POLL_S
        self.poll_s[polls & (self.poll_s <= now_s)] = now_s + POLL_S
        gone = (NEW,) if rollout.state is State.FAILED else ()
        stage = self.policy.offered(rollout.stage, rollout.name)
        turn = self.ringed & bool(stage.rings) | (self.place < stage.percent)
        due = np.full_like(turn, rollout.state is State.DONE) | (turn & (rollout.state is State.RUNNING))
        if not gone:
            assert not (self.due & ~due).any(), "a device whose turn it was is out again"
            for one in self.chance.integers(0, len(due), 8) if rollout.state is State.RUNNING else ():
                assert due[one] == offer.turn(self.hearing.ids[one], self.hearing.labels[one], NEW, stage)
        self.due = due
        for wants, release in ((polls & due, NEW), (polls & ~due, OLD)):
            for number in np.unique(self.world[wants]):
                these = wants & (self.world == number)
                after = self.machines.offered(int(number), release, gone)
                self.world[these] = after
                if self.machines.effect(after) not in (None, EffectKind.REPORT, EffectKind.COLLECT):
                    self.work_s[these] = now_s + WORK_S

    def play(self, devices: np.ndarray) -> None:
        """Let everything that `devices` are about to do end, one step after the other."""
        while len(devices):
            before, world = self.world[devices], self.world[devices].copy()
            for number in map(int, np.unique(before)):
                these = before == number
                if self.machines.sleeps(number):
                    world[these] = self.machines.booted_again(number)
                    continue
                effect = self.machines.effect(number)
                if effect is None:
                    continue
                for how, mask in self.endings(effect, devices[these]):
                    world[np.flatnonzero(these)[mask]] = self.machines.ended(number, how)
                cut = self.chance.random(int(these.sum())) < CUT
                for lost in map(int, np.unique(world[np.flatnonzero(these)[cut]])):
                    at = np.flatnonzero(these)[cut]
                    world[at[world[at] == lost]] = self.machines.cut(lost)
            booted, served = self.machines.booted(), self.machines.served()
            self.moved[devices] += (booted[before] != 1) & (booted[world] == 1)
            self.served[devices] |= served[world] == 1
            self.world[devices] = world
            busy = [self.machines.sleeps(one) or self.machines.effect(one) is not None for one in map(int, world)]
            devices = devices[np.array(busy, bool)]

    def endings(self, effect: EffectKind, devices: np.ndarray) -> list[tuple[str, np.ndarray]]:
        """How `effect` ends, and for which of `devices`."""
        size, every = len(devices), np.ones(len(devices), bool)
        match effect:
            case EffectKind.FETCH:
                here = self.chance.random(size) >= LOST
                return [("here", here), ("broken off", ~here)]
            case EffectKind.TRY:
                self.tried[devices] = True
                bad = self.unproven[devices]
                return [("good", ~bad), ("bad", bad)]
            case EffectKind.SWITCH:
                half = self.chance.random(size) < CUT
                return [("done", ~half), ("half", half)]
            case EffectKind.WATCH:
                bad = self.unwell[devices]
                return [("well", ~bad), ("bad", bad)]
            case EffectKind.START:
                return [("up", every)]
        return [("done", every)]

    def say(self, devices: np.ndarray, now_s: int) -> None:
        """Reports of `devices`, kept by them until the hub has said that it has them."""
        for one in map(int, devices):
            status, booted, rejected = self.machines.said(int(self.world[one]))
            share = self.kind.error_share if booted == NEW and now_s - self.kept_s[one] >= self.kind.onset_s else 0.001
            requests = REQUESTS * min(now_s - int(self.said_s[one]), REPORT_S) // 3600
            errors = int(self.chance.binomial(requests, share))
            self.sequence[one] += 1
            self.said_s[one] = now_s
            report = Report(
                id=identifier(),
                device=self.hearing.ids[one],
                site=SITE,
                sequence=int(self.sequence[one]),
                time_s=max(0, 1_800_000_000 + now_s + int(self.skew_s[one])),
                status=status,
                booted=booted,
                rejected=rejected,
                labels=self.hearing.labels[one],
                figures=Figures(requests=requests, errors=errors),
            )
            self.waiting.append((one, report))

    def deliver(self, online: np.ndarray, made: Outcome, now_s: int) -> None:
        """What waits arrives in any order, or not this time; of some, the device does not hear that it has arrived."""
        if not self.waiting:
            return
        self.shuffle.shuffle(self.waiting)
        dice = self.chance.random(len(self.waiting))
        arrives = [online[one] and dice[at] >= LOST for at, (one, _) in enumerate(self.waiting)]
        self.hearing.take([report for (_, report), here in zip(self.waiting, arrives, strict=True) if here], now_s)
        again = []
        for at, (one, here) in enumerate(zip(self.waiting, arrives, strict=True)):
            if here:
                made.reports += 1
                made.doubled_taken += one[1].id in self.arrived
                self.arrived.add(one[1].id)
            if not here or dice[at] >= 1 - ANSWER_LOST:
                again.append(one)
        self.waiting = again
