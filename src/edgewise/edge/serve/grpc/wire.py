"""ModelInferRequest and ModelInferResponse on the wire, with the raw tensors kept out of protobuf's hands.

protobuf would copy every raw tensor twice, and a message of millions of empty parts would become gigabytes. So the
message's outermost fields are walked here: raw tensors become views into what was received, the rest is bounded, and
only that is parsed. On the way out the raw tensors are appended to what protobuf has written.
"""

from collections.abc import Sequence

from edgewise.edge.serve.faults import BadRequest, TooLarge
from edgewise.edge.serve.guard.limits import Limits

Piece = bytes | memoryview
RAW_INPUT_CONTENTS, RAW_OUTPUT_CONTENTS = 7, 6
_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5
_LONGEST_VARINT = 10


def split(content: bytes, limits: Limits) -> tuple[bytes, list[memoryview]]:
    """The request without its raw tensors, and those.

    Raises:
        BadRequest: the message is broken. TooLarge: it has too many parts, or is too large without its raw tensors.
    """
    view = memoryview(content)
    raw: list[memoryview] = []
    rest: list[memoryview] = []
    at, kept_from, end, parts, most = 0, 0, len(content), 0, 4 * limits.tensors
    try:
        while at < end:
            begin = at
            tag, at = _varint(content, at)
            kind = tag & 7
            if kind == _LENGTH:
                size, at = _varint(content, at)
                at += size
            elif kind == _VARINT:
                _, at = _varint(content, at)
            elif kind in (_FIXED64, _FIXED32):
                at += 8 if kind == _FIXED64 else 4
            else:
                raise BadRequest("this is no ModelInferRequest")
            if at > end:
                raise BadRequest("the message ends too early")
            parts += 1
            if parts > most:
                raise TooLarge(f"the message has more than {most} parts")
            if kind == _LENGTH and tag >> 3 == RAW_INPUT_CONTENTS:
                raw.append(view[at - size : at])
                rest.append(view[kept_from:begin])
                kept_from = at
    except IndexError as error:
        raise BadRequest("the message ends too early") from error
    rest.append(view[kept_from:])
    head = b"".join(rest)
    if len(head) > limits.json_bytes:
        raise TooLarge(f"the message has {len(head)} bytes beside raw tensors, more than {limits.json_bytes}")
    return head, raw


def joined(message: bytes, raw: Sequence[Piece]) -> bytes:
    """A written ModelInferResponse with its raw tensors."""
    pieces: list[Piece] = [message]
    for one in raw:
        pieces += (length_delimited(RAW_OUTPUT_CONTENTS, len(one)), one)
    return b"".join(pieces)


def length_delimited(number: int, size_bytes: int) -> bytes:
    """What stands before a field of that number and size."""
    written = bytearray((number << 3 | _LENGTH,))
    while size_bytes > 0x7F:
        written.append(size_bytes & 0x7F | 0x80)
        size_bytes >>= 7
    written.append(size_bytes)
    return bytes(written)


def _varint(content: bytes, at: int) -> tuple[int, int]:
    byte = content[at]
    if byte < 0x80:
        return byte, at + 1
    value, shift = 0, 0
    for _ in range(_LONGEST_VARINT):
        byte = content[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
    raise BadRequest("the message is broken")
