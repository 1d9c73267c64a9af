"""Metrics as text, in the two formats that Prometheus reads: its own 0.0.4, and OpenMetrics 1.0.0.

OpenMetrics wants every counter to end in _total. Triton's do not, and a name must not depend on who asks for it, so
there they are of type "unknown", which the format has for what it cannot say.
https://github.com/prometheus/docs/blob/main/docs/specs/om/open_metrics_spec.md
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from edgewise.edge.serve.observe.families import Family, Kind
from edgewise.edge.serve.observe.histogram import Histogram

PLAIN = "text/plain; version=0.0.4; charset=utf-8"
OPEN = "application/openmetrics-text; version=1.0.0; charset=utf-8"
TOTAL = "_total"

Value = float | int | Histogram


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A family with its samples: values by the values of its labels."""

    family: Family
    samples: Sequence[tuple[tuple[str, ...], Value]] = field(default=())


def content_type(accept: str) -> str:
    """The format that the Accept header `accept` wants most; plain where it is empty or says nothing of OpenMetrics."""
    best, best_weight = PLAIN, -1.0
    for part in accept.split(","):
        media, _, rest = part.partition(";")
        chosen = {"application/openmetrics-text": OPEN, "text/plain": PLAIN, "*/*": PLAIN}.get(media.strip().lower())
        weight = _weight(rest)
        if chosen and weight > max(0.0, best_weight):
            best, best_weight = chosen, weight
    return best


def _weight(parameters: str) -> float:
    for one in parameters.split(";"):
        name, _, value = one.partition("=")
        if name.strip().lower() == "q":
            try:
                return float(value)
            except ValueError:
                return 0.0
    return 1.0


def written(shown: Iterable[Shown], kind: str) -> bytes:
    """The page in the format `kind`, a content type from here."""
    lines = [line for one in shown for line in _lines(one, openmetrics=kind == OPEN)]
    if kind == OPEN:
        lines.append("# EOF")
    lines.append("")
    return "\n".join(lines).encode()


def _lines(shown: Shown, *, openmetrics: bool) -> Iterator[str]:
    family = shown.family
    name, kind = family.name, family.kind.value
    if openmetrics and family.kind is Kind.COUNTER:
        name = family.name.removesuffix(TOTAL)
        kind = kind if family.name.endswith(TOTAL) else "unknown"
    yield f"# HELP {name} {_escaped(family.meaning, quotes=openmetrics)}"
    yield f"# TYPE {name} {kind}"
    if openmetrics and family.unit:
        yield f"# UNIT {name} {family.unit}"
    for values, value in shown.samples:
        pairs = [f'{key}="{_escaped(one, quotes=True)}"' for key, one in zip(family.labels, values, strict=True)]
        if isinstance(value, Histogram):
            yield from _buckets(family.name, pairs, value)
        else:
            yield f"{family.name}{_braced(pairs)} {_number(value)}"


def _buckets(name: str, pairs: list[str], histogram: Histogram) -> Iterator[str]:
    counted = 0
    for bound, count in zip((*histogram.bounds.tolist(), float("inf")), histogram.counts.tolist(), strict=True):
        counted += count
        edge = "+Inf" if bound == float("inf") else repr(bound)
        bucket = f'le="{edge}"'
        yield f"{name}_bucket{_braced([*pairs, bucket])} {counted}"
    yield f"{name}_sum{_braced(pairs)} {_number(histogram.total)}"
    yield f"{name}_count{_braced(pairs)} {counted}"


def _braced(pairs: Sequence[str]) -> str:
    return "{" + ",".join(pairs) + "}" if pairs else ""


def _number(value: float | int) -> str:
    return str(value) if isinstance(value, int) else repr(value)


def _escaped(text: str, *, quotes: bool) -> str:
    text = text.replace("\\", "\\\\").replace("\n", "\\n")
    return text.replace('"', '\\"') if quotes else text
