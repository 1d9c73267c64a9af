"""For which version of what runs on a node files are written: one that is named, the node's own, or the usual one."""

from collections.abc import Callable

from edgewise.build.nodes.owner import Owner
from edgewise.build.nodes.versions import DEFAULTS, Product, Version, version
from edgewise.cli._say import note
from edgewise.errors import NotDeployable
from edgewise.flow.deploy import device, installed, reached, ssh

KUBERNETES = "kubernetes"
"""The cluster that kubectl would reach, where `--to` and `--target-version` take the place of a node."""
_CLUSTERS: dict[Product, Callable[[installed.Api], Version | None]] = {
    Product.MICROSHIFT: installed.microshift,
    Product.KSERVE: installed.kserve,
}


def podman(text: str, owner: Owner) -> Version:
    """Of Podman: what `text` says, or what the device has that it names; the usual one for "".

    Raises:
        NotDeployable: it is no version, or the device has no Podman.
        NodeUnreachable, NodeRefused: the device does not answer, or refuses.
    """
    if not text.startswith("ssh:"):
        return named(text, Product.PODMAN)
    with ssh.shared(ssh.device(text)) as where:
        found = device.podman(reached.reach(where, owner))
        note(f"{where} has Podman {found}")
    return found


def on_cluster(text: str, *products: Product) -> list[Version]:
    """Of the first of `products`: what `text` says; of all: what the cluster has that kubectl would reach, for
    "kubernetes"; the usual ones for "".

    Raises:
        NotDeployable: it is no version.
        NodeUnreachable, NodeRefused: the cluster does not answer, or refuses.
    """
    if text != KUBERNETES:
        return [named(text, products[0]), *(DEFAULTS[one] for one in products[1:])]
    from edgewise.flow.deploy import api  # noqa: PLC0415 - the client of Kubernetes is an extra

    with api.Cluster() as reached_:
        return [reached_.version if one is Product.KUBERNETES else of_cluster(reached_, one) for one in products]


def of_cluster(api: installed.Api, product: Product) -> Version:
    """What the cluster has of `product`; the usual version where it does not say. Which, is told."""
    found = _CLUSTERS[product](api)
    if found is not None:
        note(f"the cluster has {product} {found}")
        return found
    usual = DEFAULTS[product]
    note(f"the cluster does not say which {product} it has: written for {usual}, unless --target-version names another")
    return usual


def named(text: str, product: Product) -> Version:
    """What `text` says; the usual version of `product` for "".

    Raises:
        NotDeployable: it is no version.
    """
    if text == KUBERNETES or text.startswith("ssh:"):
        raise NotDeployable(
            f"{text} has no {product} to be asked for",
            hint="quadlet asks ssh://[USER@]HOST, microshift and openshift ask kubernetes",
        )
    return version(text) if text else DEFAULTS[product]
