"""The platforms that images are made for, and what each is called by OCI, Debian, wheels and ELF."""

from dataclasses import dataclass

from edgewise.errors import BadImage
from edgewise.store.oci import documents as oci


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    """One architecture of Linux.

    Attributes:
        architecture: by OCI (Go's GOARCH), which here is Debian's name too.
        variant: by OCI; empty where there is one only.
        wheel: by the tags of wheels and by `uname -m`.
        triplet: Debian's multiarch folder below /usr/lib.
        elf_machine: `e_machine` of its ELF files, as pyelftools names it.
    """

    architecture: str
    variant: str
    wheel: str
    triplet: str
    elf_machine: str

    @property
    def oci(self) -> oci.Platform:
        """As indexes and configs name it."""
        return oci.Platform(architecture=self.architecture, os="linux", variant=self.variant)

    def __str__(self) -> str:
        return f"linux/{self.architecture}"


AMD64 = Platform(architecture="amd64", variant="", wheel="x86_64", triplet="x86_64-linux-gnu", elf_machine="EM_X86_64")
ARM64 = Platform(
    architecture="arm64", variant="v8", wheel="aarch64", triplet="aarch64-linux-gnu", elf_machine="EM_AARCH64"
)
PLATFORMS = {str(platform): platform for platform in (AMD64, ARM64)}


def platform(name: str) -> Platform:
    """The platform called `name`: "linux/arm64", or "arm64" alone.

    Raises:
        BadImage: no image can be made for it.
    """
    found = PLATFORMS.get(name if "/" in name else f"linux/{name}")
    if found is None:
        raise BadImage(f"no image can be made for {name!r}", hint=f"one of {', '.join(PLATFORMS)}")
    return found
