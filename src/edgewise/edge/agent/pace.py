"""A cap on what a device fetches per second: a bucket that fills with time, and a place that is read through it."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

from edgewise.store.oci.documents import Descriptor
from edgewise.store.oci.place import Chunks, How, Moved, Place

BURST_S = 1.0
"""What was not used for so long may come at once."""


class Bucket:
    """`bytes_per_s` for all threads together.

    Args:
        clock_s, sleep: of the system, but in tests.
    """

    def __init__(
        self,
        bytes_per_s: float,
        *,
        clock_s: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._rate, self._clock_s, self._sleep = bytes_per_s, clock_s, sleep
        self._free_at_s = clock_s() - BURST_S
        self._lock = threading.Lock()

    def take(self, amount: int) -> None:
        """Wait until `amount` bytes more are granted; one piece may be larger than a burst."""
        with self._lock:
            now_s = self._clock_s()
            self._free_at_s = max(self._free_at_s, now_s - BURST_S) + amount / self._rate
            wait_s = self._free_at_s - now_s
        if wait_s > 0:
            self._sleep(wait_s)


class Slowed:
    """`source`, whose blobs come no faster than `bucket` grants."""

    def __init__(self, source: Place, bucket: Bucket) -> None:
        self._source, self._bucket = source, bucket

    def resolve(self, name: str) -> Descriptor:
        """See `Place`."""
        return self._source.resolve(name)

    def has(self, blob: Descriptor) -> bool:
        """See `Place`."""
        return self._source.has(blob)

    def fetch(self, blob: Descriptor, *, start: int = 0) -> Iterator[bytes]:
        """See `Place`. A piece is paid for after it came, so that the next one is not asked for too early."""
        for piece in self._source.fetch(blob, start=start):
            self._bucket.take(len(piece))
            yield piece

    def push(self, blob: Descriptor, chunks: Chunks, moved: Moved) -> How:
        """See `Place`."""
        return self._source.push(blob, chunks, moved)

    def tag(self, name: str, document: Descriptor) -> None:
        """See `Place`."""
        self._source.tag(name, document)

    def referrers(self, digest: str) -> tuple[Descriptor, ...]:
        """See `Place`."""
        return self._source.referrers(digest)

    def held(self) -> AbstractContextManager[None]:
        """See `Place`."""
        return self._source.held()
