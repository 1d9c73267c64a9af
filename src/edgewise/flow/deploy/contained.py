"""A child that says how a device's agent runs a release in a container: as its unit would, but for how it is reached.

The agent hands the server its sockets, so there is no network and no port; it looks after the server itself, so Podman
asks for no health; and images are those that it has imported. All else is what `build/nodes/quadlet` makes: user,
limits, what is read-only, mounts, and the server's environment.
"""

from dataclasses import replace
from typing import Any

from edgewise.build.nodes.describe import Wish, describe
from edgewise.build.nodes.description import MOUNTED, NodeKind
from edgewise.build.nodes.quadlet import compose, options
from edgewise.build.nodes.quadlet.compose import Layout
from edgewise.build.nodes.versions import Version
from edgewise.exchange import release as releases
from edgewise.runtimes import answer

LOCAL = "localhost/edgewise"
OLDEST = Version(4, 3)
"""What is said here is understood by this Podman and every newer one."""


def container(release: str, images: dict[str, str], model: str) -> dict[str, Any]:
    """What `podman run` is told of `release` beside its name: `flags`, and the `image`.

    Args:
        images: names of images on the device, by the name of their part.
        model: folder of the model's files; "" where it comes in an image.

    Raises:
        NotDeployable: the release cannot run in a container.
    """
    content = release.encode()
    found = releases.read(content)
    local = replace(found, parts=tuple(replace(one, source=f"{LOCAL}/{one.name}") for one in found.parts))
    workload = describe(local, releases.digest(content), NodeKind.DEVICE, Wish())
    names = {f"{LOCAL}/{one.name}@{one.digest}": images[one.name] for one in found.parts if one.name in images}
    unit = compose.server(workload, Layout(podman=OLDEST, network=False))
    mounts = unit.mounts
    for reference, name in names.items():
        mounts = tuple(one.replace(f"source={reference},", f"source={name},") for one in mounts)
    made = replace(
        unit,
        name="",
        network="none",
        ports=(),
        health=None,
        pull="",
        mounts=mounts,
        volumes=(f"{model}:{MOUNTED}:ro,z",) if model else (),
    )
    return {"flags": list(options.flags(made)), "image": names[workload.server.reference]}


if __name__ == "__main__":
    answer.serve({"container": container})
