"""From two pages of metrics to what happened between them: rates, percentiles, means. Pure.

A counter that is smaller than before, or a process that began later, is a server that was started anew in between: what
it has counted since then counts, as with Prometheus's `rate`. Percentiles are interpolated within their bucket, as with
`histogram_quantile`; beyond the last bucket they say its bound.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edgewise.edge.serve.observe import families as known
from edgewise.edge.serve.observe.families import Family
from edgewise.edge.top.page import Page, Sample

JITTER_S = 1.5
"""A process's start is reckoned from the machine's, which the kernel rounds to seconds anew each time."""

Key = tuple[str, ...]
MODEL = ("model", "version")


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFigures:
    """What one version of a model did; None where nothing says so.

    Attributes:
        requests_per_s: answered.
        failures_per_s: not answered, for whatever reason.
        p50_ms, p99_ms: of answered requests of every protocol.
        queue_ms: mean wait for the model.
        mean_batch: rows of a run.
        busy: share of the time in which the model ran.
        waiting: requests that no run has taken yet, of all versions of the model.
        power_watts, energy_mj: while it ran, and of one row, whatever else ran there included.
        meter: where these two come from; "" where there is no meter.
        declared: they are reckoned from declared watts, not measured.
    """

    name: str
    version: str
    ready: bool | None
    requests_per_s: float
    failures_per_s: float
    rows_per_s: float
    p50_ms: float | None
    p99_ms: float | None
    queue_ms: float | None
    mean_batch: float | None
    busy: float | None
    waiting: int | None
    power_watts: float | None
    energy_mj: float | None
    meter: str
    declared: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What a server did within `seconds`; None where nothing says so.

    Attributes:
        edgewise: version of Edgewise that serves, "" where it is another's server.
        restarted: it was started anew within that time.
        started_s: when its process began, since the epoch, by its own clock.
        cpu: processors that it kept busy.
        faults_per_s: requests that were not answered, those that never came to a model among them.
    """

    seconds: float
    edgewise: str
    restarted: bool
    started_s: float | None
    rss_bytes: int | None
    cpu: float | None
    descriptors: int | None
    under_way: int | None
    faults_per_s: float | None
    models: tuple[ModelFigures, ...]


def serves_models(page: Page) -> bool:
    """Whether it is the page of an inference server, ours or one with Triton's names."""
    return any(family.name in page for family in (known.BUILD, known.MODEL_READY, known.SUCCESS))


def compare(before: Page, after: Page, seconds: float) -> Figures:
    """What happened from `before` to `after`, `seconds` later; an empty `before` is the start of the server."""
    restarted = bool(before) and _restarted(before, after)
    between = _Between({} if restarted else before, after, max(seconds, 1e-9))
    return Figures(
        seconds=seconds,
        edgewise=next((sample.labels.get("version", "") for sample in after.get(known.BUILD.name, ())), ""),
        restarted=restarted,
        started_s=_one(after, known.START),
        rss_bytes=_whole(_one(after, known.RSS)),
        cpu=between.rate(known.CPU, ()),
        descriptors=_whole(_one(after, known.OPEN_FDS)),
        under_way=_whole(_one(after, known.UNDER_WAY)),
        faults_per_s=between.rate(known.FAULTS, ()),
        models=tuple(_model(between, key) for key in sorted(_models(after))),
    )


def quantile(counts: Mapping[float, float], share: float) -> float | None:
    """The value below which `share` of what was counted is; None where nothing was.

    Args:
        counts: by upper bound, cumulative, with that of infinity.
    """
    bounds = sorted(counts)
    total = counts[bounds[-1]] if bounds else 0.0
    if total <= 0 or not math.isinf(bounds[-1]):
        return None
    wanted, lower, below = share * total, 0.0, 0.0
    for bound in bounds[:-1]:
        if counts[bound] >= wanted:
            inside = counts[bound] - below
            return lower + (bound - lower) * ((wanted - below) / inside if inside > 0 else 1.0)
        lower, below = bound, counts[bound]
    return lower


class _Indexed:
    """A page whose samples are found by some of their labels, however many there are."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._groups: dict[tuple[str, Key], dict[Key, list[Sample]]] = {}

    def of(self, name: str, labels: Key = (), key: Key = ()) -> Sequence[Sample]:
        """Samples of `name` whose `labels` are `key`."""
        groups = self._groups.get((name, labels))
        if groups is None:
            groups = self._groups[name, labels] = {}
            for one in self._page.get(name, ()):
                groups.setdefault(tuple(one.labels.get(label, "") for label in labels), []).append(one)
        return groups.get(key, ())

    def value(self, family: Family, labels: Key = (), key: Key = ()) -> float | None:
        """That of the first such sample."""
        return next((one.value for one in self.of(family.name, labels, key)), None)


class _Between:
    """How counters grew, summed over the labels that are not asked for."""

    def __init__(self, before: Page, after: Page, seconds: float) -> None:
        self._before, self.after, self._seconds = _Indexed(before), _Indexed(after), seconds

    def growth(self, name: str, labels: Key, key: Key) -> float | None:
        """Of the samples of `name` whose `labels` are `key`; None where there are none."""
        now = self.after.of(name, labels, key)
        if not now:
            return None
        old = {_identity(one): one.value for one in self._before.of(name, labels, key)}
        return sum(max(0.0, one.value - old.get(_identity(one), 0.0)) for one in now)

    def rate(self, family: Family, key: Key) -> float | None:
        """`growth` a second."""
        grown = self.growth(family.name, MODEL[: len(key)], key)
        return None if grown is None else grown / self._seconds

    def ratio(self, above: str, below: str, key: Key) -> float | None:
        """Growth of one over that of the other; None where the other did not grow."""
        upper, lower = (self.growth(name, MODEL, key) for name in (above, below))
        return upper / lower if upper is not None and lower else None

    def percentile_ms(self, family: Family, key: Key, share: float) -> float | None:
        """Of a histogram of seconds."""
        name = f"{family.name}_bucket"
        bounds = {one.labels.get("le", "") for one in self.after.of(name, MODEL, key)}
        counts = {_bound(text): self.growth(name, (*MODEL, "le"), (*key, text)) or 0.0 for text in bounds}
        found = quantile(counts, share)
        return None if found is None else found * 1e3


def _model(between: _Between, key: Key) -> ModelFigures:
    after = between.after
    ready = after.value(known.MODEL_READY, MODEL, key)
    meter = next((one.labels for one in after.of(known.ENERGY.name, MODEL, key)), {})
    queue_s = between.ratio(f"{known.QUEUE.name}_sum", f"{known.QUEUE.name}_count", key)
    energy_j = between.ratio(known.ENERGY.name, known.COUNT.name, key)
    return ModelFigures(
        name=key[0],
        version=key[1],
        ready=None if ready is None else ready == 1,
        requests_per_s=between.rate(known.SUCCESS, key) or 0.0,
        failures_per_s=between.rate(known.FAILURE, key) or 0.0,
        rows_per_s=between.rate(known.COUNT, key) or 0.0,
        p50_ms=between.percentile_ms(known.DURATION, key, 0.50),
        p99_ms=between.percentile_ms(known.DURATION, key, 0.99),
        queue_ms=None if queue_s is None else queue_s * 1e3,
        mean_batch=between.ratio(known.COUNT.name, known.EXEC_COUNT.name, key),
        busy=between.rate(known.BUSY, key),
        waiting=_whole(after.value(known.PENDING, MODEL[:1], key[:1])),
        power_watts=between.rate(known.ENERGY, key),
        energy_mj=None if energy_j is None else energy_j * 1e3,
        meter=meter.get("meter", ""),
        declared=meter.get("provenance", "measured") != "measured",
    )


def _restarted(before: Page, after: Page) -> bool:
    began, begins = _one(before, known.START), _one(after, known.START)
    if began is not None and begins is not None and begins > began + JITTER_S:
        return True
    names = (known.SUCCESS.name, known.COUNT.name, known.CPU.name)
    old = {(name, _identity(one)): one.value for name in names for one in before.get(name, ())}
    return any(one.value < old.get((name, _identity(one)), 0.0) for name in names for one in after.get(name, ()))


def _models(page: Page) -> set[Key]:
    """Name and version of every model that the page tells of."""
    families = (known.MODEL_READY, known.SUCCESS, known.FAILURE)
    found = (one.labels for family in families for one in page.get(family.name, ()))
    return {(labels["model"], labels.get("version", "")) for labels in found if "model" in labels}


def _identity(sample: Sample) -> frozenset[tuple[str, str]]:
    return frozenset(sample.labels.items())


def _one(page: Page, family: Family) -> float | None:
    return next((one.value for one in page.get(family.name, ())), None)


def _whole(value: float | None) -> int | None:
    return None if value is None or not math.isfinite(value) else round(value)


def _bound(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.inf
