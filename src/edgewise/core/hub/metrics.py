"""Figures of the hub in Prometheus's text format (version 0.0.4). Counted per process; gauges are read when asked."""

import threading
from collections.abc import Iterable, Mapping
from time import monotonic

BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
HELP = {
    "edgewise_hub_requests_total": "Requests answered, by route, method and status code.",
    "edgewise_hub_request_seconds": "Time from the head of a request to the end of its answer, by route.",
    "edgewise_hub_messages_total": "Reports and cases, by what became of them.",
    "edgewise_hub_devices": "Devices by site and status.",
    "edgewise_hub_cases_open": "Cases that wait for a person.",
    "edgewise_hub_uptime_seconds": "Since the process started.",
}
Labels = tuple[tuple[str, str], ...]


class Metrics:
    """Counters and histograms of this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: dict[tuple[str, Labels], float] = {}
        self._times: dict[tuple[str, Labels], list[float]] = {}
        self._started = monotonic()

    def count(self, name: str, *, by: float = 1, **labels: str) -> None:
        """Add to a counter."""
        key = name, tuple(sorted(labels.items()))
        with self._lock:
            self._counts[key] = self._counts.get(key, 0) + by

    def time(self, name: str, seconds: float, **labels: str) -> None:
        """Put a duration into a histogram: a count for every bucket, of all, and the sum."""
        key = name, tuple(sorted(labels.items()))
        with self._lock:
            held = self._times.setdefault(key, [0.0] * (len(BUCKETS_S) + 2))
            for index, bound in enumerate(BUCKETS_S):
                held[index] += seconds <= bound
            held[-2] += 1
            held[-1] += seconds

    def text(self, gauges: Iterable[tuple[str, Mapping[str, str], float]]) -> str:
        """All of it, and `gauges`, as Prometheus reads it."""
        with self._lock:
            counts, times = dict(self._counts), {key: list(held) for key, held in self._times.items()}
        families: dict[str, tuple[str, list[str]]] = {}
        for (name, labels), number in sorted(counts.items()):
            families.setdefault(name, ("counter", []))[1].append(_line(name, labels, number))
        for (name, labels), held in sorted(times.items()):
            families.setdefault(name, ("histogram", []))[1].extend(_histogram(name, labels, held))
        gauge = [*gauges, ("edgewise_hub_uptime_seconds", {}, monotonic() - self._started)]
        for name, given, number in gauge:
            families.setdefault(name, ("gauge", []))[1].append(_line(name, tuple(given.items()), number))
        return "".join(
            f"# HELP {name} {HELP[name]}\n# TYPE {name} {kind}\n" + "".join(lines)
            for name, (kind, lines) in families.items()
        )


def _histogram(name: str, labels: Labels, held: list[float]) -> list[str]:
    bounds = [*(f"{bound:g}" for bound in BUCKETS_S), "+Inf"]
    lines = [_line(f"{name}_bucket", (*labels, ("le", bound)), held[i]) for i, bound in enumerate(bounds)]
    return [*lines, _line(f"{name}_sum", labels, held[-1]), _line(f"{name}_count", labels, held[-2])]


def _line(name: str, labels: Labels, number: float) -> str:
    inside = ",".join(f'{key}="{_escaped(value)}"' for key, value in labels)
    return f"{name}{{{inside}}} {number:.10g}\n" if inside else f"{name} {number:.10g}\n"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


METRICS = Metrics()
"""Of this process."""
