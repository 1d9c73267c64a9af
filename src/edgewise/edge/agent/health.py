"""Whether a release that is watched is well: figures against what the release may take. Pure."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from edgewise.exchange.release import Allowance

LEAST_REQUESTS = 20
"""Fewer say nothing about a share."""
LEAST_WATCHED_S, LEAST_GROWTH_BYTES = 60.0, 64 << 10
"""Growth of less, a quarter, or seen for less time, says nothing."""
LEAK_WITHIN_S = 7 * 24 * 3600.0
"""A leak that fills what is allowed later than this is left to restarts."""
_SAMPLE = re.compile(r"^([a-zA-Z_:][a-zA-Z0-9_:]*)(\{[^}]*\})? ([0-9.eE+-]+|\+Inf|NaN)", re.MULTILINE)
_OURS = ("BACKEND", "OTHER")
"""Reasons of nv_inference_request_failure that are the release's fault: not the client's, not the load's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """What a server has counted since it began.

    Attributes:
        buckets: of the duration of answered requests: upper edges in seconds, and how many were not above.
    """

    answered: int = 0
    failed: int = 0
    buckets: Mapping[float, float] = field(default_factory=dict)

    @property
    def latency_p99_ms(self) -> float | None:
        """Upper edge of the bucket that holds the 99th percentile; None where nothing was answered."""
        total = self.buckets.get(float("inf"), 0.0)
        for edge in sorted(self.buckets):
            if total and self.buckets[edge] >= 0.99 * total:
                return None if edge == float("inf") else edge * 1000
        return None

    def since(self, before: "Counted") -> "Counted":
        """What came after `before`, of the same server."""
        return self._with(before, -1)

    def plus(self, other: "Counted") -> "Counted":
        """Both together, of two servers."""
        return self._with(other, 1)

    def _with(self, other: "Counted", sign: int) -> "Counted":
        edges = sorted({*self.buckets, *other.buckets})
        return Counted(
            answered=max(0, self.answered + sign * other.answered),
            failed=max(0, self.failed + sign * other.failed),
            buckets={edge: self.buckets.get(edge, 0.0) + sign * other.buckets.get(edge, 0.0) for edge in edges},
        )


def read(text: str) -> Counted:
    """What the page /metrics says."""
    answered = failed = 0.0
    buckets: dict[float, float] = {}
    for name, labels, value in _SAMPLE.findall(text):
        if name in ("nv_inference_request_success", "nv_inference_request_success_total"):
            answered += float(value)
        elif name.startswith("nv_inference_request_failure") and any(f'"{one}"' in labels for one in _OURS):
            failed += float(value)
        elif name == "edgewise_request_duration_seconds_bucket":
            edge = re.search(r'le="([^"]+)"', labels)
            if edge:
                buckets[float(edge[1])] = buckets.get(float(edge[1]), 0.0) + float(value)
    return Counted(answered=int(answered), failed=int(failed), buckets=buckets)


def unwell(allowance: Allowance, counted: Counted, resident_bytes: int, golden_p99_ms: float | None) -> str:
    """Why the release should not be kept, in one sentence with the evidence; "" where it is well."""
    total = counted.answered + counted.failed
    if total >= LEAST_REQUESTS and counted.failed > allowance.error_share * total:
        return f"{counted.failed} of {total} requests failed, more than {allowance.error_share:.1%}"
    return over_budget(allowance, resident_bytes, golden_p99_ms)


def over_budget(allowance: Allowance, resident_bytes: int, latency_p99_ms: float | None) -> str:
    """What of the budget is exceeded, in a sentence; "" where nothing is."""
    if allowance.memory_bytes is not None and resident_bytes > allowance.memory_bytes:
        return f"its server holds {_mib(resident_bytes)} of memory, more than {_mib(allowance.memory_bytes)}"
    limit = allowance.latency_p99_ms
    if limit is not None and latency_p99_ms is not None and latency_p99_ms > limit:
        return f"an inference takes {latency_p99_ms:.3g} ms at the 99th percentile, more than {limit:.3g} ms"
    return ""


def leak(samples: Sequence[tuple[float, int]], limit_bytes: int | None) -> str:
    """What the memory of a server that was watched will come to, in a sentence; "" where it does not grow for ever.

    Growth counts where the least of every quarter of the time is above that of the quarter before, and the last step is
    not much smaller than the first: what fills caches grows and stays.

    Args:
        samples: seconds, and resident bytes, in the order of time.
    """
    span_s = samples[-1][0] - samples[0][0] if samples else 0.0
    if limit_bytes is None or span_s < LEAST_WATCHED_S:
        return ""
    quarters: list[list[int]] = [[], [], [], []]
    for at_s, size_bytes in samples:
        quarters[min(3, int(4 * (at_s - samples[0][0]) / span_s))].append(size_bytes)
    if not all(quarters):
        return ""
    least = [min(one) for one in quarters]
    steps = [after - before for before, after in pairwise(least)]
    if min(steps) < LEAST_GROWTH_BYTES or steps[-1] < steps[0] / 2:
        return ""
    bytes_per_s = (least[-1] - least[0]) / (0.75 * span_s)
    left_s = (limit_bytes - samples[-1][1]) / bytes_per_s
    if left_s > LEAK_WITHIN_S:
        return ""
    return (
        f"its server's memory grows by {_mib(bytes_per_s * 60)} a minute, from {_mib(samples[0][1])} to"
        f" {_mib(samples[-1][1])} while it was watched; {_mib(limit_bytes)} would be full in {left_s / 60:.0f} minutes"
    )


def _mib(size_bytes: float) -> str:
    return f"{size_bytes / (1 << 20):.1f} MiB"
