"""Why int8 whose answers depend on the CPU is ruled out, with what it does here and what it would do elsewhere."""

from collections.abc import Sequence

from edgewise.design import words
from edgewise.design.data import Data
from edgewise.design.elsewhere import answers_without_vnni
from edgewise.design.metrics import Judge
from edgewise.design.statistics import Estimate
from edgewise.design.variants.recipes import SATURATION
from edgewise.errors import ChildFailed
from edgewise.nouns import Machine, RuntimeConfiguration, Variant
from edgewise.runtimes.samples import Array
from edgewise.store.steps import Store

SAFE = "safe siblings: reduced, +precise_int8"


def reason(
    variant: Variant,
    configuration: RuntimeConfiguration,
    drop: Estimate,
    *,
    y: Array,
    expected: Sequence[Array],
    judge: Judge,
    data: Data,
    store: Store,
    machine: Machine,
) -> str:
    """One sentence for the verdict.

    Args:
        drop: of the metric, as measured on this machine.
        y, expected: labels and the reference's outputs of the evaluation split, [n, …].
    """
    here = words.change(judge.metric, drop.value)
    if not {"avx_vnni", "avx512_vnni"} & set(machine.cpu.isa):
        return f"its answers depend on the CPU: {SATURATION}; this CPU has no VNNI, and {here}; {SAFE}"
    try:
        answers = answers_without_vnni(variant, data, store, version=configuration.version)
    except ChildFailed:
        there = "the next one may not"
    else:
        n = len(answers[0])
        lost = judge.drop(y[:n], answers, [output[:n] for output in expected])
        there = f"without it {words.change(judge.metric, lost.value)} (emulated, n = {n})"
    return f"its answers depend on the CPU: {SATURATION}; this CPU has VNNI, and {here}; {there}; {SAFE}"
