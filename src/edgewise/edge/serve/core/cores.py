"""The machine's cores, shared by the models: who may run next, on which thread.

Start-time fair queueing: a model that has had less of the cores goes first, one that was idle does not save up, and the
priority of who waits at its head comes before both. Calls release the interpreter's lock, so that the event loop goes
on meanwhile.
"""

import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, Protocol

Work = Callable[[], Any]


class Runner(Protocol):
    """A lane, as the cores see it."""

    threads: int
    virtual_s: float

    def urgency(self) -> int | None:
        """Priority of who goes next, None where nobody waits."""

    def begin(self) -> Work | None:
        """What to run now on a thread, None where there is nothing any more."""

    def ended(self, result: Any) -> None:
        """On the event loop: what the work returned."""


Post = Callable[..., object]
"""`loop.call_soon_threadsafe`."""


class Cores:
    """Runs lanes on threads, as many at once as there are cores for."""

    def __init__(self, count: int, post: Post) -> None:
        self._free = max(1, count)
        self._count = self._free
        self._post = post
        self._waiting: list[Runner] = []
        self._virtual_s = 0.0
        self._work: SimpleQueue[tuple[Runner, Work] | None] = SimpleQueue()
        self._idle = 0
        self._threads: list[threading.Thread] = []
        self._running = 0

    @property
    def contention(self) -> float:
        """How many times longer a newcomer waits than if it had the cores for itself."""
        wanted = self._running + len(self._waiting)
        return max(1.0, wanted / self._count)

    def want(self, runner: Runner) -> None:
        """`runner` has something to run."""
        if runner not in self._waiting:
            runner.virtual_s = max(runner.virtual_s, self._virtual_s)
            self._waiting.append(runner)
        self._dispatch()

    def close(self) -> None:
        """End the threads, once what runs has ended."""
        for _ in self._threads:
            self._work.put(None)
        for thread in self._threads:
            thread.join()
        self._threads.clear()

    def _dispatch(self) -> None:
        while self._waiting:
            runner = min(self._waiting, key=_order)
            cost = min(runner.threads, self._count)
            if cost > self._free:
                return
            self._waiting.remove(runner)
            work = runner.begin()
            if work is None:
                continue
            self._free -= cost
            self._running += 1
            self._virtual_s = runner.virtual_s
            self._hand_over(runner, work)

    def _hand_over(self, runner: Runner, work: Work) -> None:
        if self._running > len(self._threads):
            thread = threading.Thread(target=self._serve, name=f"inference-{len(self._threads)}", daemon=True)
            self._threads.append(thread)
            thread.start()
        self._work.put((runner, work))

    def _serve(self) -> None:
        while (item := self._work.get()) is not None:
            runner, work = item
            self._post(self._ended, runner, work())

    def _ended(self, runner: Runner, result: Any) -> None:
        self._free += min(runner.threads, self._count)
        self._running -= 1
        runner.ended(result)
        self._dispatch()


def _order(runner: Runner) -> tuple[int, float]:
    urgency = runner.urgency()
    return (1 << 30 if urgency is None else urgency, runner.virtual_s)
