"""When to ask next. Pure, but for the dice that are given."""

from collections.abc import Sequence

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
