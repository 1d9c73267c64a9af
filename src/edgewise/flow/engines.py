"""Where trials run: side by side on this machine, or spread over a Ray cluster; the results are the same.

An engine maps a task over items and yields each outcome once, by the item's index, in whatever order they
come. An item whose worker dies is yielded as `Lost`; `each_once` gives such an item one more try, elsewhere,
and keeps what the others brought. Engines decide nothing: what to try next is asked for in batches of one size.

Ray is optional: `ray` below is its one door. Its usage statistics are switched off before it is imported.
"""

import importlib
import os
import re
import socket
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import AbstractContextManager
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol, Self, TypeVar

import edgewise
from edgewise.design.structure import training
from edgewise.design.structure.training import Job, Made, Training
from edgewise.errors import BadConfiguration, EngineLost, MissingDependency
from edgewise.runtimes import child

LOCAL = "local"
RAY_PORT = 10001
"""Where a cluster's head listens for clients unless it is told otherwise."""
CONNECT_TIMEOUT_S = 5.0
ATTEMPTS = 3
"""Ray's own client would try for half a minute before it says that nobody is there."""
_ADDRESS = re.compile(r"ray://(?P<host>[A-Za-z0-9_.-]+|\[[0-9A-Fa-f:]+\])(:(?P<port>[0-9]{1,5}))?/?")

Task = Callable[[Training, Job], Made]
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """A worker died before it answered; `sentence` says how."""

    sentence: str


class Engine(Protocol):
    """Runs a task on every item."""

    @property
    def name(self) -> str:
        """How it is called on the command line."""

    def map(self, task: Task, common: Training, items: Sequence[Job]) -> Iterator[tuple[int, Made | Lost]]:
        """Outcome of `task(common, item)` for every item, once, with the item's index; in no order.

        Raises:
            EngineLost: the engine itself has gone; what was yielded before is whole.
        """


def each_once(engine: Engine, task: Task, common: Training, items: Sequence[Job]) -> Iterator[tuple[int, Made]]:
    """Outcome of every item, once; an item whose worker died is tried once more, then it has failed."""
    lost: list[int] = []
    for index, outcome in engine.map(task, common, items):
        if isinstance(outcome, Lost):
            lost.append(index)
        else:
            yield index, outcome
    for place, outcome in engine.map(task, common, [items[index] for index in lost]) if lost else ():
        if isinstance(outcome, Lost):
            yield lost[place], Made(failure=f"it was tried twice: {outcome.sentence}", lasting=False)
        else:
            yield lost[place], outcome


def opened(address: str) -> AbstractContextManager[Engine]:
    """The engine that `address` names: `local`, or `ray://HOST` with an optional port.

    Raises:
        BadConfiguration: it names none.
        MissingDependency: Ray is not installed.
        EngineLost: nobody answers there, or the workers have another Edgewise.
    """
    if address == LOCAL:
        return Local()
    found = _ADDRESS.fullmatch(address)
    if found is None:
        raise BadConfiguration(
            f"there is no engine {address!r}", hint=f"allowed are {LOCAL} and ray://HOST or ray://HOST:PORT"
        )
    return Ray(f"ray://{found['host']}:{found['port'] or RAY_PORT}")


class Local:
    """One job a core, each in a child process of its own; a context manager for the sake of its siblings."""

    name = LOCAL

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def map(self, task: Task, common: Training, items: Sequence[Job]) -> Iterator[tuple[int, Made | Lost]]:
        """As `Engine.map`."""
        with ThreadPoolExecutor(max_workers=training.cores()) as pool:
            futures = {pool.submit(task, common, item): index for index, item in enumerate(items)}
            try:
                for future in as_completed(futures):
                    yield futures[future], _told(future.result())
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                child.kill_all()
                raise


def _told(made: Made) -> Made | Lost:
    """A job whose own process crashed is as lost as one whose worker did."""
    return Lost(sentence=made.failure) if made.failure and not made.lasting else made


class Ray:
    """Jobs on the workers of a Ray cluster, through its client; a context manager that ends the connection."""

    def __init__(self, address: str) -> None:
        self.name = address
        self._ray = ray()

    def __enter__(self) -> Self:
        host, _, port = self.name.removeprefix("ray://").rpartition(":")
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=CONNECT_TIMEOUT_S).close()
            self._connect(ATTEMPTS)
        except Exception as error:  # Ray's client raises ConnectionError, RuntimeError and gRPC's own
            raise EngineLost(
                f"no Ray cluster answers at {self.name}: {_line(error)}",
                hint="start one with `ray start --head`, and see that its client port can be reached",
            ) from error
        return self

    def _connect(self, attempts: int) -> None:
        """Ray starts a server for every client; on a busy head it may die while it starts, and the next one lives."""
        try:
            self._ray.init(self.name, logging_level="ERROR", log_to_driver=False)
        except ConnectionAbortedError:
            self._ray.shutdown()
            if attempts == 1:
                raise
            self._connect(attempts - 1)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ray.shutdown()

    def map(self, task: Task, common: Training, items: Sequence[Job]) -> Iterator[tuple[int, Made | Lost]]:
        """As `Engine.map`."""
        try:
            yield from self._map(task, common, items)
        except (ConnectionError, RuntimeError) as error:
            raise EngineLost(
                f"the Ray cluster at {self.name} has gone: {_line(error)}",
                hint="what was trained so far is kept; run the same command again to go on",
            ) from error

    def _map(self, task: Task, common: Training, items: Sequence[Job]) -> Iterator[tuple[int, Made | Lost]]:
        options = {"num_cpus": 1, "max_retries": 0, "scheduling_strategy": "SPREAD"}  # the one more try is ours
        remote = self._ray.remote(_remote).options(**options)
        shared = self._ray.put(common)
        pending = {remote.remote(task, shared, item, edgewise.__version__): index for index, item in enumerate(items)}
        while pending:
            done, _ = self._ray.wait(list(pending), num_returns=1)
            for reference in done:
                index = pending.pop(reference)
                try:
                    outcome = _told(self._ray.get(reference))
                except self._ray.exceptions.RayTaskError as error:
                    outcome = Made(failure=f"the Ray worker cannot run it: {_line(error.cause or error)}")
                except self._ray.exceptions.RayError as error:
                    outcome = Lost(sentence=f"its Ray worker died: {_line(error)}")
                yield index, outcome


def _remote(task: Task, common: Training, item: Job, version: str) -> Made:
    """What a Ray worker runs."""
    if edgewise.__version__ != version:
        raise BadConfiguration(f"it has edgewise {edgewise.__version__}, and {version} asks")
    return task(common, item)


def ray() -> Any:
    """The package Ray, without its usage statistics.

    Raises:
        MissingDependency: it is not installed.
    """
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    try:
        return importlib.import_module("ray")
    except ModuleNotFoundError as error:
        raise MissingDependency(
            "an engine ray://… needs the package ray", hint="pip install 'edgewise[ray]'"
        ) from error


def _line(error: BaseException) -> str:
    """The first line of what an error says that says something."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[0] if lines else type(error).__name__)[:200]
