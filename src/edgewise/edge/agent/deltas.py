"""Blobs made from those that are here, where an offer says how: what a delta spares is not fetched.

An offer is a manifest that refers to the artifact of a part, of type `OFFER`. Each of its layers is a delta, which says
in its annotations from which blob (`FROM`) it makes which (`TO`); its media type is the format. Whoever made an offer
need not be trusted: what comes out is taken only if it has the wanted digest. Whatever goes wrong, the whole blob is
fetched as if there had been no offer.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from edgewise.store.oci import place
from edgewise.store.oci.documents import Descriptor, Manifest
from edgewise.store.oci.layout import Layout
from edgewise.store.oci.place import Place

OFFER = "application/vnd.edgewise.deltas.v1+json"
FROM, TO = "io.edgewise.delta.from", "io.edgewise.delta.to"
MAX_OFFERS = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A delta: makes the blob `wanted` out of the blob `base`, both by digest."""

    base: str
    wanted: str
    delta: Descriptor


class Deltas(Protocol):
    """Knows one or more formats of deltas."""

    def knows(self, media_type: str) -> bool:
        """Whether it can read deltas of this media type."""

    def pieces(self, base: Path, delta: Path, media_type: str) -> Iterator[bytes]:
        """The new blob's bytes. Whatever it raises, and whatever it yields, the device takes no harm."""


def offers(source: Place, artifact: Descriptor) -> list[Offer]:
    """What is offered at `source` for the blobs of `artifact`; nothing where that cannot be read."""
    try:
        found = [one for one in source.referrers(artifact.digest) if one.artifact_type == OFFER][:MAX_OFFERS]
        manifests = [place.document(source, one) for one in found]
    except Exception:  # a place without referrers, or a damaged offer: the whole blobs are fetched
        return []
    return [
        Offer(base=layer.annotations[FROM], wanted=layer.annotations[TO], delta=layer)
        for one in manifests
        if isinstance(one, Manifest)
        for layer in one.layers
        if {FROM, TO} <= set(layer.annotations)
    ]


def make(
    wanted: Sequence[Descriptor], offered: Sequence[Offer], source: Place, layout: Layout, known: Sequence[Deltas]
) -> list[Descriptor]:
    """Make what can be made of `wanted` in `layout`, the smallest delta first; what was made."""
    made = []
    for blob in wanted:
        if layout.has(blob):
            continue
        fitting = [one for one in offered if one.wanted == blob.digest and one.delta.size_bytes < blob.size_bytes]
        for offer in sorted(fitting, key=lambda one: one.delta.size_bytes):
            reader = next((one for one in known if one.knows(offer.delta.media_type)), None)
            if reader is not None and offer.base in layout.blobs and _made(blob, offer, source, layout, reader):
                made.append(blob)
                break
    return made


def _made(blob: Descriptor, offer: Offer, source: Place, layout: Layout, reader: Deltas) -> bool:
    """Whether `blob` is in `layout` now; it got there only with the right digest."""
    base, delta = layout.blobs.path(offer.base), layout.blobs.path(offer.delta.digest)
    try:
        layout.push(offer.delta, lambda start: source.fetch(offer.delta, start=start))
        layout.push(blob, lambda start: _from(start, reader.pieces(base, delta, offer.delta.media_type)))
    except Exception:  # of a delta nothing is known: anything may come of it, and the whole blob makes up for it
        return False
    finally:
        delta.unlink(missing_ok=True)
    return layout.has(blob)


def _from(start: int, pieces: Iterator[bytes]) -> Iterator[bytes]:
    """What comes after `start` bytes, which an earlier try has left."""
    for piece in pieces:
        yield piece[start:]
        start = max(0, start - len(piece))
