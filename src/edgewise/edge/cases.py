"""Escalated predictions, from the server to the agent: a folder with a file for each, which the agent collects.

The server writes where `EDGEWISE_CASES` says, and waits for nobody; the agent signs what it finds and brings it to the
hub. A file is JSON, written beside and renamed, named by the digest of its content; one that stands already is the same
case. There are at most `MOST`: whoever writes more is told that there is no room, for a model that doubts everything
must not fill the disk.
"""

import base64
import binascii
import contextlib
import hashlib
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from edgewise.errors import BadMessage
from edgewise.store import atomic

VARIABLE = "EDGEWISE_CASES"
MOST = 500
INPUT_BYTES = 512 << 10
"""Of an input that travels within its case; a larger one is left out, and its case says so by naming none."""
PREDICTION_BYTES, WHY_SIGNS, NAME_SIGNS = 256 << 10, 2000, 128
FILE_BYTES = 4 * INPUT_BYTES
SUFFIX = ".case.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Escalated:
    """A prediction that a person shall look at.

    Attributes:
        model: its name.
        why: one sentence: what made the server ask.
        prediction: JSON text of the outputs, as the protocol has them.
        confidence: 0 to 1, where there is one.
        media_type: of `input`, such as image/png, or application/x-npy.
        input: the input's bytes; empty where it is too large.
    """

    model: str
    why: str
    prediction: str
    confidence: float | None = None
    media_type: str = ""
    input: bytes = b""

    @property
    def digest(self) -> str:
        """Of the input; "" where there is none."""
        return f"sha256:{hashlib.sha256(self.input).hexdigest()}" if self.input else ""


def leave(folder: Path, case: Escalated, *, most: int = MOST) -> bool:
    """Leave `case` for the agent; False where there is no room, and it is lost.

    Raises:
        BadMessage: it is too long, or not a case.
        StoreFull, StoreUnusable: the folder cannot be written.
    """
    _check(case)
    sent = case.input if len(case.input) <= INPUT_BYTES else b""
    document = {
        "model": case.model,
        "why": case.why,
        "prediction": case.prediction,
        "confidence": case.confidence,
        "media_type": case.media_type if sent else "",
        "input": base64.b64encode(sent).decode(),
    }
    content = json.dumps(document, sort_keys=True, allow_nan=False).encode()
    path = folder / f"{hashlib.sha256(content).hexdigest()}{SUFFIX}"
    if len(_waiting(folder)) >= most and not path.exists():
        return False
    atomic.write(path, content)
    return True


def take(folder: Path, most: int) -> Iterator[tuple[str, Escalated]]:
    """What waits, at most `most`, each with the name under which `forget` knows it; what is no case is removed."""
    for path in _waiting(folder)[:most]:
        found = _read(path)
        if found is None:
            atomic.remove(path)
        else:
            yield path.name.removesuffix(SUFFIX), found


def forget(folder: Path, name: str) -> None:
    """The case called `name` is in good hands."""
    atomic.remove(folder / f"{name}{SUFFIX}")


def _waiting(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.name.endswith(SUFFIX) and path.is_file())
    except OSError:
        return []


def _read(path: Path) -> Escalated | None:
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError, binascii.Error, BadMessage):
        if path.stat().st_size > FILE_BYTES:
            return None
        content = path.read_bytes()
        if hashlib.sha256(content).hexdigest() != path.name.removesuffix(SUFFIX):
            return None
        found = json.loads(content)
        case = Escalated(**{**found, "input": base64.b64decode(found["input"], validate=True)})
        _check(case)
        return case
    return None


def _check(case: Escalated) -> None:
    texts = (case.model, case.why, case.prediction, case.media_type)
    confidence = case.confidence
    if (
        not all(isinstance(text, str) for text in texts)
        or not 0 < len(case.model) <= NAME_SIGNS
        or len(case.why) > WHY_SIGNS
        or len(case.prediction.encode()) > PREDICTION_BYTES
        or len(case.media_type) > NAME_SIGNS
    ):
        raise BadMessage("a case names a model and says why, and none of its texts is too long")
    if confidence is not None and not (isinstance(confidence, int | float) and math.isfinite(confidence)):
        raise BadMessage(f"a case's confidence is {confidence!r}")
