"""Bundles of the three strategies as a build would make them, with sizes as wanted and nothing on disk."""

import hashlib

from edgewise.build.strategies.bundle import Bundle, Part, PartKind, Piece, Role, Strategy
from edgewise.nouns import Budget, Link, MachineChoice, Site

SIZES = {Role.BASE: 9_900_000, Role.RUNTIME: 23_000_000, Role.SERVER: 1_200_000, Role.MODEL: 4_000_000}
UNPACKED = {Role.BASE: 31_500_000, Role.RUNTIME: 84_600_000, Role.SERVER: 4_000_000, Role.MODEL: 5_000_000}
DOCUMENT_BYTES = 2_000


def digest(text: str) -> str:
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def piece(role: Role, size: int, unpacked: int, version: str, where: str = "") -> Piece:
    return Piece(
        role=role,
        digest=digest(f"{role} {where} {version}"),
        size_bytes=size,
        unpacked_bytes=unpacked,
        title=f"{role} {version}",
    )


def bundle(
    strategy: Strategy,
    *,
    sizes: dict[Role, int] | None = None,
    unpacked: dict[Role, int] | None = None,
    versions: dict[Role, str] | None = None,
    document_bytes: int = DOCUMENT_BYTES,
    platform: str = "linux/arm64",
) -> Bundle:
    """One strategy's bundle; documents follow from the versions of what they name, as digests do."""
    sizes, unpacked = {**SIZES, **(sizes or {})}, {**UNPACKED, **(unpacked or {})}
    version = {role: (versions or {}).get(role, "1") for role in SIZES}
    made = {role: piece(role, sizes[role], unpacked[role], version[role]) for role in SIZES}
    if strategy is Strategy.EXTERNAL:  # the files as they are
        made[Role.MODEL] = piece(Role.MODEL, unpacked[Role.MODEL], unpacked[Role.MODEL], version[Role.MODEL], "plain")

    def part(name: str, kind: PartKind, roles: tuple[Role, ...]) -> Part:
        said = " ".join(f"{role}={version[role]}" for role in roles)
        documents = tuple(
            piece(Role.DOCUMENT, document_bytes, document_bytes, said, f"{name} {strategy} {which}")
            for which in ("config", "manifest")
        )
        return Part(name=name, kind=kind, root=None, pieces=(*(made[role] for role in roles), *documents))

    below = (Role.BASE, Role.RUNTIME, Role.SERVER)
    match strategy:
        case Strategy.EMBEDDED:
            parts = (part("inference", PartKind.IMAGE, (*below, Role.MODEL)),)
        case Strategy.EXTERNAL:
            parts = (part("inference", PartKind.IMAGE, below), part("model", PartKind.ARTIFACT, (Role.MODEL,)))
        case Strategy.MODELCAR:
            parts = (part("inference", PartKind.IMAGE, below), part("model", PartKind.IMAGE, (Role.MODEL,)))
    return Bundle(
        strategy=strategy,
        platform=platform,
        parts=parts,
        model_digest=made[Role.MODEL].digest,
        model_name="meter-reader",
        model_version=version[Role.MODEL],
    )


def site(
    node: str = "device",
    *,
    bandwidth: float | None = 2e6,
    updates: float = 4.0,
    devices: int = 1,
    disk_free: float | None = None,
    strategy: str = "auto",
) -> Site:
    return Site(
        name="press-line",
        node=node,  # type: ignore[arg-type]
        machines=(MachineChoice(name="this", disk_free_bytes=disk_free),),
        budget=Budget(),
        link=None if bandwidth is None else Link(bandwidth_bit_per_s=bandwidth, updates_per_month=updates),
        strategy=strategy,  # type: ignore[arg-type]
        devices=devices,
    )
