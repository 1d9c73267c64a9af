"""Whether a release that is watched is well: figures against what the release may take. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from edgewise.exchange.release import Allowance

LEAST_REQUESTS = 20
"""Fewer say nothing about a share."""
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


def _mib(size_bytes: int) -> str:
    return f"{size_bytes / (1 << 20):.1f} MiB"
