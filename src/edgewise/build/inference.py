"""An inference image of one platform, from base to attestations: what the chosen runtime needs, and nothing else.

The order is the order of change: base, runtime, what the server needs, the server, then whatever the caller puts on top
(a model), so that an update of the model moves the model alone.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from edgewise.build import attestations, elf, image, sbom
from edgewise.build import server as servers
from edgewise.build.attestations import Attested
from edgewise.build.base import Base
from edgewise.build.compress import Compression
from edgewise.build.image import About, Settings
from edgewise.build.keep import keep
from edgewise.build.layer import Layer, layer
from edgewise.build.pack import Packed, once
from edgewise.build.sbom import Component, Origin
from edgewise.build.server import Server
from edgewise.build.strategies.bundle import Role
from edgewise.build.wheels import resolve, unpack
from edgewise.build.wheels.needed import EVERYWHERE, needed
from edgewise.build.wheels.resolve import Wheel
from edgewise.errors import BadImage
from edgewise.store.oci.documents import INDEX, Descriptor
from edgewise.store.steps import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What shall be made, for every platform alike.

    Attributes:
        runtime: onnxruntime, litert or openvino.
        version: of the runtime; "" for the newest.
        server: None for an image whose entry point is somebody else's.
        extra: requirements beside the runtime's, each with its dependencies spelled out.
        inputs: digests of what the layers on top were made of, by URI, for the provenance.
    """

    runtime: str
    settings: Settings
    about: About
    version: str = ""
    server: Server | None = None
    extra: tuple[str, ...] = ()
    inputs: Mapping[str, str] = field(default_factory=dict)
    compression: Compression = Compression.ZSTD


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """The layers of an image from the base up, and what is in them."""

    layers: tuple[tuple[Role, Packed], ...]
    wheels: tuple[Wheel, ...]
    components: tuple[Component, ...]

    @property
    def above_base(self) -> tuple[Packed, ...]:
        """The layers that are not the base's."""
        return tuple(packed for role, packed in self.layers if role is not Role.BASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """One platform's image in the store, and what is attached to it."""

    image: Descriptor
    sbom: Descriptor
    provenance: Descriptor
    wheels: tuple[Wheel, ...]
    layers: tuple[tuple[Role, Packed], ...]


def build(
    base: Base, order: Order, store: Store, *, top: Sequence[Packed] = (), components: Sequence[Component] = ()
) -> Built:
    """Make the image that `order` asks for on `base`.

    Args:
        top: layers above all others, lowest first: a model.
        components: of the base and of `top`, for the SBOM.

    Raises:
        BadImage: a wheel is missing for the platform, holds what it should not, or two things claim one path.
    """
    below = stack(base, order, store)
    made = image.build(base, (*below.above_base, *top), order.settings, order.about, store.blobs)
    subject = Attested(
        image=made,
        about=order.about,
        platform=base.platform,
        components=(*components, *below.components),
        parameters={
            "runtime": order.runtime,
            "compression": order.compression.value,
            "base": base.name or base.kind,
        },
        inputs={**order.inputs, **({f"oci:{base.name or 'base'}": base.digest} if base.digest else {})},
    )
    bill, statement = attestations.bill(subject, store), attestations.statement(subject, store)
    layers = (*below.layers, *((Role.MODEL, packed) for packed in top))
    return Built(image=made, sbom=bill, provenance=statement, wheels=below.wheels, layers=layers)


def stack(base: Base, order: Order, store: Store) -> Stack:
    """All layers below the model, packed; recalled where they were packed before."""
    wheels, runtime = runtime_layer(base, order, store)
    layers = [(Role.BASE, packed) for packed in base.layers] + [(Role.RUNTIME, runtime)]
    components = [sbom.of_wheel(wheel, store) for wheel in wheels]
    if order.server is not None:
        more, packages = _wheel_layer("server-packages", order.server.requirements, base, order, store, EVERYWHERE)
        code, component = _code_layer(order.server, order, store)
        layers += [(Role.RUNTIME, packages), (Role.SERVER, code)]
        components += [*(sbom.of_wheel(wheel, store) for wheel in more), component]
        wheels = (*wheels, *more)
    return Stack(layers=tuple(layers), wheels=wheels, components=tuple(components))


def runtime_layer(base: Base, order: Order, store: Store) -> tuple[tuple[Wheel, ...], Packed]:
    """The wheels that the runtime needs on `base`, and the layer that they make.

    Raises:
        BadImage: a wheel that has no business here was asked for, or is for another machine.
    """
    need = needed(order.runtime)
    first, *others = need.requirements
    pinned = f"{first}=={order.version}" if order.version else first
    wheels, packed = _wheel_layer(
        "runtime-layer", (pinned, *others, *order.extra), base, order, store, need.left_out, forbidden=need.forbidden
    )
    return wheels, packed


def _wheel_layer(
    name: str,
    requirements: Sequence[str],
    base: Base,
    order: Order,
    store: Store,
    left_out: Sequence[str],
    *,
    forbidden: Sequence[str] = (),
) -> tuple[tuple[Wheel, ...], Packed]:
    wheels = resolve.resolve(requirements, base.target, store)
    if strangers := [wheel.name for wheel in wheels if wheel.name in forbidden]:
        raise BadImage(f"an image of {order.runtime} must not hold {', '.join(strangers)}")

    def make() -> Layer:
        made = layer(unpack.entries(wheels, store.blobs, left_out=left_out), mtime=order.about.created)
        elf.check_machine(made.entries, base.platform)
        return made

    return wheels, once(
        name,
        make,
        store,
        compression=order.compression,
        title=", ".join(f"{wheel.name} {wheel.version}" for wheel in wheels),
        wheels=[wheel.digest for wheel in wheels],
        left_out=list(left_out),
        mtime=order.about.created,
        platform=str(base.platform),
    )


def _code_layer(server: Server, order: Order, store: Store) -> tuple[Packed, Component]:
    found = servers.sources(server, needed(order.runtime).imports)
    digest = servers.digest(found)
    make: Callable[[], Layer] = lambda: servers.code_layer(found, server, mtime=order.about.created)  # noqa: E731
    packed = once(
        "server-layer",
        make,
        store,
        compression=order.compression,
        title=f"edgewise {server.version}, the server",
        code=digest,
        mtime=order.about.created,
    )
    return packed, Component(
        origin=Origin.WHEEL,
        name=servers.PACKAGE,
        version=server.version,
        digest=packed.digest,
        licence="Apache-2.0",
    )


def over(images: Sequence[Built], about: About, store: Store) -> Descriptor:
    """The index over images of several platforms."""
    document = image.index([built.image for built in images], about.annotations())
    return keep(document.document(), INDEX, store.blobs)
