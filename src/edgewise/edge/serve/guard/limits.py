"""How much one request, one connection and the whole server may take.

A limit is told before anything of that size is allocated.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds of the skins.

    Attributes:
        body_bytes: of one request, compressed or not, and of one gRPC message.
        json_bytes: of the JSON of one request, and of a gRPC message without its raw tensors.
        elements: numbers in JSON, or BYTES elements, of one request: each becomes an object on its way.
        under_way_bytes: bodies of all requests together, from the head until the answer.
        head_bytes, headers: of one HTTP request, target included.
        tensors, rank: of one request, and of one tensor.
        connections: open at once, of all HTTP addresses together.
        streams: gRPC calls at once.
        head_s: from the first byte of a request to the end of its head, and for a TLS handshake.
        progress_s: for each `PIECE_BYTES` of a body that is read or written.
        idle_s: between two requests of a connection.
        drain_s: after SIGTERM, for what is under way.
    """

    body_bytes: int = 64 << 20
    json_bytes: int = 8 << 20
    elements: int = 1 << 20
    under_way_bytes: int = 256 << 20
    head_bytes: int = 16 << 10
    headers: int = 64
    tensors: int = 256
    rank: int = 16
    connections: int = 1024
    streams: int = 256
    head_s: float = 10.0
    progress_s: float = 10.0
    idle_s: float = 75.0
    drain_s: float = 30.0


PIECE_BYTES = 64 << 10
"""Who moves fewer bytes than these in `Limits.progress_s` is too slow."""
