"""Times a model at load time, with 1, 2, 4, … rows together, and looks whether rows are independent.

Rows that run together must come out as they do alone: an axis that is called a batch and is none, or a quantisation
that looks at the whole batch, would let one client's request change another's answer. Then nothing is run together.
"""

import math
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from edgewise.edge.serve.models import curve
from edgewise.edge.serve.models.curve import ROWS, Curve
from edgewise.runtimes import golden
from edgewise.runtimes.golden import Examples
from edgewise.runtimes.samples import Array
from edgewise.served_nouns import Signature

Run = Callable[[Sequence[Array]], Sequence[Array]]
BUDGET_S = 2.0
"""Loading and timing further sizes ends after so long."""
SLOW_S = 0.02
"""A model that takes longer alone gains little by company, and each further size costs memory and time to find out."""
REPEATS = 7
MOST_REPEATS = 24
REPEAT_S = 0.02
LONGEST_S = 0.5
QUANTILE = 0.25
SEED = 0
COMPARED = 4
"""Rows that are compared, alone and together."""
ABSOLUTE, RELATIVE = 1e-4, 1e-3
"""How much rows together may differ from rows alone where there is no golden: other kernels, other order of sums."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Near:
    """Tolerance between rows together and rows alone."""

    absolute: float = ABSOLUTE
    relative: float = RELATIVE


def batched(signature: Signature) -> bool:
    """True where every input and output has a first axis that is a name: a batch may be any number of rows."""
    return all(
        tensor.shape and isinstance(tensor.shape[0], str) and tensor.shape[0] != "..."
        for tensor in (*signature.inputs, *signature.outputs)
    )


def probed(
    run: Run,
    inputs: Sequence[Array],
    signature: Signature,
    *,
    delay_bound_s: float,
    examples: Examples | None,
    near: Near,
) -> Curve:
    """Time `run` and decide.

    Args:
        run: takes one row, and where the signature is batched any number of them.
        inputs: of one inference.
        delay_bound_s: what the site's budget lets a request wait for others.
        examples: real rows, None where there are none.
    """
    single_s = timed(run, inputs)
    times = [single_s]
    if not batched(signature):
        return curve.decided(times, delay_bound_s=delay_bound_s, stopped="the model has no batch axis")
    if single_s > SLOW_S:
        return curve.decided(
            times, delay_bound_s=delay_bound_s, stopped=f"one row takes {single_s * 1e3:.3g} ms: company would be late"
        )
    rows = _rows(inputs, examples)
    alone = [run([column[row : row + 1] for column in rows]) for row in range(COMPARED)]
    differs = ""
    ends = time.perf_counter() + BUDGET_S
    for count in ROWS[1:]:
        together = [np.ascontiguousarray(column[:count]) for column in rows]
        differs = _differs(run, together, alone, near)
        if differs:
            return replace(curve.decided(times[:1], delay_bound_s=delay_bound_s, stopped=differs), apart=False)
        if time.perf_counter() > ends:
            break
        times.append(timed(run, together))
        if times[-1] > curve.most(single_s, delay_bound_s):
            break
    for index, count in enumerate(ROWS[: len(times)]):  # again, so that what else the machine did then counts less
        again = timed(run, [np.ascontiguousarray(column[:count]) for column in rows])
        times[index] = min(times[index], again)
    return curve.decided(times, delay_bound_s=delay_bound_s)


def timed(run: Run, inputs: Sequence[Array]) -> float:
    """Seconds of a call that a quarter of the calls keep below: other work on the machine only adds."""
    taken: list[float] = []
    clock = time.perf_counter
    ends = clock() + REPEAT_S
    run(inputs)
    while len(taken) < REPEATS or (clock() < ends and len(taken) < MOST_REPEATS):
        started = clock()
        run(inputs)
        taken.append(clock() - started)
        if clock() > ends + LONGEST_S:
            break
    return sorted(taken)[int(QUANTILE * (len(taken) - 1))]  # np.quantile would import numpy.ma


def _rows(inputs: Sequence[Array], examples: Examples | None) -> list[Array]:
    """As many rows as the largest batch: examples in turn, else seeded values."""
    count = ROWS[-1]
    if examples is not None and len(examples) > 1:
        picks = np.arange(count) % len(examples)
        return [array[picks] for array in examples.inputs]
    seeded = random.Random(SEED)  # noqa: S311 - values for timing; numpy.random is 2 MB that nothing else needs
    return [np.concatenate(list(_made(array, count, seeded))) for array in inputs]


def _made(array: Array, count: int, seeded: random.Random) -> Iterator[Array]:
    for _ in range(count):
        if array.dtype.kind == "f":
            yield (_uniform(array.shape, seeded) * 4.0 - 2.0).astype(array.dtype)
        elif array.dtype.kind in "biu":
            yield (_uniform(array.shape, seeded) >= 0.5).astype(array.dtype)
        else:
            yield array


def _uniform(shape: Sequence[int], seeded: random.Random) -> Array:
    """Values from 0 to 1."""
    size = math.prod(shape)
    return np.frombuffer(seeded.randbytes(4 * size), np.uint32).reshape(shape) / 2.0**32


def _differs(run: Run, together: Sequence[Array], alone: Sequence[Sequence[Array]], near: Near) -> str:
    """Why rows that run together are not what they are alone; "" where they are."""
    try:
        outputs = run(together)
        count = len(together[0])
        if any(not array.ndim or len(array) != count for array in outputs):
            return "an output does not have a row for every row that goes in"
        for row, expected in enumerate(alone[:count]):
            got = [array[row : row + 1] for array in outputs]
            miss = golden.compare(got, expected, absolute=near.absolute, relative=near.relative)
            if miss is not None:
                return f"a row among {count} gives {miss.got:.6g} where it gives {miss.expected:.6g} alone"
    except Exception as error:  # a runtime that cannot run more rows says so as it likes
        return f"{len(together[0])} rows cannot run together: {' '.join(str(error).split())[:200]}"
    return ""
