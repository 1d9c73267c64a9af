"""A base as an image of its own, with its bill of materials, for others to build on by digest."""

from collections.abc import Sequence
from dataclasses import dataclass

from edgewise.build import image, sbom
from edgewise.build.attach import attach
from edgewise.build.base import Base
from edgewise.build.image import About, Settings
from edgewise.build.keep import keep
from edgewise.build.sbom import Component
from edgewise.store.oci.documents import INDEX, Descriptor, canonical
from edgewise.store.steps import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseImage:
    """A base in the store.

    Attributes:
        sbom: a referrer of `image`; None where nobody knows what is in it.
    """

    base: Base
    image: Descriptor
    sbom: Descriptor | None

    @property
    def size_bytes(self) -> int:
        """Of its layers, as they are downloaded."""
        return sum(packed.size_bytes for packed in self.base.layers)


def of(base: Base, about: About, store: Store, *, components: Sequence[Component] = ()) -> BaseImage:
    """Keep `base` as an image without an entry point."""
    kept = image.build(base, (), Settings(), about, store.blobs)
    bill = None
    if components:
        document = sbom.document(kept, about.title, base.platform, components, created=about.created)
        bill = attach(kept, canonical(document), sbom.MEDIA_TYPE, store.blobs)
    return BaseImage(base=base, image=kept, sbom=bill)


def over(images: Sequence[BaseImage], about: About, store: Store) -> Descriptor:
    """The index over a base's platforms."""
    return keep(image.index([one.image for one in images], about.annotations()).document(), INDEX, store.blobs)
