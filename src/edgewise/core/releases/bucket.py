"""A tree in an S3-compatible bucket: `s3://bucket/prefix`, requests signed by AWS Signature Version 4.

Two who publish at once are told apart by conditional writes: `If-None-Match: *` for what is new, `If-Match` for
timestamp.json (AWS since 2024, MinIO, Ceph, R2). A store that ignores conditions is found out before the first write
and refused. Signing: https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
"""

import contextlib
import hashlib
import hmac
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote, urlsplit

import httpx

from edgewise.core.releases.asked import FIRST_WAIT_S, ask, refused
from edgewise.core.releases.web import meanwhile
from edgewise.errors import BadReference, NotAllowed, TreeUnreachable

REGION = "us-east-1"
TIMEOUT_S = 30.0
CONFLICTS = (409, 412)
PROBE, PROBES = ".edgewise-conditions", 3
"""Another publisher may take the probe away between our two writes: such a one is made again."""
_AWS = "aws4_request"


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """Who asks, as AWS's variables say it."""

    key: str
    secret: str
    token: str = ""
    region: str = REGION

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> "Credentials":
        """From `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN` and `AWS_REGION`.

        Raises:
            NotAllowed: the first two are not both there.
        """
        key, secret = environment.get("AWS_ACCESS_KEY_ID", ""), environment.get("AWS_SECRET_ACCESS_KEY", "")
        if not key or not secret:
            raise NotAllowed("a bucket needs credentials", hint="set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
        region = environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION") or REGION
        return cls(key=key, secret=secret, token=environment.get("AWS_SESSION_TOKEN", ""), region=region)


class Bucket:
    """A prefix of a bucket. Path-style addresses, which every implementation takes.

    Args:
        place: `s3://bucket/prefix`.
        endpoint: `https://minio.example:9000`; "" for AWS in the region of `credentials`.
    """

    def __init__(
        self, place: str, credentials: Credentials, *, endpoint: str = "", wait_s: float = FIRST_WAIT_S
    ) -> None:
        parts = urlsplit(place)
        if parts.scheme != "s3" or not parts.netloc:
            raise BadReference(f"{place!r} names no bucket", hint="s3://bucket/prefix")
        self._place, self._credentials, self._wait_s = place, credentials, wait_s
        host = (endpoint or f"https://s3.{credentials.region}.amazonaws.com").rstrip("/")
        self._base = f"{host}/{parts.netloc}/{quote(parts.path.strip('/'))}".rstrip("/")
        self._client = httpx.Client(timeout=TIMEOUT_S)
        self._tags: dict[str, tuple[bytes, str]] = {}
        self._proven = False

    def __enter__(self) -> "Bucket":
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def __str__(self) -> str:
        return self._place

    def read(self, path: str) -> bytes | None:
        """See `Web`."""
        answer = self._ask("GET", path)
        if answer.status_code == httpx.codes.NOT_FOUND:
            return None
        if answer.status_code != httpx.codes.OK:
            raise refused(answer, f"{self}/{path}")
        self._tags[path] = (answer.content, answer.headers.get("ETag", ""))
        return answer.content

    def create(self, path: str, content: bytes) -> bool:
        """See `Web`."""
        self._prove()
        answer = self._ask("PUT", path, content, {"If-None-Match": "*"})
        if answer.status_code in CONFLICTS:  # ours from a try whose answer was lost, or another's
            return self.read(path) == content
        if not answer.is_success:
            raise refused(answer, f"{self}/{path}")
        return True

    def swap(self, path: str, old: bytes | None, new: bytes) -> None:
        """See `Web`."""
        self._prove()
        known, tag = self._tags.get(path, (None, ""))
        if old is not None and (known != old or not tag):
            raise meanwhile(self)
        answer = self._ask("PUT", path, new, {"If-None-Match": "*"} if old is None else {"If-Match": tag})
        if answer.status_code in (*CONFLICTS, httpx.codes.NOT_FOUND) and self.read(path) != new:
            raise meanwhile(self)
        if not answer.is_success and answer.status_code not in CONFLICTS:
            raise refused(answer, f"{self}/{path}")

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """See `Web`. A bucket knows no locks: conditions decide."""
        yield

    def _prove(self) -> None:
        """Make sure that the bucket keeps the promise of `create`: it must refuse to write what is there."""
        if self._proven:
            return
        if not any(self._refuses_what_is_there() for _ in range(PROBES)):
            raise TreeUnreachable(
                f"{self} does not understand conditional writes (If-None-Match), so that two who publish would mix",
                hint="publish to a folder, and copy that there: metadata and targets first, timestamp.json last",
            )
        self._proven = True

    def _refuses_what_is_there(self) -> bool:
        """Whether the second of two equal writes is refused; what was written for it is taken away again."""
        answers = [self._ask("PUT", PROBE, b"1", {"If-None-Match": "*"}) for _ in range(2)]
        with contextlib.suppress(NotAllowed, TreeUnreachable):  # it stays where deleting is not granted
            self._ask("DELETE", PROBE)
        return answers[-1].status_code in CONFLICTS

    def _ask(
        self, method: str, path: str, content: bytes = b"", conditions: Mapping[str, str] | None = None
    ) -> httpx.Response:
        url = f"{self._base}/{quote(path)}"
        kinds = {"Content-Type": "application/json", "Cache-Control": _cached(path)} if method == "PUT" else {}

        def headers() -> Mapping[str, str]:
            given = {**kinds, **(conditions or {})}
            return given | signature(method, url, given, content, self._credentials, datetime.now(UTC))

        return ask(self._client, method, url, headers, content, wait_s=self._wait_s)


def signature(
    method: str, url: str, headers: Mapping[str, str], content: bytes, who: Credentials, when: datetime
) -> dict[str, str]:
    """What Signature Version 4 adds to `headers`. Pure. `url` is quoted already, and has no query."""
    parts = urlsplit(url)
    stamp, day = when.strftime("%Y%m%dT%H%M%SZ"), when.strftime("%Y%m%d")
    hashed = hashlib.sha256(content).hexdigest()
    added = {"x-amz-date": stamp, "x-amz-content-sha256": hashed}
    added |= {"x-amz-security-token": who.token} if who.token else {}
    every = {name.lower(): " ".join(value.split()) for name, value in {**headers, **added}.items()}
    every["host"] = parts.netloc
    names = ";".join(sorted(every))
    lines = "".join(f"{name}:{every[name]}\n" for name in sorted(every))
    canonical = f"{method}\n{parts.path or '/'}\n{parts.query}\n{lines}\n{names}\n{hashed}"
    scope = f"{day}/{who.region}/s3/{_AWS}"
    text = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    key = f"AWS4{who.secret}".encode()
    for part in (day, who.region, "s3", _AWS):
        key = hmac.digest(key, part.encode(), "sha256")
    signed = hmac.digest(key, text.encode(), "sha256").hex()
    credential = f"Credential={who.key}/{scope}"
    return added | {"Authorization": f"AWS4-HMAC-SHA256 {credential}, SignedHeaders={names}, Signature={signed}"}


def _cached(path: str) -> str:
    """What never changes may be kept for ever; the timestamp is asked for anew."""
    return "no-cache" if path.endswith("/timestamp.json") else "public, max-age=31536000, immutable"
