"""The agent's figures: what it costs while it waits, a switch under load, how soon a bad release is found, long runs.

python bench/agent.py            print the table
python bench/agent.py --write    and put it into bench/README.md
"""

import argparse
import json
import os
import random
import signal
import statistics
import sys
import tempfile
import threading
import time
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from edgewise.edge.agent.state import Event, EventKind, Phase, Server
from fakes import worlds
from fakes.sites import Device, Site, ask
from fakes.worlds import World

HERE = Path(__file__).parent
BEGIN, END = "<!-- agent -->", "<!-- /agent -->"
IDLE_S, CLIENTS, UPDATES = 30.0, 8, 10_000
FREEZE_S = 3.0
TICKS = os.sysconf("SC_CLK_TCK")


class Load:
    """Clients that ask without end; when and how long each request took."""

    def __init__(self, port: int) -> None:
        self.took: list[tuple[float, float]] = []
        self.failures = 0
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(port,), daemon=True) for _ in range(CLIENTS)]
        for one in self._threads:
            one.start()

    def _ask(self, port: int) -> None:
        while not self._over.is_set():
            began = time.monotonic()
            try:
                ask(port)
                self.took.append((began, time.monotonic() - began))
            except Exception:
                self.failures += 1

    def end(self) -> None:
        """Let them come to their end."""
        self._over.set()
        for one in self._threads:
            one.join(60)


def p99_ms(took: list[float]) -> float:
    return statistics.quantiles(took, n=100)[98] * 1000 if len(took) > 1 else float("nan")


def cpu_s(pid: int) -> float:
    """CPU seconds of the process and of its children that have ended: the errands of the agent."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / TICKS


def rss_mib(pid: int) -> float:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / (1 << 20)


def idle(folder: Path) -> list[tuple[str, str]]:
    site = Site(folder / "site")
    first = site.release("1")
    with Device(folder / "device", site, poll_s=900.0) as device:
        device.start()
        device.until(lambda: device.state and device.state.booted == first and device.state.phase is Phase.SERVING, "")
        time.sleep(3)
        before = cpu_s(device.process.pid)
        time.sleep(IDLE_S)
        spent = cpu_s(device.process.pid) - before
        return [
            ("agent while it waits, RSS", f"{rss_mib(device.process.pid):.1f} MiB"),
            (f"agent while it waits, of one core, over {IDLE_S:.0f} s", f"{spent / IDLE_S:.2%}"),
        ]


def switching(folder: Path) -> list[tuple[str, str]]:
    site = Site(folder / "site")
    first = site.release("1")
    with Device(folder / "device", site, poll_s=2.0) as device:
        device.start()
        device.until(lambda: device.state and device.state.booted == first and device.state.phase is Phase.SERVING, "")
        load = Load(device.port)
        time.sleep(10)
        second = site.release("2", soak_s=5.0)
        device.until(lambda: device.state.booted == second, "")
        switched = time.monotonic()
        device.until(lambda: device.state.phase is Phase.SERVING, "")
        bad = site.release("3", wrong=True)
        began = time.monotonic()
        device.until(lambda: device.state.staged == bad or bad in device.state.rejected, "")
        staged = time.monotonic()
        device.until(lambda: bad in device.state.rejected, "")
        found = time.monotonic()
        load.end()
        calm = [took for at, took in load.took if at < switched - 8]
        around = [took for at, took in load.took if switched - 2 < at < switched + 2]
        return [
            (f"requests that failed, {CLIENTS} clients, {len(load.took)} requests", str(load.failures)),
            ("p99 before an update", f"{p99_ms(calm):.0f} ms"),
            ("p99 within 2 s of the switch", f"{p99_ms(around):.0f} ms ({p99_ms(around) / p99_ms(calm):.1f} times)"),
            ("a bad golden is found, from staged on", f"{found - staged:.1f} s"),
            ("the same, from published on, polled every 2 s", f"{found - began:.1f} s"),
        ]


def frozen(folder: Path) -> list[tuple[str, str]]:
    """The server of a new release stops answering while it is watched, just after its golden was right."""
    site = Site(folder / "site")
    first = site.release("1")
    with Device(folder / "device", site, poll_s=2.0) as device:
        device.start()
        device.until(lambda: device.state and device.state.booted == first and device.state.phase is Phase.SERVING, "")
        second = site.release("2", soak_s=600.0)
        device.until(lambda: device.state.booted == second and device.answers() == "2", "")
        time.sleep(FREEZE_S)
        rows = json.loads((device.root / "run" / "servers.json").read_bytes())
        (server,) = [row["pid"] for row in rows if row["release"] == second]
        os.kill(server, signal.SIGSTOP)
        began = time.monotonic()
        device.until(lambda: second in device.state.rejected, "")
        found = time.monotonic()
        device.until(lambda: device.state.server is Server.UP and device.answers() == "1", "")
        back = time.monotonic()
        return [
            (f"a server that hangs {FREEZE_S:.0f} s after the switch is found", f"{found - began:.1f} s"),
            ("the same, until the release before answers", f"{back - began:.1f} s"),
        ]


def simulated() -> list[tuple[str, str]]:
    """Updates in a row with random faults and crashes; the laws are checked after every step."""
    dice, world, steps, kept, most = random.Random(25), World(), 0, 0, 0
    releases = "abcdefgh"
    for _ in range(UPDATES):
        if world.awake:
            forgiven = {} if world.state.phase is not Phase.RETURNING else world.state.rejected
            world = replace(world, state=replace(world.state, rejected=forgiven))
            offered = Event(kind=EventKind.OFFERED, release=dice.choice(releases))
            world = worlds.happen(world, offered)
        before = world.state.booted
        while not world.awake or world.pending:
            if dice.random() < 0.03:
                world = dice.choice(list(worlds.moves(world, releases, withdraw=False)))[1]
            elif not world.awake:
                world = next(worlds.sleeping(world))[1]
            else:
                endings = [one for name, one in worlds.done(world, world.pending[0]) if not name.endswith("half")]
                world = endings[0] if dice.random() < 0.9 else dice.choice(endings)  # the first is the good one
            worlds.check(world)
            steps += 1
            most = max(most, len(world.disk))
        kept += world.state.booted not in ("", before)
    return [
        (f"simulated: {UPDATES} offers in a row, faults at random", f"{steps} steps, {kept} taken, no law broken"),
        ("simulated: most releases on the disk at once, of 8", str(most)),
    ]


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--write", action="store_true")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rows = [*idle(Path(folder) / "idle"), *switching(Path(folder) / "switch")]
        rows += [*frozen(Path(folder) / "frozen"), *simulated()]
    table = "\n".join(["| agent | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows)])
    print(table)
    if asked.write:
        page = HERE / "README.md"
        text = page.read_text()
        block = f"{BEGIN}\n{table}\n{END}"
        if BEGIN in text:
            text = text[: text.index(BEGIN)] + block + text[text.index(END) + len(END) :]
        else:
            text = f"{text.rstrip()}\n\n## The agent\n\n`python bench/agent.py --write` makes this table.\n\n{block}\n"
        page.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
