"""Why a strategy was chosen or ruled out, in sentences with figures. Pure; decides nothing."""

from collections.abc import Iterator, Sequence
from math import isfinite

from edgewise import units
from edgewise.build.choice.cadence import Cadence
from edgewise.build.choice.figures import Figures
from edgewise.build.strategies.bundle import Role, Strategy
from edgewise.nouns import Site

_LONG = (("d", 86_400_000.0), ("h", 3_600_000.0), ("min", 60_000.0))


def duration(milliseconds: float) -> str:
    """A time as people say it, minutes, hours and days too: "3.20 min"; "never" of an infinite one."""
    if not isfinite(milliseconds):
        return "never"
    for name, one in _LONG:
        if milliseconds >= one:
            return f"{units.figures(milliseconds / one)} {name}"
    return units.show(milliseconds, units.TIME) if milliseconds else "0 s"


def size(size_bytes: float) -> str:
    """Bytes as people read them."""
    return units.show(size_bytes, units.SIZE)


def disk(one: Figures, free_bytes: float) -> str:
    """Ruled out for want of disk."""
    return (
        f"{one.strategy} needs {size(one.disk_peak_bytes.value)} of disk while an update is pulled,"
        f" and a machine of the site has {size(free_bytes)} free"
    )


def never_done(one: Figures, site: Site) -> str:
    """Ruled out because a month's updates do not fit a month."""
    assert one.monthly_ms is not None
    return (
        f"{one.strategy} ships {size(one.monthly_bytes.value)} a month to each of {site.devices} devices:"
        f" that keeps the link busy for {_busy(one.monthly_ms.value)}, longer than a month"
    )


def nothing_fits() -> str:
    """All are ruled out."""
    return "no strategy can be had at this site: see why each is ruled out, and change the disk, the link or the model"


def asked_for(asked: Strategy, by_figures: Strategy | None, ruled_out: str) -> str:
    """edge.yaml decides, whatever the figures say."""
    if ruled_out:
        return f"edge.yaml asks for {asked}, which is used, though by the figures it cannot be had: {ruled_out}"
    if by_figures is asked:
        return f"edge.yaml asks for {asked}, and so do the figures"
    return f"edge.yaml asks for {asked}, which is used; by the figures it would be {by_figures or 'none'}"


def fewest(winner: Figures, fitting: Sequence[Figures], tied: bool) -> str:
    """The winner by what must be running."""
    names = winner.needs.cold_start
    need = (
        f"{winner.strategy} needs the fewest things to be running for a cold start: {len(names)} ({', '.join(names)})"
    )
    if len(fitting) == 1:
        return f"{winner.strategy} is the only one that is not ruled out"
    if tied:
        return f"{need}, as many as another; of these it has the fewest to look after, {len(winner.needs.things)}"
    return need


def displaced(winner: Figures, simplest: Figures) -> str:
    """A saver has won over the simplest."""
    spared = simplest.monthly_bytes.value - winner.monthly_bytes.value
    share = spared / simplest.monthly_bytes.value
    time = ""
    if winner.monthly_ms is not None and simplest.monthly_ms is not None:
        time = f" and {duration(simplest.monthly_ms.value - winner.monthly_ms.value)} of the site's link"
    more = len(winner.needs.cold_start) - len(simplest.needs.cold_start)
    return (
        f"{winner.strategy} spares {size(spared)} a month on every device ({share:.0%}){time} over {simplest.strategy},"
        f" which is worth {_more(more, 'thing')} that must be running for a cold start"
    )


def beside(winner: Figures, other: Figures, site: Site) -> str:
    """Why not `other`: what it asks for more, and what it would spare."""
    apart = [name for name in other.needs.cold_start if name not in winner.needs.cold_start]
    asks = f"{other.strategy} also needs {', '.join(apart)}" if apart else f"{other.strategy} needs no more to start"
    spared = winner.monthly_bytes.value - other.monthly_bytes.value
    if spared <= 0:
        return f"{asks}, and ships {_extra(-spared)} a month"
    time = ""
    if winner.monthly_ms is not None and other.monthly_ms is not None:
        who = "the device" if site.devices == 1 else f"the link of {site.devices} devices"
        time = f" ({duration(winner.monthly_ms.value - other.monthly_ms.value)} of {who})"
    return f"{asks}, and would spare {size(spared)} a month{time}: not enough to pay for that"


def price_of(winner: Figures) -> str:
    """What a new model costs its user."""
    replaced = ", ".join(winner.needs.replaced)
    update = f"with {winner.strategy} a new model ships {size(winner.update_bytes[Role.MODEL].value)}"
    if not replaced:
        return f"{update}, and the server takes it while it serves"
    return f"{update} and starts {replaced} anew"


def compared(one: Figures, other: Figures) -> Iterator[tuple[str, float, float]]:
    """The figures in which strategies are compared, by title: those of the one and of the other."""
    yield "first deployment", one.first_bytes.value, other.first_bytes.value
    yield "update of the model", one.update_bytes[Role.MODEL].value, other.update_bytes[Role.MODEL].value
    yield "bytes a month", one.monthly_bytes.value, other.monthly_bytes.value
    yield "peak disk", one.disk_peak_bytes.value, other.disk_peak_bytes.value


def tie(titles: Sequence[str], one: Strategy, other: Strategy) -> str:
    """`titles` cannot be told apart."""
    return f"{', '.join(titles)}: {one} and {other} cannot be told apart"


def assumptions(site: Site, cadence: Cadence) -> tuple[str, ...]:
    """What every figure of `site` rests on."""
    often = ", ".join(f"{role} {units.figures(times)}" for role, times in cadence.per_month.items())
    link = (
        "edge.yaml names no link: there are no times"
        if site.link is None
        else f"every device pulls its own copy, and {site.devices} share"
        f" {units.show(site.link.bandwidth_bit_per_s, units.LINK)}: times are the least that the link allows"
        if site.devices > 1
        else f"one device has {units.show(site.link.bandwidth_bit_per_s, units.LINK)} for itself:"
        " times are the least that the link allows"
    )
    return (
        f"changes a month: {often} ({cadence.by})",
        link,
        "a layer or file that is there is not shipped again; what else the node runs is not counted",
    )


def _busy(milliseconds: float) -> str:
    return "ever" if not isfinite(milliseconds) else duration(milliseconds)


def _more(number: int, word: str) -> str:
    return f"{number or 'no'} more {word}{'' if number == 1 else 's'}"


def _extra(spared_bytes: float) -> str:
    return f"{size(spared_bytes)} more" if spared_bytes else "as much"
