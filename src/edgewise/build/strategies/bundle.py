"""What a device pulls, as a value: parts by name, and in each the pieces that travel as one.

The contract between what builds and what compares. Pure. From a bundle alone follow the bytes of a first deployment
(pieces that the device has not), those of an update (pieces that the other bundle has not), and the disk that both take
together. Pieces go by digest: what two parts share travels once.
"""

from dataclasses import dataclass
from enum import StrEnum

from edgewise.store.oci.documents import Descriptor


class Strategy(StrEnum):
    """How a model is packed; the value is the word in edge.yaml."""

    EMBEDDED = "embedded"
    """The last layer of the inference image."""
    EXTERNAL = "external"
    """Files beside the inference image: an OCI artifact, a volume, a web server or a bucket."""
    MODELCAR = "modelcar"
    """An image of its own, whose files the inference container sees."""


class Role(StrEnum):
    """What a piece is for. The order is the order of change: what comes later changes more often."""

    BASE = "base"
    RUNTIME = "runtime"
    SERVER = "server"
    MODEL = "model"
    DOCUMENT = "document"
    """A manifest or config: small, and new with every change of what it names."""


class PartKind(StrEnum):
    """What a part is to the machine that takes it."""

    IMAGE = "image"
    """A container engine pulls it, and unpacks its layers."""
    ARTIFACT = "artifact"
    """A manifest whose layers are the files as they are. Out of a folder or bucket the same files come without it."""
    FILES = "files"
    """Plain files, and no manifest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """What travels as one: a layer, a file, a config or a manifest.

    Attributes:
        digest: of the bytes that travel; who has them needs them not again.
        size_bytes: as shipped, compressed where it is.
        unpacked_bytes: on the device's disk: the contents of a layer's tar, a file as it is.
        title: what it is, for people: "onnxruntime 1.23.0, numpy 2.3.0".
    """

    role: Role
    digest: str
    size_bytes: int
    unpacked_bytes: int
    title: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One thing that is pulled, for one platform.

    Attributes:
        name: unique in its bundle: "inference", "model".
        root: the manifest of this platform; None of plain files.
        pieces: in the order in which they lie on each other, documents last.
    """

    name: str
    kind: PartKind
    root: Descriptor | None
    pieces: tuple[Piece, ...]

    @property
    def size_bytes(self) -> int:
        """All that travels where nothing of it is there yet."""
        return sum(piece.size_bytes for piece in {piece.digest: piece for piece in self.pieces}.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """What a device of one platform pulls to serve one model.

    Attributes:
        platform: as "linux/arm64".
        parts: the inference image first.
        model_digest: of model.json, which names every file of the model by digest.
        model_name, model_version: as the server calls it.
    """

    strategy: Strategy
    platform: str
    parts: tuple[Part, ...]
    model_digest: str
    model_name: str
    model_version: str

    @property
    def pieces(self) -> tuple[Piece, ...]:
        """All pieces of all parts, each digest once."""
        return tuple({piece.digest: piece for part in self.parts for piece in part.pieces}.values())

    @property
    def size_bytes(self) -> int:
        """All that travels where nothing of it is there yet."""
        return sum(piece.size_bytes for piece in self.pieces)

    @property
    def unpacked_bytes(self) -> int:
        """On the device's disk, when all is there."""
        return sum(piece.unpacked_bytes for piece in self.pieces)
