"""Whether more failed than is allowed, beyond what chance makes of few tries. Exact, one-sided. Pure."""

import math

ENOUGH = 1e-12
"""Of the sum so far: a term of the tail that is less ends it. Each falls by a larger factor than the one before."""


def beyond(failed: int, tried: int, allowed: float, chance: float) -> bool:
    """Whether `failed` of `tried` are more than the share `allowed`, and that many come by chance at most so often.

    Args:
        allowed: share from 0 to 1 that may fail.
        chance: from 0 to 1, of a false alarm in one look at a release that fails exactly as often as is allowed. 1: the
            bare share decides.
    """
    return failed > allowed * tried and tail(failed, tried, allowed) <= chance


def tail(failed: int, tried: int, share: float) -> float:
    """Probability of `failed` or more of `tried`, where each fails by itself with probability `share`: P(X >= k)."""
    if failed <= 0 or share >= 1:
        return 1.0
    if share <= 0:
        return 0.0
    if failed <= share * tried:  # the sum of the other side is the shorter one
        return 1.0 - tail(tried - failed + 1, tried, 1.0 - share)
    ways = math.lgamma(tried + 1) - math.lgamma(failed + 1) - math.lgamma(tried - failed + 1)
    term = math.exp(ways + failed * math.log(share) + (tried - failed) * math.log1p(-share))
    total, odds = term, share / (1.0 - share)
    for number in range(failed, tried):
        term *= odds * (tried - number) / (number + 1)
        total += term
        if term <= ENOUGH * total:
            break
    return min(total, 1.0)
