"""Text from outside made fit for a page: what tools wrote, and names that people chose. Pure."""

import re
from html import escape

# Colours and cursor movements of terminals; other control characters; marks that turn text around.
_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff\u202a-\u202e\u2066-\u2069]")


def clean(text: str) -> str:
    """`text` without what a page cannot show; each such character becomes U+FFFD."""
    return _CONTROL.sub("\ufffd", text)


def clean_log(text: str) -> str:
    """A log as a terminal would have left it: no colours, of a rewritten line the last state."""
    lines = _ANSI.sub("", text).replace("\r\n", "\n").split("\n")
    return "\n".join(clean(line.rstrip("\r").rpartition("\r")[2].rstrip()) for line in lines).strip("\n")


def page_bytes(text: str) -> int:
    """How many bytes `text` takes in a page, markup escaped."""
    return len(escape(text).encode("utf-8", "replace"))


def newest(text: str, room: int) -> tuple[str, int]:
    """The last whole lines of `text` that fit `room` bytes of a page, and how many lines were left out.

    A single line that is longer than that keeps its own end.
    """
    lines = text.split("\n")
    kept: list[str] = []
    for line in reversed(lines):
        room -= page_bytes(line) + 1
        if room < 0:
            break
        kept.append(line)
    if not kept and lines[-1]:
        room += page_bytes(lines[-1])
        tail = lines[-1][-max(0, room) :]
        while tail and page_bytes(tail) > room:
            tail = tail[len(tail) // 8 + 1 :]
        kept.append("…" + tail)
    return "\n".join(reversed(kept)), len(lines) - len(kept)
