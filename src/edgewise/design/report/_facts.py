"""The quiet strip: what was planned, with what data, on which machine, under what conditions. Pure."""

from dataclasses import dataclass

from edgewise.design import figure_text
from edgewise.nouns import Plan

_DIGEST = 19


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """A heading with what belongs under it, most important first."""

    title: str
    lines: tuple[str, ...]


def facts(plan: Plan) -> tuple[Fact, ...]:
    """Site, model, data, machine, conditions and versions."""
    site = plan.site
    machines = ", ".join(machine.name for machine in site.machines)
    return (
        Fact(title="Site", lines=(site.name, f"{site.node}, {machines}", _budget(plan))),
        Fact(title="Model", lines=_model(plan)),
        Fact(title="Data", lines=_data(plan)),
        Fact(title="Machine", lines=_machine(plan)),
        Fact(title="Conditions", lines=_conditions(plan)),
        Fact(title="Versions", lines=(", ".join(f"{k} {v}" for k, v in sorted(plan.conditions.versions.items())),)),
    )


def short_digest(digest: str) -> str:
    """The start of a digest, enough to tell two apart."""
    return digest[:_DIGEST]


def _budget(plan: Plan) -> str:
    limits = []
    for limit in plan.site.budget.limits:
        title = figure_text.title(limit.quantity, plan.metric).lower()
        bound = "≥" if limit.quantity.higher_is_better else "≤"
        limits.append(f"{title} {bound}\u00a0{figure_text.plain(limit.value, limit.unit)}")
    return "; ".join(limits) if limits else "no limits asked for"


def _model(plan: Plan) -> tuple[str, ...]:
    model = plan.model
    macs = "MACs unknown" if model.macs is None else figure_text.count(model.macs, "MACs")
    size = figure_text.plain(model.size_bytes, "B")
    return (
        model.name,
        f"{figure_text.count(model.parameters, 'parameters')}, {macs}",
        f"{model.format.value}, {size}, {short_digest(model.digest)}",
    )


def _data(plan: Plan) -> tuple[str, ...]:
    data = plan.data
    against = "labels" if plan.metric.against == "labels" else "agreement with the model as given"
    return (
        f"{data.evaluation:,} evaluated, {data.calibration:,} for calibration",
        f"of {data.samples:,} samples, seed {data.seed}, {short_digest(data.digest)}",
        f"{plan.metric.name} against {against}",
    )


def _machine(plan: Plan) -> tuple[str, ...]:
    here = plan.conditions
    cores = "1 core" if here.cores == 1 else f"{here.cores} cores"
    board = (here.machine,) if here.machine != here.cpu else ()
    return (*board, f"{here.cpu}, {cores}", ", ".join(here.isa))


def _conditions(plan: Plan) -> tuple[str, ...]:
    here = plan.conditions
    minutes, seconds = divmod(round(here.duration_s), 60)
    took = f"{minutes} min {seconds} s" if minutes else f"{seconds} s"
    return (here.date, f"load {here.load_before:.2f} before, {here.load_after:.2f} after timing", f"took {took}")
