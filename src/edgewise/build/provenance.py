"""How an image came to be: an in-toto Statement v1 with SLSA's provenance v1 as its predicate.

Pure. It names every input by digest and the compressors by version, and neither time, host nor user: the statement
of a rebuild is the same bytes. https://in-toto.io/Statement/v1, https://slsa.dev/spec/v1.0/provenance
"""

from collections.abc import Mapping, Sequence

from edgewise import __version__
from edgewise.build import compress
from edgewise.build.platforms import Platform
from edgewise.build.sbom import Component
from edgewise.store.oci.documents import Descriptor, Json

MEDIA_TYPE = "application/vnd.in-toto+json"
STATEMENT = "https://in-toto.io/Statement/v1"
PREDICATE = "https://slsa.dev/provenance/v1"
BUILD_TYPE = "https://edgewise.dev/build/image/v1"
BUILDER = "https://edgewise.dev/builder/local"
"""A machine of the user's own: SLSA build level 1 at most, for nobody else vouches for it."""


def statement(
    image: Descriptor,
    title: str,
    platform: Platform | None,
    components: Sequence[Component],
    *,
    parameters: Mapping[str, Json],
    created: int,
    others: Mapping[str, str] | None = None,
) -> dict[str, Json]:
    """The statement about `image`.

    Args:
        platform: None for what is alike on all, and then has no components.
        parameters: what the user chose: runtime, base, compression, in JSON's types.
        created: SOURCE_DATE_EPOCH, seconds since 1970 (UTC).
        others: digests of further inputs by URI: the model, the base's manifest.
    """
    named = {one.purl(platform): one.digest for one in components} if platform else {}
    inputs = named | dict(others or {})
    said = {**parameters, **({"platform": str(platform)} if platform else {})}
    return {
        "_type": STATEMENT,
        "subject": [{"name": title, "digest": _digest(image.digest)}],
        "predicateType": PREDICATE,
        "predicate": {
            "buildDefinition": {
                "buildType": BUILD_TYPE,
                "externalParameters": said,
                "internalParameters": {"SOURCE_DATE_EPOCH": created},
                "resolvedDependencies": [{"uri": uri, "digest": _digest(inputs[uri])} for uri in sorted(inputs)],
            },
            "runDetails": {"builder": {"id": BUILDER, "version": {"edgewise": __version__, **compress.versions()}}},
        },
    }


def _digest(digest: str) -> Mapping[str, str]:
    algorithm, _, value = digest.partition(":")
    return {algorithm: value}
