"""What a person asks of a run. Quick to import."""

from dataclasses import dataclass, field, replace
from pathlib import Path

from edgewise.flow.naming import FIRST_VERSION


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What the caller says about a run; the rest stands in edge.yaml.

    Attributes:
        machines: folders of the user's own catalogue files.
        meter: of energy, as `flow.metering` names it.
        version: of the model, and the tag of what is built.
        base: `debian`, `host`, or the name of an image.
        platforms: as `linux/arm64`; empty for all that the base can have.
        created: SOURCE_DATE_EPOCH.
        key: PEM file that signs images; None for no signature.
        registry: below which parts are pushed: `registry.example/plant`, or `oci:folder`.
        plain_http: see `store.oci.registry.Registry`.
        tree: where releases lie, as a person names it.
        soak_s: how long a device watches a release.
        settings: environment of the server.
        at_once: every device takes the release, without a rollout.
        wait: for another plan on this machine.
    """

    machines: tuple[Path, ...] = ()
    meter: str = ""
    version: str = FIRST_VERSION
    base: str = "debian"
    platforms: tuple[str, ...] = ()
    grpc: bool = False
    created: int = 0
    key: Path | None = None
    password: bytes | None = None
    registry: str = ""
    plain_http: bool | None = None
    tree: str = ""
    soak_s: float = 300.0
    settings: dict[str, str] = field(default_factory=dict)
    at_once: bool = False
    wait: bool = False

    def of(self, version: str) -> "Wishes":
        """The same for another version of the model."""
        return replace(self, version=version)
