"""Ten thousand updates in a row by one agent, with faults at random: what is left of them on disk, in memory, open.

python bench/agent_long.py            print the table
python bench/agent_long.py --write    and put it into bench/README.md

The agent decides, writes its journal, switches its link, keeps reports and collects for real; its servers are values,
its clock is moved, and a release is laid out from one that was fetched before: the network is not what is looked at.
"""

import argparse
import gc
import os
import random
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from edgewise.edge.agent import agent as agents
from edgewise.edge.agent import outbox, outside
from edgewise.edge.agent.state import Phase
from edgewise.errors import ChildFailed
from edgewise.store import atomic
from fakes.agents import NO_METRICS, Behaviour, SteppedAgent
from fakes.sites import Device, Site

HERE = Path(__file__).parent
BEGIN, END = "<!-- agent-long -->", "<!-- /agent-long -->"
UPDATES, RELEASES, WARM = 10_000, 8, 500
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class Simulated(SteppedAgent):
    """An agent that is offered what the dice say, out of releases that lie in `shelf`."""

    def __init__(self, root: Path, shelf: Path, dice: random.Random) -> None:
        self.shelf, self.dice, self.offered = shelf, dice, ""
        super().__init__(root)

    def _outside(self, command: str, _: float, **arguments: Any) -> dict[str, Any]:
        match command:
            case "follow":
                return {"due": self.offered, "withdrawn": []}
            case "fetch":
                if self.dice.random() < 0.05:
                    raise ChildFailed("the mirror broke off")
                target = self.disk.folder(arguments["release"])
                if not target.exists():
                    beside = target.parent / f"{atomic.TEMPORARY_PREFIX}{target.name}"
                    shutil.copytree(self.shelf / target.name, beside, copy_function=os.link, dirs_exist_ok=True)
                    atomic.settle_folder(beside, target)
                return {"refuted": ""}
            case "report":
                folder = self.disk.root / "outbox"
                outbox.acknowledge(folder, outbox.waiting(folder))
            case "collect":
                self.disk.collect(frozenset(arguments["needed"]))
        return {}


def behaviour(dice: random.Random) -> Behaviour:
    """Good in seven of ten cases; else wrong, hungry, or soon dead."""
    match dice.randrange(10):
        case 0:
            return Behaviour(wrong="golden row 0: output y[0, 0] is 1, not 2")
        case 1:
            return Behaviour(lives_s=dice.choice((1.0, 3.0)))
        case 2:
            return Behaviour(memory_bytes=lambda age_s: int((100 << 20) * age_s))
    return Behaviour()


def measured(root: Path) -> tuple[float, float, int]:
    """MiB on the disk below `root`, MiB of this process, and its open files."""
    gc.collect()
    files = {(one.stat().st_ino): one.stat().st_size for one in root.rglob("*") if one.is_file()}
    resident = int(Path("/proc/self/statm").read_text().split()[1]) * PAGE_BYTES
    return sum(files.values()) / (1 << 20), resident / (1 << 20), len(list(Path("/proc/self/fd").iterdir()))


def run(folder: Path, updates: int) -> list[tuple[str, str]]:
    """The rows of the table."""
    dice, site = random.Random(25), Site(folder / "site")
    Device(folder / "shelf", site)
    digests = []
    for number in range(RELEASES):
        digests.append(site.release(str(number), soak_s=2.0, memory_bytes=256 << 20))
        outside.fetch(str(folder / "shelf"), [site.tree.base], "press-line", digests[-1], "never", ["process"], 0)
    Device(folder / "device", site, poll_s=1e6, hub="http://hub", listen="127.0.0.1:0")
    agents.metrics = lambda _: NO_METRICS  # type: ignore[assignment]
    shelf, root = folder / "shelf" / "releases", folder / "device"
    agent, kept, killed, left = Simulated(root, shelf, dice), 0, 0, 0
    begun = (0.0, 0.0, 0)
    for number in range(updates):
        if number == WARM:
            begun = measured(root)
        agent.servers.begun = [one for one in agent.servers.begun if not one.stopped]
        agent.offered = dice.choice(digests)
        agent.servers.behaviours[agent.offered] = behaviour(dice)
        before = agent.state
        agent.tell("retry", agent.offered)
        agent.settle()
        if dice.random() < 0.02:
            agent.close()
            agent, killed = Simulated(root, shelf, dice), killed + 1
        agent.advance(8)
        kept += agent.state.phase is Phase.SERVING and agent.state.booted not in ("", before.booted)
        left += len(agent.state.rejected) > len(before.rejected)
        booted = agent.state.booted
        assert booted not in agent.state.rejected
        assert agent.disk.serves() == booted
    ended = measured(root)
    agent.close()
    rows = zip(("disk, MiB", "resident, MiB", "open files"), begun, ended, strict=True)
    return [
        (f"{updates} offers, {killed} restarts of the agent", f"{kept} kept, {left} refused or left"),
        *((f"{name}, after {WARM} and at the end", f"{first:.4g}, {last:.4g}") for name, first, last in rows),
    ]


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--updates", type=int, default=UPDATES)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rows = run(Path(folder), asked.updates)
    table = "\n".join(
        ["| one agent, many updates | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows)]
    )
    print(table)
    if asked.write:
        page = HERE / "README.md"
        text, block = page.read_text(), f"{BEGIN}\n{table}\n{END}"
        if BEGIN in text:
            text = text[: text.index(BEGIN)] + block + text[text.index(END) + len(END) :]
        else:
            text = f"{text.rstrip()}\n\n`python bench/agent_long.py --write` makes this one.\n\n{block}\n"
        page.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
