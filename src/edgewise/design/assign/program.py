"""The one place that calls the solver: an integer program with several objectives in order of importance."""

import math
import time
from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import NDArray
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_array, vstack

from edgewise.nouns import Objective

Floats = NDArray[np.float64]
SOLVER = f"HiGHS by SciPy {scipy.__version__}"
_INFEASIBLE = 2  # scipy's status codes
HELD = 1e-7
"""A later objective may cost an earlier one so much of it: rows hold to 1e-6 only, and costs are scaled to 1."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Program:
    """Minimise each of `costs` in turn over whole numbers x with rows @ x between low and high, 0 <= x <= most.

    Attributes:
        costs: [objectives, columns], none negative.
        names: name and unit of every objective.
    """

    costs: Floats
    names: tuple[tuple[str, str], ...]
    rows: csr_array
    low: Floats
    high: Floats
    most: Floats


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Solved:
    """What the solver found.

    Attributes:
        x: whole numbers, None where none were found.
        objectives: as far as they were reached; of the first there is always one, its value infinite without x.
        infeasible: proven.
    """

    x: NDArray[np.int64] | None
    objectives: tuple[Objective, ...]
    infeasible: bool = False


def solve(program: Program, *, seconds: float) -> Solved:
    """Minimise the objectives one after the other, each with the values of the earlier ones held.

    Args:
        seconds: for all of them together; each may use what its predecessors left.
    """
    if not program.costs.size:  # the solver takes no program without columns
        asked = bool((program.low > 0).any())
        return Solved(x=None if asked else np.zeros(0, np.int64), objectives=(), infeasible=asked)
    end = time.monotonic() + seconds
    rows, low, high = program.rows, program.low, program.high
    best: NDArray[np.int64] | None = None
    done: list[Objective] = []
    for (name, unit), cost in zip(program.names, program.costs, strict=True):
        if best is not None and not cost.any():
            done.append(Objective(name=name, value=0.0, bound=0.0, gap=0.0, unit=unit))
            continue
        scale = float(cost.max(initial=0.0)) or 1.0
        left = (end - time.monotonic()) / (len(program.names) - len(done))
        result = milp(
            cost / scale,
            integrality=np.ones(len(cost)),
            bounds=Bounds(0, program.most),
            constraints=LinearConstraint(rows, low, high),
            options={"time_limit": max(left, 0.1), "mip_rel_gap": 0.0},
        )
        if result.status == _INFEASIBLE and best is None:
            return Solved(x=None, objectives=(), infeasible=True)
        bound = _bound(result) * scale
        if result.x is not None:
            best = np.rint(result.x).astype(np.int64)
        value = math.inf if best is None else float(cost @ best)
        done.append(objective(name, unit, value, bound))
        if best is None:
            return Solved(x=None, objectives=tuple(done))
        rows = csr_array(vstack([rows, csr_array(cost[np.newaxis] / scale)]))
        low = np.append(low, -np.inf)
        high = np.append(high, value / scale * (1 + HELD) + HELD)
    return Solved(x=best, objectives=tuple(done))


def objective(name: str, unit: str, value: float, bound: float) -> Objective:
    """An objective with its gap; differences that the solver's tolerance explains are none."""
    bound = min(bound, value)
    missing = value - bound
    gap = 0.0 if missing <= 1e-6 * max(1.0, abs(value)) else missing / value
    return Objective(name=name, value=value, bound=value if gap == 0 else bound, gap=gap, unit=unit)


def _bound(result: object) -> float:
    """The dual bound, 0 where the solver has not got one: no objective here can be below it."""
    found = getattr(result, "mip_dual_bound", None)
    return 0.0 if found is None or not math.isfinite(found) else max(0.0, float(found))
