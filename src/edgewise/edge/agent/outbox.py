"""Messages to the hub: signed, kept on the disk until the hub has acknowledged them, bounded in number and in bytes.

Where there is more than `MOST` or `MOST_BYTES`, the oldest reports go first, for a newer one says how the device is;
cases only after all reports but the newest, for each is a question to a person. Numbers are never given twice: the
largest that the hub has acknowledged is written down before its message is removed.
"""

import base64
import contextlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edgewise.errors import BadMessage
from edgewise.exchange import message, signing
from edgewise.exchange.message import Case, Message
from edgewise.exchange.signing import Signed
from edgewise.store import atomic

MOST, MOST_BYTES = 1000, 64 << 20
BATCH, BATCH_BYTES = 100, 4 << 20
ACKNOWLEDGED = "acknowledged"


def put(folder: Path, one: Message, key: Ed25519PrivateKey, *, most: int = MOST, most_bytes: int = MOST_BYTES) -> int:
    """Keep `one` for sending; how many older messages had to go for it."""
    signed = signing.sign(message.written(one), key)
    document = {
        "device": signed.device,
        "payload": base64.b64encode(signed.payload).decode(),
        "signature": base64.b64encode(signed.signature).decode(),
    }
    kind = "case" if isinstance(one, Case) else "report"
    newest = folder / f"{one.sequence:016d}.{kind}"
    atomic.write(newest, json.dumps(document).encode())
    found = _all(folder)
    reports = [path for path in found if path.suffix == ".report"]
    cases = [path for path in found if path.suffix == ".case"]
    sizes = {path: _size(path) for path in found}
    count, total = len(found), sum(sizes.values())
    gone = 0
    for path in [*reports[:-1], *(path for path in cases if path != newest)]:
        if count <= most and total <= most_bytes:
            break
        atomic.remove(path)
        gone, count, total = gone + 1, count - 1, total - sizes[path]
    return gone


def waiting(folder: Path, *, most_bytes: int = BATCH_BYTES) -> list[Path]:
    """The oldest messages, as many as go into one batch, and at least one."""
    chosen: list[Path] = []
    total = 0
    for path in _all(folder)[:BATCH]:
        total += _size(path)
        if chosen and total > most_bytes:
            break
        chosen.append(path)
    return chosen


def acknowledge(folder: Path, taken: Sequence[Path], *, known: int = -1) -> None:
    """Forget what the hub has taken.

    Args:
        known: the largest sequence that the hub has of this device; larger than ours where the device was set back.
    """
    newest = max([known, _mark(folder), *(int(path.stem) for path in taken)])
    if newest > _mark(folder):
        atomic.write(folder / ACKNOWLEDGED, str(newest).encode())
    for path in taken:
        atomic.remove(path)


def newest(folder: Path) -> int:
    """The largest sequence that was ever given or heard of; -1 for none."""
    return max([_mark(folder), *(int(path.stem) for path in _all(folder))])


def read(path: Path) -> Signed | None:
    """The signed message in `path`; None where the disk has damaged it."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError, BadMessage):
        found: dict[str, Any] = json.loads(path.read_bytes())
        payload = base64.b64decode(found["payload"], validate=True)
        identifier(payload)
        signature = base64.b64decode(found["signature"], validate=True)
        return Signed(device=str(found["device"]), payload=payload, signature=signature)
    return None


def identifier(payload: bytes) -> str:
    """The id of the message."""
    return message.read(payload).id


def _mark(folder: Path) -> int:
    try:
        return int((folder / ACKNOWLEDGED).read_bytes())
    except (OSError, ValueError):
        return -1


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _all(folder: Path) -> list[Path]:
    try:
        found = [path for path in folder.iterdir() if path.suffix in (".report", ".case") and path.stem.isdigit()]
    except OSError:
        return []
    return sorted(found)
