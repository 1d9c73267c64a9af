"""What which version of Podman, MicroShift, Kubernetes and KServe can do: the one table, and who asks it.

docs/reference/nodes.md shows it, made from this module. A face asks for a `Feature` by name; keys of quadlet units have
a table of their own, `quadlet/keys.py`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from edgewise.errors import NotDeployable

_NUMBERS = re.compile(r"v?(\d+)(?:\.(\d+))?(?:\.\d+)?(?:[-+~].*)?")


class Product(StrEnum):
    """What a version is of."""

    PODMAN = "Podman"
    MICROSHIFT = "MicroShift"
    KUBERNETES = "Kubernetes"
    KSERVE = "KServe"


@dataclass(frozen=True, slots=True, order=True)
class Version:
    """Major and minor number; what comes after them decides nothing here."""

    major: int
    minor: int = 0

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}"


def version(text: str) -> Version:
    """What `text` says: "5.4", "v1.33.2", "4.9.4-rhel".

    Raises:
        NotDeployable: it is no version.
    """
    found = _NUMBERS.fullmatch(text.strip())
    if found is None:
        raise NotDeployable(f"{text!r} is no version", hint="such as 5.4, or 1.33")
    return Version(int(found[1]), int(found[2] or 0))


class Feature(StrEnum):
    """Something that not every version can do; the value is how the documentation calls it."""

    QUADLET = "quadlet units"
    QUADLET_MOUNT = "Mount= in .container"
    QUADLET_IMAGE_UNITS = ".image units"
    QUADLET_POD_UNITS = ".pod units"
    QUADLET_HEALTHY = "Notify=healthy"
    IMAGE_VOLUME = "image volumes, behind the feature gate ImageVolume"
    IMAGE_VOLUME_BY_DEFAULT = "image volumes, on by default"
    MODEL_SERVING = "AI model serving (KServe), x86_64 only"
    HEALTHCHECK = "microshift healthcheck"
    STANDARD_MODE = "deployment mode called Standard"
    NATIVE_OCI = "storage oci+native://"


@dataclass(frozen=True, slots=True, kw_only=True)
class Since:
    """From which version on a product has a feature.

    Attributes:
        otherwise: what is done for older versions, for people.
        source: who says so.
    """

    product: Product
    feature: Feature
    version: Version
    otherwise: str
    source: str


_PODMAN_NOTES = "release notes of Podman"
TABLE: tuple[Since, ...] = (
    Since(
        product=Product.PODMAN,
        feature=Feature.QUADLET,
        version=Version(4, 4),
        otherwise="a systemd unit that calls podman run",
        source=_PODMAN_NOTES,
    ),
    Since(
        product=Product.PODMAN,
        feature=Feature.QUADLET_MOUNT,
        version=Version(4, 5),
        otherwise="the same option in PodmanArgs=",
        source=_PODMAN_NOTES,
    ),
    Since(
        product=Product.PODMAN,
        feature=Feature.QUADLET_IMAGE_UNITS,
        version=Version(4, 8),
        otherwise="Image= names the image itself, which podman run pulls",
        source=_PODMAN_NOTES,
    ),
    Since(
        product=Product.PODMAN,
        feature=Feature.QUADLET_POD_UNITS,
        version=Version(5, 0),
        otherwise="refused: ask for container or kube units",
        source=_PODMAN_NOTES,
    ),
    Since(
        product=Product.PODMAN,
        feature=Feature.QUADLET_HEALTHY,
        version=Version(5, 0),
        otherwise="the unit counts as up when the process runs; edgewise deploy asks for its health",
        source=_PODMAN_NOTES,
    ),
    Since(
        product=Product.KUBERNETES,
        feature=Feature.IMAGE_VOLUME,
        version=Version(1, 31),
        otherwise="an init container that copies the model",
        source="Kubernetes documentation, image volumes",
    ),
    Since(
        product=Product.KUBERNETES,
        feature=Feature.IMAGE_VOLUME_BY_DEFAULT,
        version=Version(1, 35),
        otherwise="an init container, unless --modelcar image-volume is asked for",
        source="Kubernetes documentation, image volumes",
    ),
    Since(
        product=Product.MICROSHIFT,
        feature=Feature.IMAGE_VOLUME_BY_DEFAULT,
        version=Version(4, 20),
        otherwise="an init container, unless --modelcar image-volume is asked for",
        source="opendatahub-io/kserve pull request 1640",
    ),
    Since(
        product=Product.MICROSHIFT,
        feature=Feature.MODEL_SERVING,
        version=Version(4, 19),
        otherwise="a Deployment",
        source="documentation of MicroShift 4.19, Using AI models",
    ),
    Since(
        product=Product.MICROSHIFT,
        feature=Feature.HEALTHCHECK,
        version=Version(4, 19),
        otherwise="oc rollout status",
        source="documentation of MicroShift 4.19, workload health checks",
    ),
    Since(
        product=Product.KSERVE,
        feature=Feature.STANDARD_MODE,
        version=Version(0, 17),
        otherwise="RawDeployment and Serverless, the older names",
        source="kserve/kserve pull request 4608",
    ),
    Since(
        product=Product.KSERVE,
        feature=Feature.NATIVE_OCI,
        version=Version(0, 20),
        otherwise="oci://, a modelcar",
        source="kserve/kserve pull request 5558",
    ),
)

DEFAULTS: Mapping[Product, Version] = {
    Product.PODMAN: Version(5, 4),
    Product.MICROSHIFT: Version(4, 20),
    Product.KUBERNETES: Version(1, 33),
    Product.KSERVE: Version(0, 17),
}
"""What is written for where nobody names a version."""

_KUBERNETES_OF_MICROSHIFT = 13
"""Minor version of OpenShift or MicroShift 4.x plus this is that of its Kubernetes: 4.20 has 1.33."""


def has(product: Product, feature: Feature, given: Version) -> bool:
    """Whether `given` of `product` can do `feature`."""
    return given >= since(product, feature)


def since(product: Product, feature: Feature) -> Version:
    """The first version of `product` with `feature`."""
    return next(row.version for row in TABLE if row.product is product and row.feature is feature)


def kubernetes_of(microshift: Version) -> Version:
    """The version of Kubernetes in MicroShift or OpenShift 4.x.

    Raises:
        NotDeployable: it is no version 4.
    """
    if microshift.major != 4:
        raise NotDeployable(f"MicroShift {microshift} is not known", hint="versions 4.14 to 4.22 are")
    return Version(1, microshift.minor + _KUBERNETES_OF_MICROSHIFT)
