"""What a strategy costs at a site, as figures: bytes, minutes, disk. Pure; every figure is a Measurement.

Rules of counting, the same for all strategies:
- A piece travels once, by digest, and again only when its own kind changes, together with the manifests and configs of
  the parts that hold it. Layers that lie above a changed one keep their digests, so they stay.
- Every device pulls its own copy, and all devices of a site share its link. Bytes over the declared bandwidth is the
  least time that it can take: no handshakes, no other traffic, no mirror at the site.
- Disk: containers/storage, which Podman and CRI-O have in common, keeps the blobs that it downloads until they are
  unpacked, beside both versions unpacked. Plain files are written once, under another name, beside the old ones.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf

from edgewise.build.choice.cadence import MONTH_MS, Cadence
from edgewise.build.choice.needs import Needs, needs
from edgewise.build.strategies.bundle import Bundle, Part, PartKind, Piece, Role, Strategy
from edgewise.nouns import Measurement, Provenance, ProvenanceKind, Site

CHANGING = (Role.MODEL, Role.SERVER, Role.BASE, Role.RUNTIME)
"""What changes of itself; documents change with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What one strategy costs at one site. Bytes are those of one device, times those of the whole site.

    Attributes:
        first_bytes: to a device that has nothing.
        update_bytes: to a device that has the version before, where only that kind of piece changed.
        restart_bytes: what every start ships again, where the node keeps nothing of it.
        monthly_bytes: updates of all kinds, each as often as the cadence says.
        first_ms, update_ms: until every device of the site has the first deployment, or a new model; None without a
            link in edge.yaml, infinite over a link of no speed.
        monthly_ms: how long the site's link is busy with updates in a month; None as before.
        disk_peak_bytes: on a device while it takes an update of everything, both versions there.
        disk_model_bytes: the same while it takes a new model.
    """

    strategy: Strategy
    platform: str
    needs: Needs
    first_bytes: Measurement
    update_bytes: Mapping[Role, Measurement]
    restart_bytes: Measurement
    monthly_bytes: Measurement
    first_ms: Measurement | None
    update_ms: Measurement | None
    monthly_ms: Measurement | None
    disk_peak_bytes: Measurement
    disk_model_bytes: Measurement


def figures(bundle: Bundle, site: Site, cadence: Cadence) -> Figures:
    """The figures of `bundle` at `site`, where things change by `cadence`."""
    built = Provenance(kind=ProvenanceKind.MEASURED, by=f"the artifacts as built for {bundle.platform}")
    shipped = {role: shipped_bytes(bundle, role) for role in CHANGING}
    monthly = sum(cadence.per_month[role] * shipped[role] for role in CHANGING)
    declared = Provenance(kind=ProvenanceKind.DECLARED, by=f"{cadence.by}; times bytes as built")
    disk = Provenance(
        kind=ProvenanceKind.MODELLED,
        by=f"sizes of the artifacts as built for {bundle.platform}, without what the file system itself takes",
    )
    return Figures(
        strategy=bundle.strategy,
        platform=bundle.platform,
        needs=needs(bundle.strategy, site.node),
        first_bytes=Measurement.exact(bundle.size_bytes, "B", built),
        update_bytes={role: Measurement.exact(size, "B", built) for role, size in shipped.items()},
        restart_bytes=Measurement.exact(_again(bundle, site), "B", built),
        monthly_bytes=Measurement.exact(monthly, "B", declared),
        first_ms=_over_link(bundle.size_bytes, site),
        update_ms=_over_link(shipped[Role.MODEL], site),
        monthly_ms=_over_link(monthly, site),
        disk_peak_bytes=Measurement.exact(disk_peak(bundle, CHANGING), "B", disk),
        disk_model_bytes=Measurement.exact(disk_peak(bundle, (Role.MODEL,)), "B", disk),
    )


def shipped_bytes(bundle: Bundle, *changed: Role) -> int:
    """Bytes to a device that has the version before, where only pieces of the roles `changed` are others."""
    return sum(piece.size_bytes for piece in _renewed(bundle, changed).values())


def disk_peak(bundle: Bundle, changed: tuple[Role, ...]) -> int:
    """Bytes on a device's disk while pieces of the roles `changed` arrive: old and new, and what is being pulled."""
    new = {piece.digest: piece for part in bundle.parts for piece in _renewed_of(part, changed)}
    pulled = {
        piece.digest: piece
        for part in bundle.parts
        if part.kind is PartKind.IMAGE
        for piece in _renewed_of(part, changed)
    }
    both = bundle.unpacked_bytes + sum(piece.unpacked_bytes for piece in new.values())
    return both + sum(piece.size_bytes for piece in pulled.values())


def too_much_for_a_month(figures: Figures) -> bool:
    """Whether the updates of a month need more than a month of the site's link."""
    return figures.monthly_ms is not None and figures.monthly_ms.value > MONTH_MS


def _renewed(bundle: Bundle, changed: tuple[Role, ...]) -> dict[str, Piece]:
    return {piece.digest: piece for part in bundle.parts for piece in _renewed_of(part, changed)}


def _renewed_of(part: Part, changed: tuple[Role, ...]) -> tuple[Piece, ...]:
    """Pieces of `part` that are others, documents included; none where nothing of it changed."""
    if not any(piece.role in changed for piece in part.pieces):
        return ()
    return tuple(piece for piece in part.pieces if piece.role in (*changed, Role.DOCUMENT))


def _again(bundle: Bundle, site: Site) -> int:
    """Bytes that a start ships: a pod's storage initializer fetches the model's files each time it starts."""
    if site.node == "device" or bundle.strategy is not Strategy.EXTERNAL:
        return 0
    return sum(piece.size_bytes for piece in bundle.pieces if piece.role is Role.MODEL)


def _over_link(size_bytes: float, site: Site) -> Measurement | None:
    """Milliseconds until every device of the site has `size_bytes` of its own over the link that they share."""
    if site.link is None:
        return None
    speed = site.link.bandwidth_bit_per_s
    bits = 8.0 * size_bytes * site.devices
    by = "edge.yaml (link, devices, updates_per_month): bytes as built over a link that all devices of the site share"
    took = bits / speed * 1e3 if speed else (inf if bits else 0.0)
    return Measurement.exact(took, "ms", Provenance(kind=ProvenanceKind.DECLARED, by=by))
