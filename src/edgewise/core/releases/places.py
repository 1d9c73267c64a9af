"""From what a person writes to where a tree lies: `./releases`, `s3://bucket/prefix`, `https://host/path`."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from edgewise.core.releases.bucket import Bucket, Credentials
from edgewise.core.releases.dav import WebRoot
from edgewise.core.releases.web import Folder, Web


@contextlib.contextmanager
def opened(place: str) -> Iterator[Web]:
    """The tree at `place`; its connections are closed when the block ends.

    Raises:
        NotAllowed: a bucket, and no credentials in the environment.
    """
    if place.startswith("s3://"):
        with Bucket(place, Credentials.of(os.environ), endpoint=os.environ.get("AWS_ENDPOINT_URL", "")) as bucket:
            yield bucket
    elif place.startswith(("http://", "https://")):
        with WebRoot(
            place, os.environ.get("EDGEWISE_WEB_USER", ""), os.environ.get("EDGEWISE_WEB_PASSWORD", "")
        ) as web:
            yield web
    else:
        yield Folder(Path(place.removeprefix("file://")).expanduser())
