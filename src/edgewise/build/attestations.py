"""What is attested of an image: what is in it, and how it came to be; each a manifest that refers to it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from edgewise.build import image, provenance, sbom
from edgewise.build.attach import attach
from edgewise.build.image import About
from edgewise.build.keep import moment
from edgewise.build.platforms import Platform
from edgewise.build.sbom import Component
from edgewise.store.oci.documents import Descriptor, Json, canonical
from edgewise.store.steps import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Attested:
    """What attestations are about.

    Attributes:
        platform: None for what is alike on all.
        parameters: what the user chose, in JSON's types.
        inputs: digests of what it was made of beside `components`, by URI.
    """

    image: Descriptor
    about: About
    platform: Platform | None
    components: tuple[Component, ...] = ()
    parameters: Mapping[str, Json] = field(default_factory=dict)
    inputs: Mapping[str, str] = field(default_factory=dict)


def bill(given: Attested, store: Store) -> Descriptor:
    """Attach the bill of materials; its manifest."""
    assert given.platform is not None, "a bill is of one platform"
    about = given.about
    document = sbom.document(given.image, about.title, given.platform, given.components, created=about.created)
    return attach(given.image, canonical(document), sbom.MEDIA_TYPE, store.blobs, annotations=_created(about))


def statement(given: Attested, store: Store) -> Descriptor:
    """Attach the provenance; its manifest."""
    document = provenance.statement(
        given.image,
        given.about.title,
        given.platform,
        given.components,
        parameters=given.parameters,
        created=given.about.created,
        others=given.inputs,
    )
    annotations = {**_created(given.about), "in-toto.io/predicate-type": provenance.PREDICATE}
    return attach(given.image, canonical(document), provenance.MEDIA_TYPE, store.blobs, annotations=annotations)


def _created(about: About) -> dict[str, str]:
    return {f"{image.STANDARD}created": moment(about.created)}
