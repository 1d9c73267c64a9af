"""Who measures: one client at a time, for as long as it is heard of.

Two plans at once would disturb each other's timing. A lease that nobody renews ends by itself, so that a client
that is gone does not keep the device.
"""

import threading
import time
from collections.abc import Callable

from edgewise.errors import Busy, EdgewiseError
from edgewise.runtimes.wire import LEASE_S

SILENT_S = 3.0


class LeaseEnded(EdgewiseError):
    """The client that asks does not hold the lease, or no longer."""


class Lease:
    """At most one holder, known by an identifier that it made up.

    Args:
        seconds: so long a holder may be silent.
        clock: monotonic seconds.
    """

    def __init__(self, *, seconds: float = LEASE_S, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds, self._clock = seconds, clock
        self._lock = threading.Lock()
        self._holder = ""
        self._until = 0.0

    def take(self, holder: str) -> None:
        """Make `holder` the one who measures; taking it again renews it.

        Raises:
            Busy: another one measures.
        """
        with self._lock:
            if self._holder and self._holder != holder:
                raise Busy("the device measures for another plan", hint=self._hint())
            self._holder = holder
            self._until = self._clock() + self._seconds

    def _hint(self) -> str:
        left = self._until - self._clock()
        silent = self._seconds - left
        if silent < SILENT_S:
            return "wait until it is done, then run this again"
        return f"it has been silent for {silent:.0f} s, and loses the device in {max(left, 0):.0f} s if it stays so"

    def renew(self, holder: str) -> None:
        """Say that `holder` is still there.

        Raises:
            LeaseEnded: it is not its turn any more.
        """
        with self._lock:
            if not holder or self._holder != holder:
                raise LeaseEnded("this plan no longer measures on the device", hint="run the same command again")
            self._until = self._clock() + self._seconds

    def give_back(self, holder: str) -> bool:
        """End the lease of `holder`; False where it has none."""
        with self._lock:
            held = bool(holder) and self._holder == holder
            if held:
                self._holder = ""
            return held

    def end(self) -> None:
        """End the lease, whoever holds it."""
        with self._lock:
            self._holder = ""

    def expire(self) -> bool:
        """End a lease that was not renewed in time; True where there was one."""
        with self._lock:
            over = bool(self._holder) and self._clock() > self._until
            if over:
                self._holder = ""
            return over
