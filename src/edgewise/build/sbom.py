"""What is in an image: an SPDX 2.3 document, made from the wheels' METADATA and the control fields of Debian packages.

Pure. Every package carries its purl, the hash of the file that it came in, and the licence that its author declares
where that is an SPDX expression; nothing is concluded here. Licence texts themselves are in the image.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import quote

from edgewise import __version__
from edgewise.build.bases.debian import Deb
from edgewise.build.keep import moment
from edgewise.build.platforms import Platform
from edgewise.build.wheels import unpack
from edgewise.build.wheels.resolve import Wheel
from edgewise.store.oci.documents import Descriptor, Json
from edgewise.store.steps import Store, key

MEDIA_TYPE = "application/spdx+json"
UNSAID = "NOASSERTION"


class Origin(StrEnum):
    """Where a component is from; the value is the purl's type."""

    WHEEL = "pypi"
    DEBIAN = "deb"
    MODEL = "generic"


@dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    """Something with a name and a version that is in an image.

    Attributes:
        digest: of the file that it came in, `sha256:<hex>`.
        licence: an SPDX expression, "" where its author gives none.
        supplier: a person or organisation, "" where unknown.
    """

    origin: Origin
    name: str
    version: str
    digest: str
    licence: str = ""
    supplier: str = ""

    def purl(self, platform: Platform) -> str:
        """Package URL, by the purl specification's types `pypi`, `deb` and `generic`."""
        version = quote(self.version, safe=".-_~")
        if self.origin is Origin.WHEEL:
            return f"pkg:pypi/{self.name}@{version}"
        if self.origin is Origin.MODEL:
            return f"pkg:generic/{quote(self.name)}@{version}?checksum={self.digest}"
        return f"pkg:deb/debian/{quote(self.name)}@{version}?arch={platform.architecture}&distro=debian-12"


def of_wheel(wheel: Wheel, store: Store) -> Component:
    """The component that `wheel` brings; its METADATA is read once."""
    step = key("wheel-metadata", digest=wheel.digest)
    known = store.recall(step)
    if known is None:
        fields = unpack.metadata(wheel, store.blobs)
        known = {"licence": str(fields.get("License-Expression", "")), "supplier": str(fields.get("Author", ""))}
        store.record(step, known)
    return Component(origin=Origin.WHEEL, name=wheel.name, version=wheel.version, digest=wheel.digest, **known)


def of_deb(package: Deb) -> Component:
    """The component that a Debian package brings. Its licence is prose, in its copyright file."""
    return Component(
        origin=Origin.DEBIAN, name=package.name, version=package.version, digest=package.digest, supplier="Debian"
    )


def document(
    image: Descriptor, title: str, platform: Platform, components: Sequence[Component], *, created: int
) -> dict[str, Json]:
    """The SPDX document of `image`.

    Args:
        created: seconds since 1970 (UTC): SOURCE_DATE_EPOCH, never the clock.
    """
    algorithm, _, value = image.digest.partition(":")
    root = {
        **_unconcluded(),
        "SPDXID": "SPDXRef-image",
        "name": title,
        "versionInfo": image.digest,
        "primaryPackagePurpose": "CONTAINER",
        "checksums": [{"algorithm": algorithm.upper(), "checksumValue": value}],
        "licenseDeclared": UNSAID,
        "externalRefs": [
            _reference(f"pkg:oci/{quote(title.lower())}@{quote(image.digest)}?arch={platform.architecture}")
        ],
    }
    ordered = sorted(components, key=lambda one: (one.origin, one.name))
    packages = [_package(one, platform) for one in ordered]
    return {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": title,
        "documentNamespace": f"https://spdx.org/spdxdocs/edgewise-{value}",
        "creationInfo": {"created": moment(created), "creators": [f"Tool: edgewise-{__version__}"]},
        "packages": [root, *packages],
        "relationships": [
            _relation("SPDXRef-DOCUMENT", "DESCRIBES", "SPDXRef-image"),
            *(_relation("SPDXRef-image", "CONTAINS", package["SPDXID"]) for package in packages),
        ],
    }


def _package(one: Component, platform: Platform) -> dict[str, Json]:
    found = {
        **_unconcluded(),
        "SPDXID": f"SPDXRef-{one.origin}-{re.sub('[^A-Za-z0-9.-]', '-', one.name)}",
        "name": one.name,
        "versionInfo": one.version,
        "checksums": [{"algorithm": "SHA256", "checksumValue": one.digest.removeprefix("sha256:")}],
        "licenseDeclared": one.licence or UNSAID,
        "externalRefs": [_reference(one.purl(platform))],
    }
    return found | ({"supplier": f"Organization: {one.supplier}"} if one.supplier else {})


def _unconcluded() -> dict[str, Json]:
    return {
        "downloadLocation": UNSAID,
        "filesAnalyzed": False,
        "licenseConcluded": UNSAID,
        "copyrightText": UNSAID,
    }


def _reference(purl: str) -> dict[str, Json]:
    return {"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": purl}


def _relation(one: str, kind: str, other: str) -> dict[str, Json]:
    return {"spdxElementId": one, "relationshipType": kind, "relatedSpdxElement": other}
