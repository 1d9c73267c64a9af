"""What is counted of one version of a model."""

from array import array
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from edgewise.edge.serve.observe.histogram import ROWS, Histogram

REASONS = ("REJECTED", "BACKEND", "CANCELED", "OTHER")
"""Triton's words for why a request failed."""


WIDTH = 6
"""Values that the log has of a request."""

FULL = WIDTH * 256
"""So long may the log get: folding it then takes some tens of microseconds."""


@dataclass(slots=True, kw_only=True, eq=False)
class Series:
    """Counts of one version of a model since the server began; seconds unless a name says otherwise.

    Attributes:
        run_s: of every request: that of the run which it was part of.
        busy_s: of the model: each run once.
        energy_joules: what energy.py has attributed to it.
        log: answered requests that the histograms do not know yet, WIDTH values each: number of the protocol, duration,
            when it was admitted and its outputs were there (0.0: never), how long that run was, when it was answered.
        row_log: rows of runs that `batch` does not know yet.
        duration: by the protocol's number.
    """

    model: str
    version: str
    success: int = 0
    failures: dict[str, int] = field(default_factory=lambda: dict.fromkeys(REASONS, 0))
    rows: int = 0
    runs: int = 0
    run_s: float = 0.0
    busy_s: float = 0.0
    energy_joules: float = 0.0
    log: "array[float]" = field(default_factory=lambda: array("d"))
    row_log: list[int] = field(default_factory=list)
    preprocess: Histogram = field(default_factory=Histogram)
    predict: Histogram = field(default_factory=Histogram)
    postprocess: Histogram = field(default_factory=Histogram)
    queue: Histogram = field(default_factory=Histogram)
    batch: Histogram = field(default_factory=lambda: Histogram(ROWS))
    duration: dict[int, Histogram] = field(default_factory=dict)

    def fold(self) -> None:
        """Count what stands in the logs."""
        if self.row_log:
            rows = np.array(self.row_log)
            self.row_log.clear()
            self.rows += int(rows.sum())
            self.runs += len(rows)
            self.batch.add_all(rows)
        if self.log:
            times = np.array(self.log).reshape(-1, WIDTH)
            del self.log[:]
            self._fold(times)

    def _fold(self, times: npt.NDArray[np.float64]) -> None:
        self.success += len(times)
        skins, durations_s = times[:, 0], times[:, 1]
        for number in range(int(skins.min()), int(skins.max()) + 1):
            self.duration.setdefault(number, Histogram()).add_all(durations_s[skins == number])
        ran = times[times[:, 3] > 0]
        _, duration_s, admitted_s, ran_s, run_s, answered_s = ran.T
        admitted_s = np.where(admitted_s > 0, admitted_s, ran_s - run_s)
        predict_s = ran_s - admitted_s
        self.preprocess.add_all(np.maximum(admitted_s - (answered_s - duration_s), 0.0))
        self.predict.add_all(predict_s)
        self.queue.add_all(np.maximum(predict_s - run_s, 0.0))
        self.postprocess.add_all(answered_s - ran_s)
        self.run_s += float(run_s.sum())


@dataclass(slots=True, kw_only=True, eq=False)
class Skin:
    """Counts of one protocol, those of requests that never came to a model among them."""

    name: str
    number: int
    received_bytes: int = 0
    sent_bytes: int = 0
    gone: int = 0
    faults: dict[str, int] = field(default_factory=dict)
