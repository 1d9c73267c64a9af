"""When to ask a registry again, and how long to wait before. Pure.

Exponential backoff with full jitter (Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015): a fleet
that lost its registry in the same second does not come back in the same second. What Retry-After asks for is waited
for, never less.
"""

import email.utils
from datetime import UTC, datetime

TRIES = 6
FIRST_S = 0.5
LONGEST_S = 30.0
PATIENCE_S = 120.0
"""A registry that wants us away for longer is said, rather than waited for."""
PASSING = frozenset([408, 429, 500, 502, 503, 504])
"""Statuses that may be others the next time."""


def pause_s(failures: int, asked_s: float | None, chance: float) -> float:
    """Seconds to wait after the failure number `failures`, the first being 1.

    Args:
        asked_s: what the server's Retry-After wants.
        chance: evenly between 0 and 1.
    """
    ours = min(LONGEST_S, FIRST_S * 2.0 ** min(failures - 1, 16)) * chance
    return max(ours, asked_s or 0.0)


def asked_s(retry_after: str | None, now: datetime) -> float | None:
    """Seconds from `now` on that a header Retry-After asks for, as a number or a date; None if it says nothing."""
    if not retry_after:
        return None
    text = retry_after.strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        moment = email.utils.parsedate_to_datetime(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - now).total_seconds())
