"""A device in this process: the real bench and server, with workers that are made up."""

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from edgewise.edge.bench.bench import Bench
from edgewise.edge.bench.lease import Lease
from edgewise.edge.bench.server import Server
from edgewise.errors import ChildFailed
from edgewise.hardware.meters import EnergyMeter
from edgewise.hardware.probe import probe
from edgewise.runtimes.samples import read_arrays, write_arrays
from edgewise.store.steps import Store

TOKEN = "a-token-for-tests-only"


@dataclass
class Workers:
    """Stands for the place where the device's workers run; `journal` has (name, command, arguments)."""

    cores: int = 2
    journal: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)
    alive: set[str] = field(default_factory=set)
    hold: threading.Event = field(default_factory=threading.Event)
    killed: threading.Event = field(default_factory=threading.Event)

    def start(self, *, name: str, prefix: tuple[str, ...] = ()) -> "FakeWorker":
        if name == "unstartable":
            raise ChildFailed("it could not be started")
        self.alive.add(name)
        return FakeWorker(name, self)

    def load_average(self) -> float:
        return 0.25

    def available_bytes(self) -> int:
        return 3 << 30

    def kill_all(self) -> None:
        self.alive.clear()
        self.killed.set()

    def commands(self, command: str) -> int:
        return sum(done == command for _, done, _ in self.journal)


class FakeWorker:
    """Loads a file of arrays as its model; "predict" adds one to its inputs. A burst of 13 calls waits to be ended."""

    def __init__(self, name: str, workers: Workers) -> None:
        self.name, self._workers = name, workers
        self._inputs: Path | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def call(self, command: str, *, timeout_s: float, **arguments: Any) -> dict[str, Any]:
        self._workers.journal.append((self.name, command, arguments))
        match command:
            case "load":
                self._inputs = Path(arguments["inputs"])
                text = Path(arguments["path"]).read_text()
                if text == "refuse":
                    raise ChildFailed("there is no kernel for it", log="the runtime's words", lasting=True)
                return {"load_ms": float(len(text))}
            case "predict":
                assert self._inputs is not None
                write_arrays(Path(arguments["outputs"]), [array + 1 for array in read_arrays(self._inputs)])
                return {"samples": 1}
            case "burst":
                if arguments["calls"] == 13:
                    self._workers.hold.set()
                    assert self._workers.killed.wait(10)
                    raise ChildFailed("it was ended by SIGKILL")
                return {"ns": [1_000_000] * arguments["calls"], "cpu_ns": 1}
            case "memory":
                return {"peak_rss_bytes": 1 << 20}
        return {}

    def log(self) -> str:
        return f"log of {self.name}"

    def close(self) -> None:
        self._workers.alive.discard(self.name)


@contextlib.contextmanager
def device(
    folder: Path, *, lease_s: float = 30.0, meter: EnergyMeter | None = None
) -> Iterator[tuple[str, Workers, Server]]:
    """Its address, its workers and its server."""
    workers = Workers()
    bench = Bench(
        Store(folder), machine=probe(bandwidth=False), meter=meter, lease=Lease(seconds=lease_s), place=workers
    )
    with Server("127.0.0.1", 0, bench=bench, token=TOKEN) as server:
        yield f"http://127.0.0.1:{server.server_port}", workers, server
