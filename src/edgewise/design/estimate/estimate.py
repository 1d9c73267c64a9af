"""Figures for a machine that is not here: latency, energy and power of one inference.

Nothing runs. What stands behind a figure is in its provenance; where nothing does, `NoBasis` says which rows would.
Rows measured on the machine itself (`observations.measured`) go into the same fit and weigh more than published ones.
"""

from collections.abc import Sequence
from dataclasses import replace

from edgewise import units
from edgewise.design.estimate import energy, support
from edgewise.design.estimate.coverage import Coverage, check
from edgewise.design.estimate.estimated import Estimated
from edgewise.design.estimate.fitted import Fitted, fitted
from edgewise.design.estimate.hierarchy import total
from edgewise.design.estimate.intervals import Width
from edgewise.design.estimate.latency import Place, of_layers
from edgewise.design.estimate.observations import Observation, of_kind, published
from edgewise.design.estimate.support import Support
from edgewise.design.estimate.terms import COMPUTE, MachineKind, dtype_of, kind_of
from edgewise.errors import NoBasis
from edgewise.hardware import operators
from edgewise.nouns import (
    Accelerator,
    AcceleratorKind,
    Layer,
    Machine,
    Measurement,
    Model,
    Provenance,
    ProvenanceKind,
    Quantity,
)

FAR_BELOW = 4
"""A model that is this many times smaller than any network of the rows is outside of what they speak of."""
_HINT = "add rows of your own (docs/reference/calibration.md), or measure on the machine"


def estimate(
    model: Model,
    machine: Machine,
    accelerator: Accelerator,
    *,
    precision: str,
    runtime: str = "",
    threads: int | None = None,
    observations: Sequence[Observation] | None = None,
    power_watt: float | None = None,
) -> Estimated:
    """What `model` would take on `accelerator` of `machine`, one inference at batch 1.

    Args:
        model: in the format that the accelerator's compiler takes, so that operators have the names of its table.
        precision: of the arithmetic, "fp32", "fp16" or "int8".
        runtime, threads: which rows to prefer.
        observations: rows to calibrate on; all published ones where None.
        power_watt: declared power under load, for energy where no energies are published.

    Raises:
        NoBasis: no row and no peak rate supports a latency, for the accelerator or for a CPU that must help it, or
            the model's layers are not known.
    """
    _require_dtype(accelerator, precision)
    _require_counts(model)
    rows = published() if observations is None else tuple(observations)
    cover = _coverage(model, accelerator)
    own, backing = _support(rows, machine, accelerator, precision=precision, runtime=runtime, threads=threads)
    place = Place(kind=own.kind, precision=precision, prices=backing.prices)
    on_host = _indices(model.layers, cover)
    host, host_width, host_words = _host(rows, machine, precision) if on_host else (None, None, ())
    layers, call_ms = of_layers(model.layers, place, host=host, on_host=on_host)
    fallback_ms = sum(layer.time_ms for layer in layers if not layer.on_accelerator)
    there_ms = call_ms + sum(layer.time_ms for layer in layers if layer.on_accelerator)
    width = own.width(backing.series).widened(backing.spread)
    provenance = Provenance(kind=ProvenanceKind.CALIBRATED, by=_by(own, backing), date=_date(rows, own.kind))
    latency = _latency(there_ms, width, fallback_ms, host_width, len(own.points), provenance)
    if _of_size(model, own):
        latency = replace(latency, high=max(latency.high, _of_smallest(own, backing)))
    figures, energy_words = _energy(model, machine, accelerator, rows, latency, precision, power_watt)
    caveats = (
        *backing.caveats,
        *_of_size(model, own),
        *_of_width(width),
        *_of_coverage(cover, fallback_ms),
        *host_words,
        *energy_words,
    )
    return Estimated(
        figures={Quantity.LATENCY_P50: latency, **figures},
        layers=layers,
        call_ms=call_ms,
        fallback_ms=fallback_ms,
        coverage=cover,
        caveats=caveats,
    )


def _require_dtype(accelerator: Accelerator, precision: str) -> None:
    if precision != "mixed" and dtype_of(precision) not in accelerator.dtypes:
        hint = f"ask for one of {', '.join(accelerator.dtypes)}"
        raise NoBasis(f"{accelerator.title} does not compute in {precision}", hint=hint)


def split(model: Model, machine: Machine, *, precision: str, observations: Sequence[Observation]) -> Estimated | None:
    """How the time of `model` on a CPU splits over its layers, by what published rows of CPUs have in common.

    The level is arbitrary, so that there are no figures: only shares mean something. None where the layers are not
    known, or no rows are.
    """
    if not any(layer.macs for layer in model.layers):
        return None
    kind = kind_of(machine.cpu.kind, machine.architecture)
    found = fitted(tuple(observations), kind, Quantity.LATENCY_P50)
    if found is None:
        return None
    layers, call_ms = of_layers(model.layers, Place(kind=kind, precision=precision, prices=found.prices.ratios))
    return Estimated(figures={}, layers=layers, call_ms=call_ms, fallback_ms=0.0, coverage=None, caveats=())


def _require_counts(model: Model) -> None:
    """Refuse a model with arithmetic that nobody has counted: what is left out could be all of its time."""
    unknown = sorted({layer.operator for layer in model.layers if layer.macs is None})
    if unknown or not any(layer.macs for layer in model.layers):
        names = ", ".join(unknown[:3]) or "its layers"
        hint = "fix dynamic axes to sizes, then try again"
        raise NoBasis(f"the arithmetic of {names} in {model.name} cannot be counted", hint=hint)


def _coverage(model: Model, accelerator: Accelerator) -> Coverage | None:
    table = operators.find(accelerator)
    return check(model, table) if table is not None and table.format == model.format.value else None


def _indices(layers: Sequence[Layer], cover: Coverage | None) -> frozenset[int]:
    if cover is None:
        return frozenset()
    places = [part.on_accelerator for part in cover.parts for _ in part.layers]
    return frozenset(index for index in range(len(layers)) if not places[index])


def _support(
    rows: Sequence[Observation],
    machine: Machine,
    accelerator: Accelerator,
    *,
    precision: str,
    runtime: str,
    threads: int | None,
) -> tuple[Fitted, Support]:
    """Rows of the accelerator's own kind; where they say nothing, an engine is taken for one of another kind."""
    kind = kind_of(accelerator.kind, machine.architecture)
    others = [other for other in MachineKind if other.overlaps and other is not kind] if kind.overlaps else []
    for candidate in (kind, *others):
        found = fitted(rows, candidate, Quantity.LATENCY_P50)
        if found is None:
            continue
        backing = support.find(found, machine, accelerator, precision=precision, runtime=runtime, threads=threads)
        if backing is not None:
            return found, backing
    message = f"nothing published supports a latency of {machine.name}'s {accelerator.name} in {precision}"
    lacks, remedy = f", and the catalogue has no {precision} peak rate", "a peak rate"
    if accelerator.kind is AcceleratorKind.CPU:
        lacks = ", and what its cores compute in a cycle, or their clock, is not known"
        remedy = "its cores with their clock, or a peak rate"
    lacks = "" if dtype_of(precision) in accelerator.peak_rate else lacks
    raise NoBasis(f"{message}{lacks}", hint=f"one row of it, or {remedy}, would do: {_HINT}")


def _host(rows: Sequence[Observation], machine: Machine, precision: str) -> tuple[Place, Width, tuple[str, ...]]:
    cpu = machine.cpu
    found, backing = _support(rows, machine, cpu, precision=precision, runtime="", threads=None)
    width = found.width(backing.series).widened(backing.spread)
    return Place(kind=found.kind, precision=precision, prices=backing.prices), width, backing.caveats


def _latency(
    there_ms: float, width: Width, host_ms: float, host_width: Width | None, n: int, provenance: Provenance
) -> Measurement:
    """Both parts may err the same way, so that their intervals add."""
    factor = host_width.factor if host_width is not None else 1.0
    return Measurement(
        value=there_ms + host_ms,
        low=there_ms / width.factor + host_ms / factor,
        high=there_ms * width.factor + host_ms * factor,
        unit=units.TIME.base,
        n=n,
        provenance=provenance,
    )


def _energy(
    model: Model,
    machine: Machine,
    accelerator: Accelerator,
    rows: Sequence[Observation],
    latency: Measurement,
    precision: str,
    power_watt: float | None,
) -> tuple[dict[Quantity, Measurement], tuple[str, ...]]:
    kind = kind_of(accelerator.kind, machine.architecture)
    found = fitted(rows, kind, Quantity.ENERGY) if power_watt is None else None
    backing = found and support.find(found, machine, accelerator, precision=precision, runtime="", threads=None)
    if found and backing and backing.rows:
        by = _by(found, backing)
        value, width = energy.of_rows(model.layers, found, backing, precision=precision, by=by, date=_date(rows, kind))
        power = energy.power_of(value, latency)
        return {Quantity.ENERGY: value, Quantity.POWER: power}, _of_width(width, "energy")
    powered = energy.of_power(latency, machine, power_watt)
    if powered is None:
        return {}, ("its energy is not known: none is published for this machine, nor its power",)
    value, power, words = powered
    return {Quantity.ENERGY: value, Quantity.POWER: power}, (words,)


def _by(found: Fitted, backing: Support) -> str:
    networks = len({point.network for point in found.points})
    error = f", mean error {found.mean_error:.0%} on networks held out" if found.mean_error is not None else ""
    about = f"{found.kind} roofline fitted on {len(found.points)} rows of {networks} networks"
    return f"{about}, {backing.basis}; 90 % interval{error}"


def _date(rows: Sequence[Observation], kind: MachineKind) -> str:
    return max((each.row.date for each in of_kind(rows, kind)), default="")


def _of_size(model: Model, found: Fitted) -> tuple[str, ...]:
    """What is said of a model far below the rows: overheads that hardly count in theirs may be most of its time."""
    least = min(float(point.amounts[:, list(COMPUTE)].sum()) for point in found.points)
    macs = sum(layer.macs or 0 for layer in model.layers)
    if macs * FAR_BELOW >= least:
        return ()
    return (
        f"it has {macs / 1e6:.3g} million multiply-accumulates, the smallest network of the rows {least / 1e6:.3g},"
        " whose time is the upper end of the interval",
    )


def _of_smallest(found: Fitted, backing: Support) -> float:
    """Time of the smallest network of the rows, in ms: what is smaller takes no longer, and no more is known."""
    smallest = min(found.points, key=lambda point: float(point.amounts[:, list(COMPUTE)].sum()))
    return total(backing.prices, smallest.amounts, overlaps=found.prices.shape.overlaps)


def _of_width(width: Width, what: str = "latency") -> tuple[str, ...]:
    if width.told:
        return ()
    return (
        f"the interval of the {what} stands on {width.n} networks held out, too few for a 90 % quantile: it is wide",
    )


def _of_coverage(cover: Coverage | None, fallback_ms: float) -> tuple[str, ...]:
    if cover is None:
        return ()
    found = []
    if cover.unsupported:
        first = cover.unsupported[0]
        found.append(
            f"{len(cover.unsupported)} layers fall back to the CPU, {fallback_ms:.3g} ms without the moving of data; "
            f"the first is {first.layer}: {first.reason}"
        )
    if cover.conditional:
        found.append(
            f"{cover.table} supports {', '.join(cover.conditional)} under conditions that are not checked here"
        )
    return tuple(found)
