"""One HTTP request as it was read, and what its head must satisfy beyond what the parser holds.

llhttp refuses the forms that smuggle requests past a proxy: Content-Length with Transfer-Encoding, or twice; bad
chunks; bare CR or LF; folded headers; spaces before the colon. What it leaves to us stands here.
"""

from collections.abc import Mapping

from edgewise.edge.serve.guard.limits import Limits
from edgewise.edge.serve.http.answers import Refusal

JSON_SIZE, TIMEOUT_MS = b"inference-header-content-length", b"x-request-timeout-ms"
KEPT_HEADERS = frozenset(
    (
        b"host",
        b"accept",
        b"content-length",
        b"transfer-encoding",
        b"content-encoding",
        b"expect",
        b"authorization",
        JSON_SIZE,
        TIMEOUT_MS,
        b"traceparent",
    )
)
"""Only these are looked at; each may come once."""
UNKNOWN_SIZE = -1
"""A chunked body says its size at its end."""
_LONGEST_NUMBER = 18


class Message:
    """A request whose head, or all of it, has been read.

    Attributes:
        size_bytes: of the body as it is sent, or `UNKNOWN_SIZE`.
        reserved_bytes: taken from what all bodies may have together.
        refused: why it is not looked at any further.
        last: the connection ends after its answer.
        json_size: bytes of JSON before the binary tensors; None where all is JSON.
        timeout_ms: how long the client waits, None where it does not say.
    """

    __slots__ = (
        "body",
        "headers",
        "json_size",
        "last",
        "method",
        "refused",
        "reserved_bytes",
        "size_bytes",
        "target",
        "timeout_ms",
    )

    def __init__(self) -> None:
        self.method = b""
        self.target = b""
        self.headers: dict[bytes, bytes] = {}
        self.body: bytes | memoryview = b""
        self.size_bytes = 0
        self.reserved_bytes = 0
        self.refused: Refusal | None = None
        self.last = False
        self.json_size: int | None = None
        self.timeout_ms: int | None = None

    @property
    def authorization(self) -> str:
        """What the client says about itself."""
        return self.headers.get(b"authorization", b"").decode("latin-1")

    def again(self, body: bytes | memoryview) -> "Message":
        """A request with the same head."""
        made = Message.__new__(Message)
        made.method, made.target, made.headers = self.method, self.target, self.headers
        made.body, made.size_bytes, made.reserved_bytes = body, self.size_bytes, 0
        made.refused, made.last = None, False
        made.json_size, made.timeout_ms = self.json_size, self.timeout_ms
        return made


def check(message: Message, version: str, limits: Limits) -> None:
    """Find the size of the body, and refuse what cannot be served.

    Raises:
        Refusal: with the status that HTTP has for it.
    """
    headers = message.headers
    if version not in ("1.1", "1.0"):
        raise Refusal(505, "HTTP/1.1 is spoken here")
    if version == "1.1" and b"host" not in headers:
        raise Refusal(400, "there is no Host header")
    if message.method == b"CONNECT":
        raise Refusal(405, "nothing is tunnelled here")
    coding = headers.get(b"transfer-encoding")
    if coding is not None:
        if version == "1.0" or coding.lower() != b"chunked":
            raise Refusal(501, "the only transfer encoding is chunked, in HTTP/1.1")
        message.size_bytes = UNKNOWN_SIZE
    elif b"content-length" in headers:
        message.size_bytes = int(headers[b"content-length"])
        if message.size_bytes > limits.body_bytes:
            raise too_large(limits)
    if headers.get(b"expect", b"100-continue").lower() != b"100-continue":
        raise Refusal(417, "nothing but 100-continue can be expected")
    message.json_size = number(headers, JSON_SIZE)
    message.timeout_ms = number(headers, TIMEOUT_MS)


def too_large(limits: Limits) -> Refusal:
    """The refusal of a body beyond the limit."""
    return Refusal(413, f"the body has more than {limits.body_bytes} bytes")


def number(headers: Mapping[bytes, bytes], name: bytes) -> int | None:
    """The whole number in a header, None where it is not there.

    Raises:
        Refusal: it is none.
    """
    text = headers.get(name)
    if text is None:
        return None
    if not text.isdigit() or len(text) > _LONGEST_NUMBER:
        raise Refusal(400, f"{name.decode()} is no whole number")
    return int(text)
