"""Memory bandwidth as a program sees it: STREAM's copy, with every core at work.

Counts bytes read plus bytes written, as STREAM does (McCalpin, "Memory bandwidth and machine balance",
1995); what the hardware moves besides (reading a line before it is overwritten) does not count.
"""

import statistics
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from edgewise.nouns import Measurement, Provenance
from edgewise.units import BANDWIDTH

_SMALLEST = 64 << 20
_LARGEST = 512 << 20
_TIMES_CACHE = 4
_SHARE_OF_MEMORY = 16

# The range of six independent observations holds their median with 1 - 2 * 0.5**6 = 96.9 %.
_ROUNDS = 6
_PASSES = 4
_BUDGET_S = 0.9

Bytes = npt.NDArray[np.uint8]


def array_bytes(last_cache_bytes: int, memory_bytes: int) -> int:
    """Size of each of the two arrays: well beyond the last cache, never much of the memory."""
    wanted = min(max(_SMALLEST, _TIMES_CACHE * last_cache_bytes), _LARGEST)
    return max(1 << 20, min(wanted, memory_bytes // _SHARE_OF_MEMORY))


def measure(size_bytes: int, threads: int, provenance: Provenance) -> Measurement:
    """Copies `size_bytes` with `threads` threads, about a second long; in B/s.

    The value is the median of six rounds, each the best of up to four passes: the best of several, as
    other work on the machine can only slow a pass down, with an interval for what is left of its chance.
    """
    source, target = np.empty(size_bytes, np.uint8), np.empty(size_bytes, np.uint8)
    cuts = [size_bytes * part // threads for part in range(threads + 1)]
    slices = [slice(low, high) for low, high in pairwise(cuts)]
    with ThreadPoolExecutor(threads) as pool:
        # Each thread touches its part first, so that its pages lie near the core that copies them.
        list(pool.map(lambda part: source[part].fill(1), slices))
        list(pool.map(lambda part: target[part].fill(0), slices))
        first_s = _copy(pool, source, target, slices)
        passes = max(1, min(_PASSES, int(_BUDGET_S / _ROUNDS / first_s)))
        rounds = [[2 * size_bytes / _copy(pool, source, target, slices) for _ in range(passes)] for _ in range(_ROUNDS)]
    return summary(rounds, provenance)


def summary(rounds: Sequence[Sequence[float]], provenance: Provenance) -> Measurement:
    """Median of the rounds' best rates with their range; spread over all passes."""
    best = [max(rates) for rates in rounds]
    every = sorted(rate for rates in rounds for rate in rates)
    quarters = statistics.quantiles(every, n=4, method="inclusive")
    return Measurement(
        value=statistics.median(best),
        low=min(best),
        high=max(best),
        unit=BANDWIDTH.base,
        n=len(every),
        provenance=provenance,
        spread=quarters[2] - quarters[0],
    )


def _copy(pool: ThreadPoolExecutor, source: Bytes, target: Bytes, slices: Sequence[slice]) -> float:
    """Seconds to copy all slices at once; numpy lets go of the interpreter's lock while it copies."""
    start = time.perf_counter()
    list(pool.map(lambda part: np.copyto(target[part], source[part]), slices))
    return max(time.perf_counter() - start, 1e-9)
