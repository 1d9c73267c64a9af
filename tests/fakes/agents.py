"""An agent in this process: its errands and threads run where they are begun, its servers are values, and its clock is
moved by hand. What it decides, writes and fetches is real.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgewise.edge.agent import agent as agents
from edgewise.edge.agent import outside
from edgewise.edge.agent.agent import Agent
from edgewise.edge.agent.backend import Way
from edgewise.edge.agent.state import Event
from edgewise.edge.agent.units import Unit
from edgewise.errors import ChildFailed, EdgewiseError
from fakes.sites import Device, Site

NO_METRICS = "# nothing was asked"
MIB = 1 << 20
GOLDEN_ROWS = 8


@dataclass
class Behaviour:
    """How the server of a release behaves: memory by its age in seconds, how long it takes for an answer of its golden,
    which has eight, and when it ends.
    """

    memory_bytes: Callable[[float], int] = lambda age_s: 40 * MIB
    latency_ms: float = 1.0
    wrong: str = ""
    answer_s: Callable[[float], float] = lambda age_s: 0.0
    lives_s: float = float("inf")


@dataclass
class FakeServer:
    """A `Running` that is a value."""

    release: str
    behaviour: Behaviour
    clock_s: Callable[[], float]
    began_s: float
    private: Path
    proof: Path
    pid: int = 0
    tell: Callable[["FakeServer"], None] = lambda _: None
    watched: bool = False
    stopped: bool = False

    @property
    def age_s(self) -> float:
        return self.clock_s() - self.began_s

    def ready(self, timeout_s: float) -> str:
        return ""

    def ended(self) -> str:
        if self.age_s >= self.behaviour.lives_s:
            return "its server was ended by SIGSEGV"
        return "its server was stopped" if self.stopped else ""

    def accept(self) -> None:
        pass

    def resident_bytes(self) -> int:
        return self.behaviour.memory_bytes(self.age_s)

    def stop(self, *, drain_s: float = 0) -> None:
        self.stopped = True

    def wait(self) -> None:
        self.watched = True


@dataclass
class FakeServers:
    """A backend; `behaviours` by release."""

    clock_s: Callable[[], float]
    root: Path
    behaviours: dict[str, Behaviour] = field(default_factory=dict)
    begun: list[FakeServer] = field(default_factory=list)

    def stage(self, made: Any) -> None:
        pass

    def start(self, release: str, made: Any, public: Any, ended: Callable[[FakeServer], None]) -> FakeServer:
        self.begun.append(
            FakeServer(
                release=release,
                behaviour=self.behaviours.get(release, Behaviour()),
                clock_s=self.clock_s,
                began_s=self.clock_s(),
                private=self.root / f"{len(self.begun)}.sock",
                proof=self.root,
                tell=ended,
            )
        )
        return self.begun[-1]

    def collect(self, needed: frozenset[str]) -> None:
        pass


class SteppedAgent(Agent):
    """An agent that lives as long as `advance` says. `said` is what systemd was told."""

    def __init__(
        self, root: Path, *, started_s: float = 1_800_000_000.0, beside: Callable[[], Sequence[Unit]] = tuple
    ) -> None:
        self.time_s = 0.0
        self.started_s = started_s
        self.said: list[str] = []
        self._waiting: list[tuple[float, Callable[[], object]]] = []
        self.servers = FakeServers(self.clock, root)
        super().__init__(root, backends={Way.PROCESS: self.servers}, beside=beside, now_s=self.now, clock_s=self.clock)
        self._wake()
        self.settle()

    def clock(self) -> float:
        return self.time_s

    def now(self) -> float:
        return self.started_s + self.time_s

    def advance(self, seconds: float, *, step_s: float = 1.0) -> None:
        """Let time pass."""
        until = self.time_s + seconds
        while self.time_s < until:
            self.time_s += step_s
            due = [work for at, work in self._waiting if at <= self.time_s]
            self._waiting = [(at, work) for at, work in self._waiting if at > self.time_s]
            for work in due:
                work()
            for server in self.servers.begun:
                if server.watched and server.ended() and not server.stopped:
                    server.watched = False
                    server.tell(server)
            self._tick()
            self.settle()

    def settle(self) -> None:
        """Everything that has happened is decided on."""
        while not self.events.empty():
            found = self.events.get()
            if isinstance(found, Event):
                self.happen(found)
            elif found is not None:
                found()

    def close(self) -> None:
        if self._public is not None:
            self._public.close()

    def _aside(self, work: Callable[..., None], *arguments: Any) -> None:
        work(*arguments)

    def _later(self, wait_s: float, work: Callable[[], object]) -> None:
        self._waiting.append((self.time_s + wait_s, work))

    def _outside(self, command: str, timeout_s: float, **arguments: Any) -> dict[str, Any]:
        try:
            return dict(getattr(outside, command)(str(self.disk.root), **arguments) or {})
        except EdgewiseError as error:
            raise ChildFailed(error.message) from error

    def _proven(  # type: ignore[override]
        self, server: FakeServer, rounds: int = 3, answer_s: float = 60.0, whole_s: float | None = None
    ) -> dict[str, Any]:
        behaviour, began_s = server.behaviour, self.time_s
        wrong = behaviour.wrong
        for _ in range(GOLDEN_ROWS * rounds):
            one_s = behaviour.answer_s(server.age_s)
            self.time_s += min(one_s, answer_s)
            wrong = wrong or ("timed out" if one_s > answer_s else "")
            if not wrong and self.time_s - began_s > (whole_s or agents.PROVE_S):
                wrong = "its golden took longer"
            if wrong:
                break
        took_s = (self.time_s - began_s) / rounds
        return {"wrong": wrong, "latency_p99_ms": behaviour.latency_ms, "asked": 0, "round_s": took_s}

    def _asked(self, offered: Event | None, reason: str) -> None:
        if reason:
            self.said.append(reason)
        super()._asked(offered, reason)


def stepped(monkeypatch: Any, root: Path, site: Site, **chosen: Any) -> SteppedAgent:
    """An agent of `site` in `root`, which polls every minute."""
    Device(root, site, **{"poll_s": 60.0, "listen": "127.0.0.1:0", **chosen})
    monkeypatch.setattr(agents, "metrics", lambda private: NO_METRICS)
    return SteppedAgent(root)
