"""From what was counted to the samples of every metric."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgewise import __version__
from edgewise.edge.serve.contract import IndexEntry
from edgewise.edge.serve.observe import families as known
from edgewise.edge.serve.observe.exposition import Shown, Value
from edgewise.edge.serve.observe.families import Family
from edgewise.edge.serve.observe.histogram import Histogram
from edgewise.edge.serve.observe.process import Process
from edgewise.edge.serve.observe.series import Series

if TYPE_CHECKING:
    from edgewise.edge.serve.observe.metrics import Metrics

MICRO = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Meter:
    """Which meter energy comes from; `provenance` is measured, or declared where it only shares out given watts."""

    name: str
    provenance: str


def shown(metrics: "Metrics", index: Sequence[IndexEntry], process: Process) -> Iterator[Shown]:
    """Every family with its samples, in the order of `families.FAMILIES`."""
    samples = _of_models(metrics) | _of_skins(metrics) | process.samples()
    samples[known.MODEL_READY] = [((one.name, one.version), int(one.state == "READY")) for one in index]
    samples[known.BUILD] = [((__version__,), 1)]
    for family in known.FAMILIES:
        yield Shown(family=family, samples=samples.get(family, ()))


def _of_models(metrics: "Metrics") -> dict[Family, Sequence[tuple[tuple[str, ...], Value]]]:
    every = list(metrics.series.values())
    names = list(metrics.skins)
    of_version: Mapping[Family, Sequence[Value]] = {
        known.SUCCESS: [one.success for one in every],
        known.COUNT: [one.rows for one in every],
        known.EXEC_COUNT: [one.runs for one in every],
        known.REQUEST_US: [_micro(sum(each.total for each in one.duration.values())) for one in every],
        known.QUEUE_US: [_micro(one.queue.total) for one in every],
        known.INPUT_US: [_micro(one.preprocess.total) for one in every],
        known.INFER_US: [_micro(one.run_s) for one in every],
        known.OUTPUT_US: [_micro(one.postprocess.total) for one in every],
        known.QUEUE: [one.queue for one in every],
        known.BATCH: [one.batch for one in every],
        known.BUSY: [one.busy_s for one in every],
    }
    found: dict[Family, Sequence[tuple[tuple[str, ...], Value]]] = {
        family: [((one.model, one.version), value) for one, value in zip(every, values, strict=True)]
        for family, values in of_version.items()
    }
    found[known.FAILURE] = [
        ((one.model, one.version, reason), count) for one in every for reason, count in one.failures.items()
    ]
    found[known.DURATION] = [
        ((one.model, one.version, names[number]), histogram)
        for one in every
        for number, histogram in one.duration.items()
    ]
    found[known.PENDING] = [((model,), count) for model, count in metrics.waiting().items()]
    if metrics.meter is not None:
        meter = metrics.meter
        found[known.ENERGY] = [
            ((one.model, one.version, meter.name, meter.provenance), one.energy_joules) for one in every
        ]
    return found | _steps(every)


def _steps(every: Sequence[Series]) -> dict[Family, Sequence[tuple[tuple[str, ...], Value]]]:
    """KServe's histograms, which know no versions: those of a model together."""
    names = dict.fromkeys(one.model for one in every)
    steps = {known.PREPROCESS: "preprocess", known.PREDICT: "predict", known.POSTPROCESS: "postprocess"}
    return {
        family: [((name,), _together([getattr(one, step) for one in every if one.model == name])) for name in names]
        for family, step in steps.items()
    }


def _together(histograms: Sequence[Histogram]) -> Histogram:
    merged = Histogram(histograms[0].bounds.tolist())
    for one in histograms:
        merged.merge(one)
    return merged


def _of_skins(metrics: "Metrics") -> dict[Family, Sequence[tuple[tuple[str, ...], Value]]]:
    skins = metrics.skins.items()
    return {
        known.FAULTS: [((name, fault), count) for name, skin in skins for fault, count in skin.faults.items()],
        known.GONE: [((name,), skin.gone) for name, skin in skins],
        known.RECEIVED_BYTES: [((name,), skin.received_bytes) for name, skin in skins],
        known.SENT_BYTES: [((name,), skin.sent_bytes) for name, skin in skins],
        known.UNDER_WAY: [((), len(metrics.under_way))],
    }


def _micro(seconds: float) -> int:
    return round(seconds * MICRO)
