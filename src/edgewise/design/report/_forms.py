"""How machines and provenances look: a shape with a hue for each machine, a filling for each provenance. Pure.

Hue never stands alone: shapes run with eight, hues with seven, so that fifty-six machines differ, and seven of
them by shape alone. The page draws them from `shapes.svg.j2`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from edgewise.nouns import Measurement, ProvenanceKind

_SHAPES, _HUES = 8, 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What a machine's marks look like: `shape` and `hue` are numbers in the page."""

    shape: int
    hue: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """The filling of a mark; `inside` is what lies in its outline, "" for nothing."""

    kind: str
    inside: str
    word: str


PLAIN = Look(shape=0, hue=0)
FORMS = {
    ProvenanceKind.MEASURED: Form(kind="measured", inside="", word="measured"),
    ProvenanceKind.COMPILER: Form(kind="compiler", inside="", word="from the compiler"),
    ProvenanceKind.CALIBRATED: Form(kind="calibrated", inside="half", word="estimated, calibrated"),
    ProvenanceKind.MODELLED: Form(kind="modelled", inside="dot", word="from a model of the machine"),
    ProvenanceKind.PUBLISHED: Form(kind="published", inside="cross", word="published"),
    ProvenanceKind.DECLARED: Form(kind="declared", inside="bar", word="declared"),
}


def look(number: int) -> Look:
    """The look of the machine at place `number`."""
    return Look(shape=number % _SHAPES, hue=number % _HUES)


def form(figure: Measurement) -> Form:
    """The form of a figure's mark."""
    return FORMS[figure.provenance.kind]


def forms(figures: Sequence[Measurement]) -> tuple[Form, ...]:
    """The forms that a legend must explain, in the order of the provenances."""
    kinds = {figure.provenance.kind for figure in figures}
    return tuple(shape for kind, shape in FORMS.items() if kind in kinds)
