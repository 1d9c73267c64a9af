"""How a tree of releases is read: from a web server or a folder, bounded, and without a body where nothing is new.

A poll asks for the next root (404) and for timestamp.json with the entity tag of last time (304). So polling costs a
web server two lookups, and the link a few hundred bytes; nothing that trust depends on is taken from either answer.
"""

import contextlib
import json
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

import httpx
from tuf.api.exceptions import DownloadError, DownloadHTTPError, SlowRetrievalError
from tuf.ngclient import FetcherInterface

from edgewise.store import atomic

CONNECT_S, READ_S, WHOLE_S = 15.0, 30.0, 300.0
CHUNK_BYTES = 1 << 16
NOT_FOUND, NOT_MODIFIED = 404, 304
KEPT = "timestamp.tag.json"


class Fetch(FetcherInterface):
    """Reads `http://`, `https://` and `file://`, over one connection that is kept until `close`.

    Args:
        kept: folder where the last timestamp is remembered with its entity tag; None: every poll transfers it.
        client: of another maker, in tests.
        whole_s: no file may take longer, however it trickles.
    """

    def __init__(
        self, *, kept: Path | None = None, client: httpx.Client | None = None, whole_s: float = WHOLE_S
    ) -> None:
        self._kept = kept
        self._whole_s = whole_s
        self._client = client

    def close(self) -> None:
        """Let go of the connection."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def _fetch(self, url: str) -> Iterator[bytes]:
        if urlsplit(url).scheme == "file":
            return _from_file(url)
        if self._kept is not None and url.endswith("/timestamp.json"):
            return self._asked_anew(url, self._kept / KEPT)
        return self._from_web(url, {})

    def _from_web(self, url: str, headers: dict[str, str]) -> Iterator[bytes]:
        began = time.monotonic()
        if self._client is None:
            limits = httpx.Timeout(READ_S, connect=CONNECT_S)
            # Few headers, for they are most of what a poll that finds nothing new sends.
            self._client = httpx.Client(timeout=limits, headers={"User-Agent": "edgewise"})
            for needless in ("Accept", "Accept-Encoding"):
                self._client.headers.pop(needless, None)
        try:
            with self._client.stream("GET", url, headers=headers) as response:
                if response.status_code != httpx.codes.OK:
                    raise DownloadHTTPError(f"{url} answers {response.status_code}", response.status_code)
                self._answered = response.headers.get("ETag", "")
                for piece in response.iter_raw():  # as they come: chunks of a size would wait for what trickles
                    if time.monotonic() - began > self._whole_s:
                        raise SlowRetrievalError(f"{url} has not come within {self._whole_s:g} s")
                    yield piece
        except httpx.HTTPError as error:  # ngclient explains only what fails before the first byte
            raise DownloadError(f"{url} cannot be read: {error}") from error

    def _asked_anew(self, url: str, kept: Path) -> Iterator[bytes]:
        """The timestamp, or what it was last time where the server says that it is the same."""
        tag, content = _remembered(kept, url)
        pieces: list[bytes] = []
        try:
            for piece in self._from_web(url, {"If-None-Match": tag} if tag else {}):
                pieces.append(piece)
                yield piece
        except DownloadHTTPError as error:
            if error.status_code != NOT_MODIFIED or not tag:
                raise
            yield content
            return
        if self._answered:
            _remember(kept, url, self._answered, b"".join(pieces))


def _remembered(kept: Path, url: str) -> tuple[str, bytes]:
    try:
        found = json.loads(kept.read_bytes())
        return (str(found["tag"]), str(found["content"]).encode()) if found["url"] == url else ("", b"")
    except (OSError, ValueError, KeyError, TypeError):
        return "", b""


def _remember(kept: Path, url: str, tag: str, content: bytes) -> None:
    with contextlib.suppress(UnicodeDecodeError):  # no metadata: ngclient will say so
        atomic.write(kept, json.dumps({"url": url, "tag": tag, "content": content.decode()}).encode())


def _from_file(url: str) -> Iterator[bytes]:
    path = Path(unquote(urlsplit(url).path))
    try:
        with path.open("rb") as file:
            while piece := file.read(CHUNK_BYTES):
                yield piece
    except (FileNotFoundError, NotADirectoryError) as error:
        raise DownloadHTTPError(f"{path} is not there", NOT_FOUND) from error
    except OSError as error:
        raise DownloadError(f"{path} cannot be read: {error.strerror}") from error
