"""Energy of inferences, where the machine has a meter: read in the background, given to models by the time they ran.

A meter knows no processes. In a second of which a model was busy for a quarter, the model is given a quarter of the
second's energy: what the metered thing drew while the model ran, other work on it included. Models that ran at the same
time share. So the figure is an upper bound on a busy machine, and right where inference is all that the machine does.
"""

import os
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence

from edgewise.edge.serve.observe.sampled import Meter
from edgewise.edge.serve.observe.series import Series
from edgewise.hardware.counting import CpuSeconds, EnergyMeter, Reading

NAME = "EDGEWISE_METER"
"""A meter of this machine as `edgewise describe machine this` lists it, or "none"; without it the machine's own."""

WATTS = "EDGEWISE_WATTS"
"""Declared power of the machine with all processors busy; used where there is no meter, and marked as declared."""

EVERY_S = 1.0
NONE = "none"


def chosen(environment: Mapping[str, str], meters: Callable[[], Sequence[EnergyMeter]]) -> EnergyMeter | None:
    """The meter to read: the named one, else the machine's own, else declared watts, else none."""
    name = environment.get(NAME, "")
    if name != NONE:
        found = meters()
        own = [one for one in found if one.measured and one.scope in ("cpu", "machine")]
        named = [one for one in found if one.name == name] if name else sorted(own, key=lambda one: one.scope != "cpu")
        if named:
            return named[0]
    try:
        watts = float(environment.get(WATTS, ""))
    except ValueError:
        return None
    return CpuSeconds(watts=watts, cores=os.cpu_count() or 1) if watts > 0 else None


def provenance(meter: EnergyMeter) -> Meter:
    """How figures of `meter` are labelled."""
    return Meter(name=meter.name, provenance="measured" if meter.measured else "declared")


class Energy:
    """Reads `meter` every `every_s` seconds in a thread of its own, and adds to the series' joules."""

    def __init__(self, meter: EnergyMeter, *, every_s: float = EVERY_S) -> None:
        self.meter = meter
        self._every_s = every_s
        self._busy_s: dict[int, float] = {}
        self._last: Reading | None = None
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, series: Callable[[], Iterable[Series]]) -> None:
        """Begin to read; `series` gives those that there are at the moment."""
        self._thread = threading.Thread(target=self._run, args=(series,), name="energy", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Read no more."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout=self._every_s)

    def _run(self, series: Callable[[], Iterable[Series]]) -> None:
        while not self._stop.wait(self._every_s):
            try:
                self.read(list(series()))
            except (OSError, ValueError):
                return  # the sensor is gone: what was counted stands, and grows no more

    def read(self, every: Sequence[Series]) -> None:
        """Give what the meter has counted since the last reading to the models, by the time that each ran.

        Raises:
            OSError, ValueError: the meter cannot be read.
        """
        now = self.meter.read()
        busy_s = {id(one): one.busy_s for one in every}
        last, self._last = self._last, now
        before, self._busy_s = self._busy_s, busy_s
        if last is None:
            return
        ran_s = [busy_s[id(one)] - before.get(id(one), 0.0) for one in every]
        whole_s = max(now.at_s - last.at_s, sum(ran_s), 1e-9)
        for one, seconds in zip(every, ran_s, strict=True):
            one.energy_joules += (now.joules - last.joules) * seconds / whole_s
