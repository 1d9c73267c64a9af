"""How long rows will take (pure but for what it learns): the probe's times, corrected by what runs took since."""

from collections.abc import Sequence

LEARNING = 0.1
"""Weight of the newest run."""
UNKNOWN_S = 1e-3
"""Taken for a model that was not probed, until it ran once."""
MAX_SLOWDOWN = 100.0


class Pace:
    """Seconds that a model takes.

    Args:
        run_s: seconds for 1, 2, 4, … rows together, up to `limit`.
        limit: rows that run together.
    """

    def __init__(self, run_s: Sequence[float], limit: int) -> None:
        self._run_s = tuple(run_s) or (UNKNOWN_S,)
        self._limit = max(1, limit)
        self._table_s = tuple(self._between_s(rows) for rows in range(self._limit + 1))
        self.slowdown = 1.0
        """How many times longer runs take now than they did when the machine was probed."""

    def together_s(self, rows: int) -> float:
        """Seconds for `rows` in one call, as things go now; beyond the limit, in proportion."""
        return self._probed_s(rows) * self.slowdown

    def in_turn_s(self, rows: int) -> float:
        """Seconds until `rows` that wait have run, in full batches."""
        full, rest = divmod(rows, self._limit)
        seconds = full * self._probed_s(self._limit)
        return (seconds + (self._probed_s(rest) if rest else 0.0)) * self.slowdown

    def learn(self, rows: int, took_s: float) -> None:
        """A call with `rows` took `took_s`."""
        ratio = min(MAX_SLOWDOWN, max(1.0 / MAX_SLOWDOWN, took_s / self._probed_s(rows)))
        self.slowdown += LEARNING * (ratio - self.slowdown)

    def _probed_s(self, rows: int) -> float:
        return self._table_s[rows] if rows <= self._limit else self._between_s(rows)

    def _between_s(self, rows: int) -> float:
        """Linear between the probed numbers of rows."""
        low = 1
        for index in range(1, len(self._run_s)):
            high = low * 2
            if rows <= high:
                share = (rows - low) / (high - low)
                return self._run_s[index - 1] + share * (self._run_s[index] - self._run_s[index - 1])
            low = high
        return self._run_s[-1] * rows / low if rows > low else self._run_s[-1]
