"""The cheap figures of a structure: its graph's size, MACs, and a short timing in float32 on this machine.

Neither depends on the values of the weights, so an untrained graph tells them. One child runs one graph
after the other; it is replaced where a graph takes it down.
"""

import datetime
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from edgewise import units
from edgewise.design import statistics
from edgewise.design.data import Data
from edgewise.design.evaluate import load, start
from edgewise.design.figures import measurement
from edgewise.errors import ChildFailed
from edgewise.nouns import (
    Machine,
    Measurement,
    ModelFormat,
    Provenance,
    ProvenanceKind,
    Recipe,
    RuntimeConfiguration,
    RuntimeName,
    Variant,
)
from edgewise.runtimes.place import Worker
from edgewise.runtimes.samples import write_arrays
from edgewise.store import steps
from edgewise.store.steps import Store

BURSTS = 8
BURST_MS = 4.0
MAX_CALLS = 64
SAMPLES = 8
TIMEOUT_S = 120.0
NS_PER_MS = 1e6

AS_TRAINED = Recipe(
    name="as trained", method="given", format=ModelFormat.ONNX, precision="fp32", settings={"source": 0}
)


def configuration(versions: Mapping[RuntimeName, str]) -> RuntimeConfiguration:
    """One thread of the first installed runtime that takes ONNX."""
    runtime = RuntimeName.ONNXRUNTIME if RuntimeName.ONNXRUNTIME in versions else RuntimeName.OPENVINO
    options = {"precision": "f32"} if runtime is RuntimeName.OPENVINO else {}
    return RuntimeConfiguration(runtime=runtime, version=versions.get(runtime, ""), threads=1, options=options)


class Estimator:
    """Times graphs shortly; a context manager.

    Args:
        data: what the graphs are fed; its inputs fit all of them.
        identity: of the machine, for the cache's key.
    """

    def __init__(
        self, data: Data, store: Store, *, machine: Machine, identity: str, runs: RuntimeConfiguration
    ) -> None:
        self._data, self._store, self._machine, self._identity, self._runs = data, store, machine, identity, runs
        self._folder = store.scratch()
        self._inputs = Path(self._folder.name) / "inputs.npz"
        head = SAMPLES * (data.batch if data.batched else 1)
        write_arrays(self._inputs, [array[:head] for array in data.evaluation.inputs])
        self._child: Worker | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end_child()
        self._folder.cleanup()

    def latency(self, variant: Variant) -> Measurement:
        """Median time of one inference, ms, with an interval over `BURSTS` bursts.

        Raises:
            ChildFailed: the runtime cannot run the graph.
        """
        key = steps.key(
            "structure-latency",
            files=[file.digest for file in variant.files],
            shapes=self._data.sample_shapes,
            runtime=[self._runs.runtime.value, self._runs.version, self._runs.threads],
            machine=self._identity,
        )
        known = self._store.recall(key)
        if known is None:
            known = {
                "bursts_ns": self._timed(variant),
                "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            }
            self._store.record(key, known)
        bursts = [np.asarray(burst, dtype=np.float64) / NS_PER_MS for burst in known["bursts_ns"]]
        return measurement(
            statistics.percentile_of_bursts(bursts, 50),
            units.TIME.base,
            Provenance(kind=ProvenanceKind.MEASURED, by=self._machine.cpu.title, date=known["date"]),
        )

    def _timed(self, variant: Variant) -> list[list[int]]:
        if self._child is None:
            self._child = start(self._runs, variant.recipe)
        try:
            load(self._child, variant, self._runs, self._inputs, self._data, self._store)
            warm = self._child.call("burst", timeout_s=TIMEOUT_S, calls=2)["ns"]
            each_ms = max(min(warm) / NS_PER_MS, 1e-3)
            calls = max(1, min(MAX_CALLS, round(BURST_MS / each_ms)))
            self._child.call("burst", timeout_s=TIMEOUT_S, calls=calls)
            return [self._child.call("burst", timeout_s=TIMEOUT_S, calls=calls)["ns"] for _ in range(BURSTS)]
        except ChildFailed:
            self._end_child()
            raise

    def _end_child(self) -> None:
        if self._child is not None:
            self._child.close()
            self._child = None
