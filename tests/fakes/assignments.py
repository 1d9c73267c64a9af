"""Problems of assignment: drawn at random, and solved by trying everything."""

import itertools
from collections.abc import Iterator, Sequence

from hypothesis import strategies as st

from edgewise.design.assign import Demand, Kind, Loaded, Option, Part, Problem, fits
from edgewise.design.assign.problem import power_known, total

MODELS, KINDS = ("a", "b", "c"), ("owned", "busy", "shop")


@st.composite
def problems(draw: st.DrawFn) -> Problem:
    """Up to three models, up to two replicas each, on up to five machines of up to three kinds."""
    models = MODELS[: draw(st.integers(1, 3))]
    demands = tuple(Demand(model=model, replicas=draw(st.integers(1, 2))) for model in models)
    kinds = tuple(
        Kind(
            name=name,
            count=draw(st.integers(0, 2)),
            parts={
                "cpu": Part(
                    cores=draw(st.sampled_from((1, 2, 4))),
                    other=draw(st.sampled_from((0.0, 0.25, 0.6))),
                    most_busy=draw(st.sampled_from((0.8, 1.0))),
                ),
                "npu": Part(most_busy=0.9),
            },
            memory_bytes=draw(st.sampled_from((None, 64.0, 100.0))),
            price_usd=draw(st.sampled_from((0.0, 70.0, 130.0))) if name == "shop" else 0.0,
        )
        for name in KINDS[: draw(st.integers(1, 3))]
    )
    in_watt = draw(st.booleans())
    options = tuple(
        Option(
            model=model,
            kind=kind.name,
            design=f"{model}/{number}",
            part=draw(st.sampled_from(("cpu", "cpu", "npu"))),
            busy_cores=draw(st.sampled_from((0.1, 0.3, 0.5, 1.5))),
            memory_bytes=draw(st.sampled_from((10.0, 40.0, 64.0))),
            watt=draw(st.sampled_from((0.5, 1.0, 3.0))) if in_watt else None,
            most_busy=draw(st.sampled_from((0.5, 0.75, 1.0))),
        )
        for model in models
        for kind in kinds
        for number in range(draw(st.integers(0, 2)))
    )
    return Problem(demands=demands, kinds=kinds, options=options)


def by_trying(problem: Problem) -> tuple[float, ...] | None:
    """The least value of every objective in turn, by trying every placement there is; None where none fits."""
    in_watt = power_known(problem.options)
    values = [total(problem, loads, in_watt=in_watt) for loads in _all(problem)]
    return min((tuple(round(value, 6) for value in each) for each in values), default=None)


def _all(problem: Problem) -> Iterator[Sequence[Loaded]]:
    machines = [kind for kind in problem.kinds for _ in range(kind.count)]
    ways = [list(_ways(problem, demand, machines)) for demand in problem.demands]
    for choice in itertools.product(*ways):
        carried: list[list[Option]] = [[] for _ in machines]
        for placed in choice:
            for machine, option in placed:
                carried[machine].append(option)
        pairs = [(kind, options) for kind, options in zip(machines, carried, strict=True) if options]
        if all(fits(kind, options) for kind, options in pairs):
            yield [Loaded(kind=kind.name, options=tuple(options)) for kind, options in pairs]


def _ways(problem: Problem, demand: Demand, machines: Sequence[Kind]) -> Iterator[Sequence[tuple[int, Option]]]:
    """Every way to put the replicas of one model, each on another machine."""
    for chosen in itertools.combinations(range(len(machines)), demand.replicas):
        own = [
            [option for option in problem.options if (option.model, option.kind) == (demand.model, machines[at].name)]
            for at in chosen
        ]
        for options in itertools.product(*own):
            yield list(zip(chosen, options, strict=True))
