"""Messages to the hub: signed, kept on the disk until the hub has acknowledged them, bounded.

Where there are more than `MOST`, the oldest reports go first, for a newer one says how the device is; cases only
after all reports but the newest, for each is a question to a person.
"""

import base64
import json
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edgewise.exchange import message, signing
from edgewise.exchange.message import Case, Message
from edgewise.store import atomic

MOST = 1000
BATCH = 100


def put(folder: Path, one: Message, key: Ed25519PrivateKey, *, most: int = MOST) -> int:
    """Keep `one` for sending; how many older messages had to go for it."""
    signed = signing.sign(message.written(one), key)
    document = {
        "device": signed.device,
        "payload": base64.b64encode(signed.payload).decode(),
        "signature": base64.b64encode(signed.signature).decode(),
    }
    kind = "case" if isinstance(one, Case) else "report"
    atomic.write(folder / f"{one.sequence:016d}.{kind}", json.dumps(document).encode())
    found = _all(folder)
    reports = [path for path in found if path.suffix == ".report"]
    cases = [path for path in found if path.suffix == ".case"]
    going = [*reports[:-1], *cases][: max(0, len(found) - most)]
    for path in going:
        atomic.remove(path)
    return len(going)


def waiting(folder: Path) -> list[Path]:
    """The oldest messages, as many as go into one batch."""
    return _all(folder)[:BATCH]


def newest(folder: Path) -> int:
    """The largest sequence that waits; -1 for none."""
    return max((int(path.stem) for path in _all(folder)), default=-1)


def read(path: Path) -> dict[str, Any]:
    """The fields of the signed message in `path`."""
    found = json.loads(path.read_bytes())
    return {
        "device": found["device"],
        "payload": base64.b64decode(found["payload"]),
        "signature": base64.b64decode(found["signature"]),
    }


def identifier(payload: bytes) -> str:
    """The id of the message."""
    return message.read(payload).id


def _all(folder: Path) -> list[Path]:
    try:
        found = [path for path in folder.iterdir() if path.suffix in (".report", ".case") and path.stem.isdigit()]
    except OSError:
        return []
    return sorted(found)
