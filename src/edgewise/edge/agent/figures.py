"""What a report counts: requests, errors, restarts and updates since the report before.

Servers count from their own beginning, and one takes over from another, so what each has counted is added up here. What
the agent asks itself, when it replays a golden, is left out of the number of requests. A tally lives in memory: what
was counted and not yet reported when the agent is killed is not reported.
"""

import contextlib
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from edgewise.edge.agent.health import Counted
from edgewise.edge.agent.state import Event, EventKind, Phase, Server, State
from edgewise.exchange.message import Figures


class Tally:
    """Figures since they were last taken. Servers are named by their private sockets; any thread may use it."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._before: dict[Path, Counted] = {}
        self._ours: dict[Path, int] = {}
        self._asked: set[Path] = set()
        self._sum = Counted()
        self._escalated = self._restarts = self._updates = self._failed_updates = 0

    def count(self, server: Path, page: Counted) -> None:
        """The server `server` has counted `page` since it began; passed over while the agent asks it."""
        with self._mutex:
            if server in self._asked:
                return
            before = self._before.get(server, Counted())
            fresh = page.since(before)
            ours = min(self._ours.get(server, 0), fresh.answered)
            self._ours[server] = self._ours.get(server, 0) - ours
            self._before[server] = page
            self._sum = self._sum.plus(
                Counted(answered=fresh.answered - ours, failed=fresh.failed, buckets=fresh.buckets)
            )

    @contextlib.contextmanager
    def asking(self, server: Path) -> Iterator[Callable[[int], None]]:
        """While the agent itself asks the server; what it gives takes how often that was."""
        asked: list[int] = []
        with self._mutex:
            self._asked.add(server)
        try:
            yield asked.append
        finally:
            with self._mutex:
                self._asked.discard(server)
                self._ours[server] = self._ours.get(server, 0) + sum(asked)

    def escalate(self) -> None:
        """A prediction was handed to a person."""
        with self._mutex:
            self._escalated += 1

    def forget(self, server: Path) -> None:
        """The server has ended."""
        with self._mutex:
            self._before.pop(server, None)
            self._ours.pop(server, None)

    def happen(self, event: Event, before: State, after: State) -> None:
        """The event led from one state to the other."""
        with self._mutex:
            self._restarts += event.kind is EventKind.DOWN and after.server is Server.STARTING
            self._updates += event.kind is EventKind.SOAKED and before.phase is Phase.WATCHING
            refused = set(after.rejected) - set(before.rejected)
            self._failed_updates += len(refused) if event.kind is not EventKind.OFFERED else 0

    def take(self, memory_bytes: int) -> tuple[Figures, Counted]:
        """The figures since the last time, and what of them servers have counted."""
        with self._mutex:
            counted, self._sum = self._sum, Counted()
            figures = Figures(
                requests=counted.answered + counted.failed,
                errors=counted.failed,
                escalated=self._escalated,
                latency_p99_ms=counted.latency_p99_ms,
                memory_bytes=float(memory_bytes) if memory_bytes else None,
                restarts=self._restarts,
                updates=self._updates,
                failed_updates=self._failed_updates,
            )
            self._escalated = self._restarts = self._updates = self._failed_updates = 0
            return figures, counted
