"""Several hundred machines: how good the exact assignment is against first fit, and how fast: python bench/assign.py

Prints a table: what has to be bought by each way, the gap that it can prove, and the time it took.
"""

import time

from edgewise.design.assign import CPU, Demand, Kind, Option, Part, Problem, assign
from edgewise.design.assign.first_fit import first_fit
from edgewise.design.assign.problem import total

FORMULATIONS = {"all ways to load one machine": 20_000, "machine by machine": 0}
SECONDS = 20.0


def fleet_of_hundreds() -> Problem:
    """300 machines of six kinds, two of them owned; twelve models with 25 replicas each."""
    kinds = tuple(
        Kind(
            name=f"kind {n}",
            count=20 if n < 2 else 65,
            parts={CPU: Part(cores=(2, 4)[n % 2], other=0.1 * n, most_busy=0.9)},
            memory_bytes=512.0,
            price_usd=0.0 if n < 2 else 60.0 + 47 * n,
        )
        for n in range(6)
    )
    models = [f"model {n}" for n in range(12)]
    options = tuple(
        Option(
            model=model, kind=kind.name, design=f"{d}", busy_cores=(0.23 + 0.07 * m) * (1 + 0.3 * d),
            memory_bytes=(90.0 + 13 * m) / (1 + d), most_busy=1 - 0.02 * m,
        )
        for m, model in enumerate(models) for kind in kinds for d in range(2)
    )  # fmt: skip
    return Problem(demands=tuple(Demand(model=model, replicas=25) for model in models), kinds=kinds, options=options)


def main() -> None:
    problem = fleet_of_hundreds()
    quick = first_fit(problem)
    if quick is not None:
        print(f"first fit: {total(problem, quick, in_watt=False)[0]:,.0f} USD")
    for name, most_patterns in FORMULATIONS.items():
        started = time.monotonic()
        answer = assign(problem, seconds=SECONDS, most_patterns=most_patterns)
        first = answer.objectives[0]
        took = time.monotonic() - started
        print(f"{name}: {first.value:,.0f} USD, gap {first.gap:.1%}, {took:.1f} s")


if __name__ == "__main__":
    main()
