"""Running requests together, and telling each what is its own.

Every request gets exactly the rows that it sent. Where the model fails on a batch, its requests run again one by one,
so that the fault of one is not the fault of all.
"""

from collections.abc import Callable, Sequence

import numpy as np

from edgewise.edge.serve.core.ticket import Ticket
from edgewise.edge.serve.faults import BadRequest, Fault, ModelFailed
from edgewise.runtimes.protocol import NotText
from edgewise.runtimes.samples import Array

Run = Callable[[Sequence[Array]], Sequence[Array]]
Outcome = Sequence[Array] | Fault

MAX_WORDS = 300


def outcomes(run: Run, tickets: Sequence[Ticket]) -> list[Outcome]:
    """What becomes of each of `tickets`, in their order."""
    if len(tickets) == 1:
        return [_alone(run, tickets[0].inputs)]
    try:
        together = run([np.concatenate(column) for column in zip(*(one.inputs for one in tickets), strict=True)])
        return _apart(together, [one.rows for one in tickets])
    except (Exception, SystemExit):  # whatever a model's code raises: who is to blame comes out one by one
        return [_alone(run, one.inputs) for one in tickets]


def _alone(run: Run, inputs: Sequence[Array]) -> Outcome:
    try:
        return run(inputs)
    except NotText as error:
        return BadRequest(str(error))
    except (Exception, SystemExit) as error:  # whatever a runtime raises, or a Python step that wants to leave
        words = " ".join(str(error).split())[:MAX_WORDS] or type(error).__name__
        return ModelFailed(f"the model failed on this input: {words}")


def _apart(outputs: Sequence[Array], rows: Sequence[int]) -> list[Outcome]:
    total = sum(rows)
    if any(not array.ndim or len(array) != total for array in outputs):
        raise ValueError("an output does not have a row for every row that went in")
    found: list[Outcome] = []
    start = 0
    for count in rows:
        found.append([array[start : start + count] for array in outputs])
        start += count
    return found
