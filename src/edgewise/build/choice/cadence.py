"""How often each kind of thing changes, and how long a month is. What is not known is declared here, and says so."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from edgewise.build.strategies.bundle import Role
from edgewise.nouns import Site

DAYS_A_MONTH = 365.25 / 12
MONTH_MS = DAYS_A_MONTH * 86_400_000.0
DEFAULTS: Mapping[Role, float] = MappingProxyType(
    {Role.MODEL: 1.0, Role.SERVER: 1.0, Role.BASE: 1.0, Role.RUNTIME: 1 / 3}
)
"""Changes a month where nobody declares them: an inference image is renewed monthly, for security updates of its base
and of the server; runtimes bring a release about once in a quarter."""
BY_DEFAULT = "Edgewise's default: model, server and base once a month, runtime once a quarter"
BY_EDGE_FILE = "edge.yaml (updates_per_month), and Edgewise's default for server and base (once a month) and runtime"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cadence:
    """Changes a month of each kind of piece.

    Attributes:
        per_month: of base, runtime, server and model; documents change with what they name.
        by: who says so.
    """

    per_month: Mapping[Role, float] = field(default_factory=lambda: DEFAULTS)
    by: str = BY_DEFAULT


def cadence(site: Site) -> Cadence:
    """The cadence of `site`: the model's is that of its link, the others' are declared by default."""
    if site.link is None:
        return Cadence()
    return Cadence(per_month={**DEFAULTS, Role.MODEL: site.link.updates_per_month}, by=BY_EDGE_FILE)
