"""The child that runs a model: load, predict, time. One model, one runtime, one process.

Peak memory, load time and crashes are the model's own: memory counts from after the import of the
runtime and of the inputs, and the kernel's high-water mark is reset there.
"""

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgewise.runtimes import protocol
from edgewise.runtimes.answer import serve
from edgewise.runtimes.samples import Array, joined, read_samples, write_arrays
from edgewise.served_nouns import RuntimeName

NS_PER_MS = 1e6


class _Worker:
    def __init__(self) -> None:
        self._session: protocol.Session | None = None
        self._samples: list[list[Array]] = []
        self._rows: int | None = None
        self._next = 0
        self._rss_before = 0

    def prepare(self, *, runtime: str) -> None:
        """Import the runtime, so that several children can do so side by side before any is measured."""
        protocol.loader(RuntimeName(runtime))

    def load(
        self,
        *,
        runtime: str,
        path: str,
        threads: int,
        options: Mapping[str, str],
        inputs: str,
        batched: bool,
        batch: int,
        limit: int | None,
        axes: Mapping[str, int] | None = None,
    ) -> dict[str, float]:
        """Load the model and the samples it will be fed; milliseconds to load."""
        self._rows = batch if batched else None
        load = protocol.loader(RuntimeName(runtime))
        self._samples = read_samples(Path(inputs), batched=batched, batch=batch, limit=limit)
        fixed = protocol.Fixed(shapes=[array.shape for array in self._samples[0]], axes=axes or {})
        _reset_high_water_mark()
        self._rss_before = _status_bytes("VmRSS")
        started = time.perf_counter_ns()
        self._session = load(Path(path), threads=threads, options=options, fixed=fixed)
        return {"load_ms": (time.perf_counter_ns() - started) / NS_PER_MS}

    def predict(self, *, outputs: str) -> dict[str, int]:
        """Run every sample once, in order; outputs go to the .npz at `outputs`, an array an output, [n, …]."""
        assert self._session is not None
        results = [self._session.run(sample) for sample in self._samples]
        write_arrays(Path(outputs), joined(results, rows=self._rows))
        return {"samples": len(results)}

    def burst(self, *, calls: int) -> dict[str, Any]:
        """Time `calls` inferences one after the other, going round the samples.

        Returns:
            "ns": wall time of each call; "cpu_ns": CPU time of the process over the burst.
        """
        assert self._session is not None
        run, samples, clock = self._session.run, self._samples, time.perf_counter_ns
        wall = []
        cpu = time.process_time_ns()
        for _ in range(calls):
            sample = samples[self._next % len(samples)]
            self._next += 1
            started = clock()
            run(sample)
            wall.append(clock() - started)
        return {"ns": wall, "cpu_ns": time.process_time_ns() - cpu}

    def memory(self) -> dict[str, int]:
        """Peak resident memory above what was there before loading, in bytes."""
        return {"peak_rss_bytes": max(0, _status_bytes("VmHWM") - self._rss_before)}


def _status_bytes(field: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024
    return 0


def _reset_high_water_mark() -> None:
    """Forget the peak so far (proc(5), clear_refs); where the kernel lacks it the peak is an upper bound."""
    try:
        descriptor = os.open("/proc/self/clear_refs", os.O_WRONLY)
    except OSError:
        return
    try:
        os.write(descriptor, b"5")
    except OSError:
        return
    finally:
        os.close(descriptor)


def main() -> None:
    """Answer the parent until it closes our input."""
    worker = _Worker()
    commands = (worker.prepare, worker.load, worker.predict, worker.burst, worker.memory)
    serve({command.__name__: command for command in commands})


if __name__ == "__main__":
    main()
