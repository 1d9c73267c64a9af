"""What is done with a rollout in a tree: started, paused, stepped, aborted. Each is one change that is signed."""

from collections.abc import Callable, Iterable
from dataclasses import replace

from edgewise.core.releases import change
from edgewise.core.releases.change import Entry
from edgewise.core.releases.publish import WAITING, Desk
from edgewise.core.releases.tree import Changes, Tree
from edgewise.core.rollouts import policy as policies
from edgewise.core.rollouts.decide import decide
from edgewise.core.rollouts.heard import Heard
from edgewise.core.rollouts.policy import Policy, Rollout, State
from edgewise.errors import RolloutRefused
from edgewise.exchange.offer import Offered, Standing

Entries = dict[str, Entry]
Step = Callable[[Rollout, str], Rollout]


def start(desk: Desk, site: str, policy: Policy) -> tuple[str, Rollout]:
    """Begin the rollout of the candidate of `site` that waits; its digest, and where it stands.

    Raises:
        RolloutRefused: no candidate waits.
        BadInput: the policy cannot be followed.
    """
    policies.check(policy)

    def begin(there: Entries) -> Entries:
        waiting = [one for one, entry in there.items() if entry.offered.stage == WAITING]
        if not waiting:
            raise RolloutRefused(f"no release waits at {site}", hint="edgewise publish, or edgewise rollout status")
        (digest,) = waiting
        name = f"{site}-{digest.removeprefix('sha256:')[:12]}"
        begun = Rollout(name=name, policy=policy, state=State.RUNNING, stage=0, since_s=int(desk.now_s))
        return with_rollout(there, digest, begun)

    return _changed(desk, site, begin)


def step(desk: Desk, site: str, reports: Iterable[Heard]) -> tuple[str, Rollout]:
    """Let `reports` decide how the rollout of `site` goes on. Raises RolloutRefused where none is under way.

    Where it only waits, nothing is signed: devices would fetch it for nothing.
    """
    said, why = list(reports), [""]

    def next_of(rollout: Rollout, digest: str) -> Rollout:
        after = decide(rollout, digest, said, int(desk.now_s))
        why[0] = after.reason
        return rollout if replace(after, reason=rollout.reason) == rollout else after

    digest, rollout = _stepped(desk, site, next_of)
    return digest, replace(rollout, reason=why[0])


def pause(desk: Desk, site: str) -> tuple[str, Rollout]:
    """Devices that have it keep it, and no other takes it. Raises RolloutRefused where none is under way."""
    return _stepped(desk, site, lambda one, _: replace(one, state=State.PAUSED, reason="paused by an operator"))


def resume(desk: Desk, site: str) -> tuple[str, Rollout]:
    """Go on; the present stage is watched anew. Raises RolloutRefused where none is under way."""
    now_s = int(desk.now_s)
    return _stepped(desk, site, lambda one, _: replace(one, state=State.RUNNING, since_s=now_s, reason=""))


def abort(desk: Desk, site: str, reason: str) -> tuple[str, Rollout]:
    """Withdraw the candidate: who runs it goes back. Raises RolloutRefused where none is under way."""
    return _stepped(desk, site, lambda one, _: replace(one, state=State.ABORTED, reason=reason))


def under_way(there: Entries, site: str) -> tuple[str, Rollout]:
    """The candidate of a rollout that has begun.

    Raises:
        RolloutRefused: there is none.
    """
    for digest, entry in there.items():
        if entry.offered.standing is Standing.CANDIDATE and entry.plan:
            return digest, policies.read(dict(entry.plan))
    raise RolloutRefused(f"no rollout is under way at {site}", hint="edgewise rollout start begins one")


def with_rollout(there: Entries, digest: str, rollout: Rollout) -> Entries:
    """`there` where the candidate `digest` stands as `rollout` says. Pure."""
    wanted = dict(there)
    if rollout.state is State.DONE:
        wanted = {one: entry for one, entry in there.items() if entry.offered.standing is not Standing.STABLE}
        offered = Offered(standing=Standing.STABLE)
    elif rollout.state in (State.FAILED, State.ABORTED):
        offered = Offered(standing=Standing.WITHDRAWN)
    else:
        paused = rollout.state is State.PAUSED
        offered = Offered(
            standing=Standing.CANDIDATE, stage=rollout.policy.offered(rollout.stage, rollout.name, paused=paused)
        )
    wanted[digest] = Entry(size_bytes=there[digest].size_bytes, offered=offered, plan=policies.written(rollout))
    return wanted


def _stepped(desk: Desk, site: str, next_of: Step) -> tuple[str, Rollout]:
    def go(there: Entries) -> Entries:
        digest, rollout = under_way(there, site)
        return with_rollout(there, digest, next_of(rollout, digest))

    return _changed(desk, site, go)


def _changed(desk: Desk, site: str, make: Callable[[Entries], Entries]) -> tuple[str, Rollout]:
    touched: list[tuple[str, Rollout]] = []

    def decided(tree: Tree) -> Changes | None:
        there = change.entries(tree, site)
        wanted = make(there)
        digest = next((one for one in wanted if wanted[one] != there[one]), "") or under_way(wanted, site)[0]
        touched[:] = [(digest, policies.read(dict(wanted[digest].plan)))]
        return None if wanted == there else change.with_entries(tree, site, wanted)

    desk.change(decided)
    return touched[0]
