"""When to ask next. Pure, but for the dice that are given."""

import math
from collections.abc import Sequence

DAY_MINUTES = 24 * 60
LONGEST_S = 6 * 3600.0
JITTER = 0.2


def wait_s(poll_s: float, failures: int, dice: float) -> float:
    """Seconds until the next poll: doubled for every failure in a row, never all devices at once.

    Args:
        dice: uniform in [0, 1).
    """
    longest = max(poll_s, LONGEST_S)
    return min(longest, poll_s * 2.0 ** min(failures, 16)) * (1 + JITTER * (2 * dice - 1))


def is_open(windows: Sequence[tuple[int, int]], minute: int) -> bool:
    """Whether updates may be applied at `minute` of the day; a window that ends before it begins goes over midnight.

    No window at all is always open.
    """
    return not windows or any(
        begin <= minute < end if begin <= end else minute >= begin or minute < end for begin, end in windows
    )


def left_s(windows: Sequence[tuple[int, int]], minute: int) -> float:
    """Seconds until no window is open any more, counted from `minute`; infinite where none ever shuts.

    Zero where none is open now. Windows that overlap or follow each other are one.
    """
    if not windows:
        return math.inf
    open_minutes = next((n for n in range(DAY_MINUTES) if not is_open(windows, (minute + n) % DAY_MINUTES)), None)
    return math.inf if open_minutes is None else open_minutes * 60.0


def postponed(due: str, *, booted: str, staged: str, withdrawn: Sequence[str]) -> str:
    """What of the offer `due` is heard while nothing may be fetched: nothing new, and nothing is let go for it."""
    if due in ("", booted, staged):
        return due
    return staged if staged not in ("", *withdrawn) else booted
