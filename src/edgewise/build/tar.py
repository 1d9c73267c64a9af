"""A layer as tar bytes: ustar headers, with a pax header only where a path, link or size needs one.

Written here and not by tarfile, whose bytes have changed between versions of Python (device numbers of files that are
none), while a layer's diff_id must be the same for years. The format is POSIX.1-2017, pax, section "ustar Interchange
Format"; every value that names the machine at hand (user, group, device) is zero or empty.
"""

from collections.abc import Iterator

from edgewise.build.layer import Entry, Kind, Layer
from edgewise.errors import BadImage

BLOCK = 512
RECORD = 20 * BLOCK
NAME, LINK, PREFIX = 100, 100, 155
OCTAL_MAX = 8**11 - 1
"""The largest size, and the latest time, that a ustar header can say."""
_TYPES = {Kind.FILE: b"0", Kind.WHITEOUT: b"0", Kind.SYMLINK: b"2", Kind.FOLDER: b"5"}


def stream(layer: Layer) -> Iterator[bytes]:
    """The layer's tar file in pieces, padded to a whole record of 10,240 bytes.

    Raises:
        BadImage: a file is longer or shorter than it was when it was described.
    """
    written = 0
    for entry in layer.entries:
        for piece in _entry(entry, layer.mtime):
            written += len(piece)
            yield piece
    end = written + 2 * BLOCK
    yield bytes(2 * BLOCK + -end % RECORD)


def _entry(entry: Entry, mtime: int) -> Iterator[bytes]:
    name = entry.path + ("/" if entry.kind is Kind.FOLDER else "")
    size = entry.content.size_bytes
    if records := _pax(entry, name, size):
        yield _header("././@PaxHeader", b"x", mode=0o644, size=len(records), mtime=mtime)
        yield _padded(records)
    yield _header(name, _TYPES[entry.kind], mode=entry.mode, size=size, mtime=mtime, target=entry.target)
    read = 0
    for chunk in entry.content.chunks():
        read += len(chunk)
        if read > size:
            break
        yield chunk
    if read != size:
        raise BadImage(f"{entry.path} changed while it was packed", hint="run the same command again")
    yield bytes(-size % BLOCK)


def _pax(entry: Entry, name: str, size: int) -> bytes:
    """Records of what the ustar header cannot say; empty where it can say all."""
    records = {}
    if _split(name) is None or not name.isascii():
        records["path"] = name
    if len(entry.target.encode()) > LINK or not entry.target.isascii():
        records["linkpath"] = entry.target
    if size > OCTAL_MAX:
        records["size"] = str(size)
    return b"".join(_record(key, value) for key, value in sorted(records.items()))


def _record(key: str, value: str) -> bytes:
    """`LENGTH key=value`, where LENGTH counts its own digits too."""
    rest = f" {key}={value}\n".encode()
    length = len(rest)
    while length != len(rest) + len(str(length)):
        length = len(rest) + len(str(length))
    return str(length).encode() + rest


def _header(name: str, kind: bytes, *, mode: int, size: int, mtime: int, target: str = "") -> bytes:
    prefix, short = _split(name) or (b"", name.encode()[:NAME])
    fields = [
        short.ljust(NAME, b"\0"),
        _octal(mode, 8),
        _octal(0, 8),
        _octal(0, 8),
        _octal(min(size, OCTAL_MAX) if kind != b"x" else size, 12),
        _octal(mtime, 12),
        b" " * 8,
        kind,
        target.encode()[:LINK].ljust(LINK, b"\0"),
        b"ustar\x0000",
        bytes(32),
        bytes(32),
        _octal(0, 8),
        _octal(0, 8),
        prefix.ljust(PREFIX, b"\0"),
        bytes(12),
    ]
    block = b"".join(fields)
    checksum = b"%06o\0 " % sum(block)
    return block[:148] + checksum + block[156:]


def _octal(number: int, width: int) -> bytes:
    return b"%0*o\0" % (width - 1, number)


def _split(name: str) -> tuple[bytes, bytes] | None:
    """Prefix and name, where a ustar header can hold them; None where it cannot."""
    encoded = name.encode()
    if len(encoded) <= NAME:
        return b"", encoded
    cut = encoded.rfind(b"/", 0, min(len(encoded) - 1, PREFIX + 1))
    if cut <= 0 or len(encoded) - cut - 1 > NAME:
        return None
    return encoded[:cut], encoded[cut + 1 :]


def _padded(content: bytes) -> bytes:
    return content + bytes(-len(content) % BLOCK)
