"""A process that keeps the store busy until it is killed, or holds one of its locks: writing.py VERB FOLDER.

Prints a line when it has begun.
"""

import itertools
import sys
import time
from pathlib import Path

from edgewise.store import lock
from edgewise.store.blobs import digest_of
from edgewise.store.steps import Store

BLOBS = tuple(bytes([number]) * (1000 * number) for number in range(1, 33))


def _say_begun() -> None:
    sys.stdout.write("begun\n")
    sys.stdout.flush()


def record_for_ever(folder: Path) -> None:
    """Writes records that name a blob and carry the digest of their own payload."""
    store = Store(folder)
    for number in itertools.count():
        payload = f"{number} " * 2000
        blob = store.blobs.put(payload.encode())
        record = {"payload": payload, "digest": digest_of(payload.encode())}
        store.record(f"step-{number % 5}", record, blobs=(blob,))
        if number == 0:
            _say_begun()


def put_all(folder: Path) -> None:
    """Puts the same blobs as every other such process."""
    for content in BLOBS:
        Store(folder).blobs.put(content)
    _say_begun()


def hold(folder: Path) -> None:
    """Holds the lock `plan`."""
    with lock.alone(folder, "plan"):
        _say_begun()
        time.sleep(60)


if __name__ == "__main__":
    {"record": record_for_ever, "put": put_all, "hold": hold}[sys.argv[1]](Path(sys.argv[2]))
