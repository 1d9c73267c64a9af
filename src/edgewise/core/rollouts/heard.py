"""What devices said, as far as a rollout asks. Reports may come late, twice and in any order. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from edgewise.exchange.message import Figures, Status


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What a device said.

    Attributes:
        sequence: says which of two is newer, -1 that it said nothing.
        figures: since its report before.
        since_s: when it was first heard to run `booted`, by the hub's clock; None where nobody knows.
        before: what it counted last under the release that it ran before; None where nobody knows.
    """

    device: str
    sequence: int
    status: Status
    booted: str
    rejected: frozenset[str] = frozenset()
    labels: Mapping[str, str] = field(default_factory=dict)
    figures: Figures = field(default_factory=Figures)
    since_s: int | None = None
    before: Figures | None = None


def newest(reports: Iterable[Heard]) -> dict[str, Heard]:
    """The newest word of every device; of two with one number the same is taken in any order."""
    found: dict[str, Heard] = {}
    for one in reports:
        other = found.get(one.device)
        if other is None or (one.sequence, repr(one)) > (other.sequence, repr(other)):
            found[one.device] = one
    return found
