"""UNIX sockets at paths of any length: unix(7) grants an address 107 bytes, and a device's folders may be deeper."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

LONGEST_BYTES = 107


@contextlib.contextmanager
def address(path: Path | str) -> Iterator[str]:
    """What `bind` and `connect` are told for a socket at `path`, as long as the block lasts.

    A path that is too long is named by a descriptor of its folder, which must be there.

    Raises:
        OSError: the folder is not there.
    """
    if len(os.fsencode(path)) <= LONGEST_BYTES:
        yield str(path)
        return
    folder = os.open(Path(path).parent, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{Path(path).name}"
    finally:
        os.close(folder)
