"""Energy by meters that are slower than a burst.

A meter that renews its value every 100 ms cannot tell the 8 ms of one design from those of the next. So each design
runs alone for whole windows of at least `INTERVALS` readings, several of them in turn with those of the others. A
window begins at a reading that was taken after the design had run for two intervals, and ends at a later reading;
what counts is the energy between these two and the time between them, both by the meter's own clock. The power is
their quotient; the energy of one inference is the power times the mean time of an inference in that window.
"""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self

from edgewise.hardware.counting import Reading

WINDOWS = 3
INTERVALS = 10
LEAST_S = 0.25
MAX_CALLS = 50_000
_PATIENCE = 10.0


@dataclass(slots=True, kw_only=True)
class Windows:
    """How a meter is read in windows.

    Attributes:
        name: of the meter.
        interval_s: from one of its readings to the next.
        read: its newest reading; None where a device answers each burst with its own.
        lost: why it tells nothing any more, "" while it does.
    """

    name: str
    interval_s: float
    read: Callable[[], Reading] | None = None
    lost: str = ""

    @property
    def length_s(self) -> float:
        """Of one window, from reading to reading."""
        return max(LEAST_S, INTERVALS * self.interval_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """What one window came to.

    Attributes:
        joules, seconds: between its first and last reading.
        inference_s: mean wall time of one inference in it.
        calls: inferences in it.
    """

    joules: float
    seconds: float
    inference_s: float
    calls: int

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Self:
        """A window as a store keeps it."""
        return cls(**record)


def measure(burst: Callable[[int], Mapping[str, Any]], windows: Windows, *, inference_s: float) -> Window | None:
    """One window of a design that is loaded and warm; None where the meter fails, which `windows.lost` tells then.

    Args:
        burst: runs so many inferences; answers with "ns" of each, and with "reading" where a device has the meter.
        inference_s: about how long one takes.
    """
    calls = max(1, min(MAX_CALLS, math.ceil(2 * windows.interval_s / max(inference_s, 1e-7))))
    started = time.monotonic()
    patience_s = _PATIENCE * (windows.length_s + 3 * windows.interval_s + calls * inference_s)
    before: Reading | None = None
    first: Reading | None = None
    wall_ns: list[int] = []
    while True:
        answer = burst(calls)
        try:
            now = _reading(answer, windows)
        except (OSError, ValueError) as error:
            windows.lost = str(error)
            return None
        before = before or now
        if first is None:
            settled = now.at_s - before.at_s >= 2 * windows.interval_s
            first = now if settled else None
        else:
            wall_ns += answer["ns"]
            seconds = now.at_s - first.at_s
            if seconds >= windows.length_s and now.joules <= first.joules:
                windows.lost = f"it counted no energy in {seconds:.1f} s of work"
                return None
            if seconds >= windows.length_s:
                mean_s = sum(wall_ns) / len(wall_ns) / 1e9
                return Window(joules=now.joules - first.joules, seconds=seconds, inference_s=mean_s, calls=len(wall_ns))
        if time.monotonic() - started > patience_s:
            windows.lost = f"no new reading in {time.monotonic() - started:.0f} s"
            return None


def _reading(answer: Mapping[str, Any], windows: Windows) -> Reading:
    if windows.read is not None:
        return windows.read()
    if "reading" not in answer:
        raise ValueError("the device could not read it")
    return Reading(at_s=float(answer["reading"]["at_s"]), joules=float(answer["reading"]["joules"]))
