"""Looking at a server again and again: each look is compared with the one before."""

import time
from collections.abc import Callable
from typing import Protocol

from edgewise.edge.top.figures import Figures, compare
from edgewise.edge.top.page import Page


class Pages(Protocol):
    """Where pages come from: a `Source`."""

    def page(self) -> Page:
        """The metrics of this moment; see `Source.page` for what it raises."""
        ...


class Watch:
    """Looks at `source` once when it is made, and then whenever it is asked to.

    Raises:
        Gone, NoMetrics: see `Source.page`. After `Gone`, the next look is compared with the last that succeeded.
    """

    def __init__(self, source: Pages, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._source, self._clock = source, clock
        self._page, self._at_s = source.page(), clock()

    def look(self) -> Figures:
        """What happened since the last look."""
        page, at_s = self._source.page(), self._clock()
        found = compare(self._page, page, at_s - self._at_s)
        self._page, self._at_s = page, at_s
        return found
