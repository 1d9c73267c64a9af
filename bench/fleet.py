"""Rollouts over 100,000 devices that are not there: what good and bad releases come to under five policies.

The decision is the real one (`core/rollouts/decide.py`), devices are driven by the agent's own state machine, and the
rollouts marked so are heard by a real hub: a process over SQLite, batches of 100 signed reports. Each decision is held
against its laws, and so is each state that a device comes to. What was expected was written down before.

    python bench/fleet.py                      print the tables
    python bench/fleet.py --write              and write them into bench/README.md
    python bench/fleet.py --heard-by hub       one of them
    python bench/fleet.py --devices 1000       a smaller fleet
"""

import argparse
import hashlib
import os
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import repeat
from multiprocessing import get_context
from pathlib import Path

from edgewise.core.rollouts.policy import Policy, State, Worse
from fleet_simulation.fleet import Fleet, Kind, Outcome
from fleet_simulation.hearing import Hearing, InMemory, ThroughHub, hub
from fleet_simulation.machines import OLD

README = Path(__file__).with_name("README.md")
BEGIN, END = "<!-- written by bench/fleet.py --heard-by {} --write -->", "<!-- end of heard by {} -->"
HUB, MEMORY = "hub", "memory"
FLEET, CANARIES = 100_000, 1000
POLICIES = {
    "1, 10, 50, 100 %, an hour each (default)": Policy(stages=("1", "10", "50", "100")),
    "a ring of 0.1 %, 1, 5, 20, 50, 100 %, 4 hours each": Policy(
        stages=("ring=canary", "1", "5", "20", "50", "100"), soak_s=4 * 3600
    ),
    "25, 100 %, a quarter of an hour each": Policy(stages=("25", "100"), soak_s=900),
    "100 % at once": Policy(stages=("100",), soak_s=0),
    "as the default, and errors at most 0.2 % of requests more than before": Policy(
        stages=("1", "10", "50", "100"), worse_than_before=Worse(error_share=0.002)
    ),
}
DEFAULT, CAREFUL, HASTY, AT_ONCE, COMPARED = POLICIES
GOOD = Kind(name="good")
SOME = Kind(name="misses its golden on a fifth of the devices", unproven=0.2)
UNWELL = Kind(name="dies while it is watched", unwell=1.0)
LATE = Kind(name="fails 5 % of requests, two hours after it was kept", error_share=0.05, onset_s=7200)
WORSE = Kind(name="fails 0.5 % of requests, and the old one 0.1 %", error_share=0.005)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A rollout, and what was expected of it.

    Attributes:
        done: whether it would be done, and not withdrawn.
        hours: until then.
        tried: share of the fleet that would have fetched it.
        by_hub: whether a real hub hears its devices.
    """

    kind: Kind
    policy: str
    done: bool
    hours: float
    tried: float
    by_hub: bool = False


CASES = (
    Case(kind=GOOD, policy=DEFAULT, done=True, hours=4, tried=1, by_hub=True),
    Case(kind=GOOD, policy=CAREFUL, done=True, hours=24, tried=1),
    Case(kind=GOOD, policy=AT_ONCE, done=True, hours=0.5, tried=1),
    Case(kind=SOME, policy=DEFAULT, done=False, hours=0.25, tried=0.01, by_hub=True),
    Case(kind=SOME, policy=CAREFUL, done=False, hours=0.25, tried=0.001),
    Case(kind=SOME, policy=HASTY, done=False, hours=0.25, tried=0.25),
    Case(kind=SOME, policy=AT_ONCE, done=False, hours=0.25, tried=1),
    Case(kind=UNWELL, policy=DEFAULT, done=False, hours=0.25, tried=0.01, by_hub=True),
    Case(kind=LATE, policy=DEFAULT, done=False, hours=2.5, tried=0.5),
    Case(kind=LATE, policy=CAREFUL, done=False, hours=2.5, tried=0.001),
    Case(kind=WORSE, policy=DEFAULT, done=True, hours=4, tried=1),
    Case(kind=WORSE, policy=COMPARED, done=False, hours=0.25, tried=0.01),
    Case(kind=GOOD, policy=COMPARED, done=True, hours=4, tried=1),
)


def main() -> int:
    """Simulate, print, and write where it is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--devices", type=int, default=FLEET)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--heard-by", choices=(HUB, MEMORY), action="append")
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    for by in given.heard_by or (HUB, MEMORY):
        began = time.monotonic()
        cases = [case for case in CASES if case.by_hub is (by == HUB)]
        # A hub is a process beside this one; without it, two of these have the two cores.
        with ProcessPoolExecutor(1 if by == HUB else 2, mp_context=get_context("spawn")) as pool:
            made = list(pool.map(simulated, cases, repeat(given.devices), repeat(given.seed)))
        text = table(cases, made, given.devices, time.monotonic() - began)
        print(text)
        if given.write:
            page = README.read_text()
            start, _, rest = page.partition(BEGIN.format(by))
            ending = END.format(by)
            README.write_text(f"{start}{BEGIN.format(by)}\n\n{text}\n{ending}{rest.partition(ending)[2]}")
    return 0


def simulated(case: Case, devices: int, seed: int) -> tuple[Outcome, float]:
    """What became of it, and reports that the hub took in a second; 0 without a hub."""
    labels = [{"ring": "canary" if one % CANARIES == 0 else "rest"} for one in range(devices)]
    if not case.by_hub:
        ids = [hashlib.sha256(f"{seed} {one}".encode()).hexdigest()[:32] for one in range(devices)]
        return run(case, InMemory(ids, labels, OLD), seed), 0.0
    with tempfile.TemporaryDirectory() as folder, hub(Path(folder)) as (database, client):
        hearing = ThroughHub(database, client, labels, OLD)
        made = heard(case, hearing, seed)
        return made, hearing.counted.taken / max(hearing.counted.seconds, 1e-9)


def heard(case: Case, hearing: ThroughHub, seed: int) -> Outcome:
    """The rollout through a hub, which must have taken every report once."""
    made = run(case, hearing, seed)
    assert (hearing.counted.taken, hearing.counted.known) == (made.reports - made.doubled_taken, made.doubled_taken)
    return made


def run(case: Case, hearing: Hearing, seed: int) -> Outcome:
    """The rollout, from its beginning until all have come to rest."""
    return Fleet(hearing, case.kind, POLICIES[case.policy], seed).run()


def row(case: Case, made: Outcome, rate: float, devices: int) -> str:
    """A line of the table."""
    word = {True: "done", False: "withdrawn"}
    stage = POLICIES[case.policy].stages[made.stages[-1][1]]
    heard = f"hub, {rate:,.0f}/s" if case.by_hub else "memory"
    return (
        f"| {case.kind.name} | {case.policy} | {word[case.done]}, {case.hours:g} h "
        f"| {word[made.state is State.DONE]}, {made.ended_h:g} h, at {stage} "
        f"| {case.tried * devices:,.0f} | {made.tried:,} | {made.served:,} | {made.on_old:,} | {made.on_new:,} "
        f"| {made.neither} | {made.reports:,} | {heard} |"
    )


def table(cases: list[Case], rows: list[tuple[Outcome, float]], devices: int, seconds: float) -> str:
    """All of it, as Markdown."""
    steps = sum(made.steps for made, _ in rows)
    return "\n".join(
        [
            "| release | policy | expected | became | expected to try | tried | served clients | end on the old "
            "| on the new | on neither | reports | heard by |",
            "|---|---|---|---|---:|---:|---:|---:|---:|---:|---:|---|",
            *(row(case, *one, devices) for case, one in zip(cases, rows, strict=True)),
            "",
            f"{devices:,} devices, seed 1; {steps:,} decisions held against their laws, none broken; "
            f"{seconds:.0f} s on shared cores, load average {os.getloadavg()[0]:.1f}.",
            "",
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
