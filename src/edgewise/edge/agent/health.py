"""Whether a release that is watched is well: figures against what the release may take. Pure."""

import re
from dataclasses import dataclass

from edgewise.exchange.release import Allowance

LEAST_REQUESTS = 20
"""Fewer say nothing about a share."""
_SAMPLE = re.compile(r"^([a-zA-Z_:][a-zA-Z0-9_:]*)(\{[^}]*\})? ([0-9.eE+-]+|\+Inf|NaN)", re.MULTILINE)
_OURS = ("BACKEND", "OTHER")
"""Reasons of nv_inference_request_failure that are the release's fault: not the client's, not the load's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """What a server has counted since it began."""

    answered: int = 0
    failed: int = 0
    latency_p99_ms: float | None = None


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
    return Counted(answered=int(answered), failed=int(failed), latency_p99_ms=_p99_ms(buckets))


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


def _p99_ms(buckets: dict[float, float]) -> float | None:
    """Upper edge of the bucket that holds the 99th percentile."""
    total = buckets.get(float("inf"), 0.0)
    for edge in sorted(buckets):
        if total and buckets[edge] >= 0.99 * total:
            return None if edge == float("inf") else edge * 1000
    return None


def _mib(size_bytes: int) -> str:
    return f"{size_bytes / (1 << 20):.1f} MiB"
