"""An inference image of one platform, from base to attestations: what the chosen runtime needs, and nothing else.

The order is the order of change: base, runtime, then whatever the caller puts on top (server, model), so that an
update of the model moves the model alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from edgewise.build import elf, image, provenance, sbom
from edgewise.build.attach import attach
from edgewise.build.base import Base
from edgewise.build.compress import Compression
from edgewise.build.image import About, Settings
from edgewise.build.keep import keep, moment
from edgewise.build.layer import Layer, layer
from edgewise.build.pack import Packed, once, pack
from edgewise.build.sbom import Component
from edgewise.build.wheels import resolve, unpack
from edgewise.build.wheels.needed import needed
from edgewise.build.wheels.resolve import Wheel
from edgewise.errors import BadImage
from edgewise.store.oci.documents import INDEX, Descriptor, canonical
from edgewise.store.steps import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What shall be made, for every platform alike.

    Attributes:
        runtime: onnxruntime, litert or openvino.
        extra: requirements beside the runtime's, each with its dependencies spelled out.
        on_top: layers above the runtime with their titles, lowest first.
        inputs: digests of what `on_top` was made of, by URI, for the provenance.
    """

    runtime: str
    settings: Settings
    about: About
    extra: tuple[str, ...] = ()
    on_top: tuple[tuple[str, Layer], ...] = ()
    inputs: Mapping[str, str] = field(default_factory=dict)
    compression: Compression = Compression.ZSTD


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """One platform's image in the store, and what is attached to it."""

    image: Descriptor
    sbom: Descriptor
    provenance: Descriptor
    wheels: tuple[Wheel, ...]


def build(base: Base, order: Order, store: Store, *, components: Sequence[Component] = ()) -> Built:
    """Make the image that `order` asks for on `base`.

    Args:
        components: of the base, for the SBOM.

    Raises:
        BadImage: a wheel is missing for the platform, holds what it should not, or two things claim one path.
    """
    wheels, packed = runtime_layer(base, order, store)
    above = [pack(made, store, compression=order.compression, title=title) for title, made in order.on_top]
    made = image.build(base, (packed, *above), order.settings, order.about, store.blobs)
    parts = [*components, *(sbom.of_wheel(wheel, store.blobs) for wheel in wheels)]
    bill, statement = attest(made, base, order, parts, store)
    return Built(image=made, sbom=bill, provenance=statement, wheels=wheels)


def runtime_layer(base: Base, order: Order, store: Store) -> tuple[tuple[Wheel, ...], Packed]:
    """The wheels that the runtime needs on `base`, and the layer that they make.

    Raises:
        BadImage: a wheel that has no business here was asked for, or is for another machine.
    """
    need = needed(order.runtime)
    wheels = resolve.resolve((*need.requirements, *order.extra), base.target, store)
    if strangers := [wheel.name for wheel in wheels if wheel.name in need.forbidden]:
        raise BadImage(f"an image of {order.runtime} must not hold {', '.join(strangers)}")

    def make() -> Layer:
        made = layer(unpack.entries(wheels, store.blobs, left_out=need.left_out), mtime=order.about.created)
        elf.check_machine(made.entries, base.platform)
        return made

    packed = once(
        "runtime-layer",
        make,
        store,
        compression=order.compression,
        title=", ".join(f"{wheel.name} {wheel.version}" for wheel in wheels),
        wheels=[wheel.digest for wheel in wheels],
        left_out=need.left_out,
        mtime=order.about.created,
        platform=str(base.platform),
    )
    return wheels, packed


def attest(
    made: Descriptor, base: Base, order: Order, parts: Sequence[Component], store: Store
) -> tuple[Descriptor, Descriptor]:
    """Attach SBOM and provenance to the image `made`; their manifests."""
    about = order.about
    bill = sbom.document(made, about.title, base.platform, parts, created=about.created)
    parameters = {"runtime": order.runtime, "compression": order.compression.value, "base": base.name or base.kind}
    statement = provenance.statement(
        made,
        about.title,
        base.platform,
        parts,
        parameters=parameters,
        created=about.created,
        others={**order.inputs, **({f"oci:{base.name or 'base'}": base.digest} if base.digest else {})},
    )
    created = {f"{image.STANDARD}created": moment(about.created)}
    return (
        attach(made, canonical(bill), sbom.MEDIA_TYPE, store.blobs, annotations=created),
        attach(
            made,
            canonical(statement),
            provenance.MEDIA_TYPE,
            store.blobs,
            annotations={**created, "in-toto.io/predicate-type": provenance.PREDICATE},
        ),
    )


def over(images: Sequence[Built], about: About, store: Store) -> Descriptor:
    """The index over images of several platforms."""
    document = image.index([built.image for built in images], about.annotations())
    return keep(document.document(), INDEX, store.blobs)
