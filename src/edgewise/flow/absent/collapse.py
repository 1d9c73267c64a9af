"""Which int8 recipes would collapse on an x86 CPU of the site that is not here.

Full-range int8 in ONNX Runtime saturates on CPUs with AVX2 and without VNNI. Its arithmetic there is emulated, so
that a fleet of mixed CPUs is told before any of them is at hand.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from edgewise.design.elsewhere import answers_without_vnni
from edgewise.design.evaluate import predict
from edgewise.design.metrics import hits
from edgewise.design.numerics import collapses
from edgewise.design.variants.recipes import may_saturate
from edgewise.errors import ChildFailed
from edgewise.flow.candidates import Evaluated, Work
from edgewise.flow.ground import Absent
from edgewise.nouns import Design, Rejection, Stage
from edgewise.runtimes.samples import Array

X86 = ("x86_64", "amd64")
VNNI = frozenset({"avx_vnni", "avx512_vnni"})


def designs(here: Sequence[Design], evaluated: Evaluated, absent: Absent, work: Work) -> list[Design]:
    """The recipes that are fragile on the CPU of `absent`, each rejected with what it would lose there."""
    cpu = absent.machine.cpu
    if absent.machine.architecture not in X86 or not cpu.isa or VNNI & set(cpu.isa):
        return []
    if work.judge.metric.name != "accuracy":
        return []
    return list(_collapsing(here, evaluated, absent, work))


def _collapsing(here: Sequence[Design], evaluated: Evaluated, absent: Absent, work: Work) -> Iterator[Design]:
    seen = set()
    for design in here:
        fragile = may_saturate(design, absent.machine) and design.stage is Stage.EVALUATED
        if not fragile or design.variant is None or design.recipe.name in seen:
            continue
        seen.add(design.recipe.name)
        try:
            there = answers_without_vnni(design.variant, work.data, work.store, version=design.configuration.version)
            exact = _exact(design, evaluated, work)
        except ChildFailed:
            continue
        n = len(there[0])
        right = [hits(evaluated.labels[:n], [output[:n] for output in answers]) for answers in (exact, there)]
        yield replace(
            design,
            name=f"{design.name.rpartition('@')[0]}@{absent.machine.name}",
            machine=absent.machine.name,
            failure=collapses(design.recipe.name, *right).sentence,
            rejection=Rejection.RULED_OUT,
        )


def _exact(design: Design, evaluated: Evaluated, work: Work) -> Sequence[Array]:
    """What `design` answers where int8 is exact: here, if this CPU has VNNI; else what the model as given answers."""
    if design.variant is None or not VNNI & set(work.machine.cpu.isa):
        return evaluated.expected
    return predict(
        design.variant, design.configuration, work.data, work.store, machine=work.identity, place=work.place
    ).outputs
