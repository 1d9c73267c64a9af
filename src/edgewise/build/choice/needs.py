"""What each strategy needs beside itself, by kind of node: a table, from how the nodes work.

Assumed. A device runs containers by Podman and systemd (quadlet): the model of `external` is files in a volume that
were fetched before, that of `modelcar` an image volume. MicroShift and OpenShift follow KServe's conventions: an
`external` model is fetched by the storage initializer, an init container, whenever a pod starts; `modelcar` is a
container of its own beside the server. A cold start is that of a machine that has pulled everything before and gets its
power back.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from edgewise.build.strategies.bundle import Strategy

Node = Literal["device", "microshift", "openshift"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Thing:
    """Something that must exist for the model to serve, and may fail.

    Attributes:
        at_cold_start: without it a machine that has pulled everything does not serve again.
        outage: what happens while it is away, a sentence.
    """

    name: str
    at_cold_start: bool
    outage: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """What a strategy needs on a kind of node.

    Attributes:
        things: all that must be looked after, in the order in which it is needed.
        replaced: what a new model stops and starts anew; empty where the server takes it while it serves.
    """

    things: tuple[Thing, ...]
    replaced: tuple[str, ...]

    @property
    def cold_start(self) -> tuple[str, ...]:
        """Names of what must be running for a cold start."""
        return tuple(thing.name for thing in self.things if thing.at_cold_start)


_ENGINE = Thing(name="container engine", at_cold_start=True, outage="nothing starts; what runs goes on")
_KUBELET = Thing(name="kubelet", at_cold_start=True, outage="no pod starts or is watched; what runs goes on")
_IMAGES = Thing(
    name="registry", at_cold_start=False, outage="no update and no new machine; what is there serves and restarts"
)
_CONTROL = Thing(
    name="control plane of the cluster",
    at_cold_start=True,
    outage="no pod is placed on a node; what runs goes on",
)
_SOURCE = Thing(
    name="store of model files",
    at_cold_start=False,
    outage="no new model and no new machine; what is there serves and restarts",
)
_VOLUME = Thing(
    name="volume with the model", at_cold_start=True, outage="the server does not start: the model is not in the image"
)
_MODEL_IMAGE = Thing(
    name="image volume of the model",
    at_cold_start=True,
    outage="the server does not start until the model's image is pulled and mounted",
)
_BUCKET = Thing(
    name="storage service", at_cold_start=True, outage="no pod starts, on any node, not even again; what runs goes on"
)
_INITIALIZER = Thing(
    name="storage initializer (init container)",
    at_cold_start=True,
    outage="no pod starts; a fetch that fails is repeated at every start",
)
_MODELCAR = Thing(
    name="model container (sidecar)",
    at_cold_start=True,
    outage="the server does not find its files: it waits for this container, which shares its processes",
)
_SERVER = ("inference container",)
_DEVICE: Mapping[Strategy, Needs] = {
    Strategy.EMBEDDED: Needs(things=(_ENGINE, _IMAGES), replaced=_SERVER),
    Strategy.EXTERNAL: Needs(things=(_ENGINE, _VOLUME, _IMAGES, _SOURCE), replaced=()),
    Strategy.MODELCAR: Needs(things=(_ENGINE, _MODEL_IMAGE, _IMAGES), replaced=_SERVER),
}
_CLUSTER: Mapping[Strategy, Sequence[Thing]] = {
    Strategy.EMBEDDED: (),
    Strategy.EXTERNAL: (_BUCKET, _INITIALIZER),
    Strategy.MODELCAR: (_MODELCAR,),
}


def needs(strategy: Strategy, node: Node) -> Needs:
    """What `strategy` needs on a `node`."""
    if node == "device":
        return _DEVICE[strategy]
    return Needs(
        things=(_ENGINE, _KUBELET, _CONTROL, *_CLUSTER[strategy], _IMAGES), replaced=("pod of the inference server",)
    )
