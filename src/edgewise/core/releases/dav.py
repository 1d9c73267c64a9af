"""A tree on a web server that takes PUT (WebDAV: nginx's dav module, Apache's mod_dav, rclone).

Conditions (If-Match, If-None-Match) are sent, and most servers keep them; nginx's does not, which is found out before
the first write. Then a file is only created after a look whether it is there, which two who publish in the same instant
can both do: so such a server is refused unless it is said that there is one publisher alone (`EDGEWISE_WEB_ALONE=1`).
The same holds for one without strong entity tags (RFC 9110, section 8.8.3): If-Match never fits a weak one.
"""

import contextlib
import os
import time
from collections.abc import Iterator, Mapping
from urllib.parse import quote

import httpx

from edgewise.core.releases.asked import FIRST_WAIT_S, ask, refused
from edgewise.core.releases.web import meanwhile
from edgewise.errors import NotAllowed, TreeUnreachable

TIMEOUT_S = 30.0
PRECONDITION_FAILED = 412
CONFLICT = 409
"""What RFC 4918 wants of a PUT into a folder that is not there."""
ALREADY_THERE = 405
"""What MKCOL says of a folder that is."""
TAG_TRIES = 5
"""Apache's tags are weak for a second after a file was written."""
PROBE, PROBES = "edgewise-conditions.json", 3
"""Another publisher may take the probe away between our two writes: such a one is made again."""
ALONE = "EDGEWISE_WEB_ALONE"


class WebRoot:
    """The tree below `place`, which takes PUT.

    Args:
        user, password: for HTTP's basic authorisation; "" where none is asked for.
        alone: nobody else ever publishes there; None: as the environment says.
    """

    def __init__(
        self,
        place: str,
        user: str = "",
        password: str = "",
        *,
        alone: bool | None = None,
        wait_s: float = FIRST_WAIT_S,
    ) -> None:
        self._base, self._wait_s = place.rstrip("/"), wait_s
        self._client = httpx.Client(timeout=TIMEOUT_S, auth=(user, password) if user else None)
        self._alone = os.environ.get(ALONE) == "1" if alone is None else alone
        self._tags: dict[str, tuple[bytes, str]] = {}
        self._conditions: bool | None = None

    def __enter__(self) -> "WebRoot":
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def __str__(self) -> str:
        return self._base

    def read(self, path: str) -> bytes | None:
        """See `Web`."""
        answer = self._ask("GET", path, {"Cache-Control": "no-cache"})
        if answer.status_code == httpx.codes.NOT_FOUND:
            return None
        if answer.status_code != httpx.codes.OK:
            raise refused(answer, f"{self}/{path}")
        self._tags[path] = (answer.content, answer.headers.get("ETag", ""))
        return answer.content

    def create(self, path: str, content: bytes) -> bool:
        """See `Web`."""
        if not self._keeps_conditions():
            there = self.read(path)
            if there is not None:
                return there == content
        answer = self._put(path, {"If-None-Match": "*"}, content)
        if answer.status_code == PRECONDITION_FAILED:
            return self.read(path) == content
        if not answer.is_success:
            raise refused(answer, f"{self}/{path}")
        return True

    def swap(self, path: str, old: bytes | None, new: bytes) -> None:
        """See `Web`."""
        if not self._keeps_conditions() and self.read(path) != old:
            raise meanwhile(self)
        tag = "" if old is None else self._tag(path, old)
        conditions = {"If-None-Match": "*"} if old is None else {"If-Match": tag} if tag else {}
        answer = self._put(path, conditions, new)
        if answer.status_code == PRECONDITION_FAILED:
            if self.read(path) != new:
                raise meanwhile(self)
        elif not answer.is_success:
            raise refused(answer, f"{self}/{path}")

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """See `Web`. Conditions decide."""
        yield

    def _keeps_conditions(self) -> bool:
        """Whether a second PUT with `If-None-Match: *` is refused.

        Raises:
            TreeUnreachable: it is not, and nobody said that there is one publisher alone.
        """
        if self._conditions is None:
            self._conditions = any(self._refuses_what_is_there() for _ in range(PROBES))
        if not self._conditions and not self._alone:
            raise TreeUnreachable(
                f"{self} does not understand conditional writes (If-None-Match), so that two who publish would mix",
                hint=f"set {ALONE}=1 where nobody else ever publishes there",
            )
        return self._conditions

    def _refuses_what_is_there(self) -> bool:
        """Whether the second of two equal writes is refused; what was written for it is taken away again."""
        answers = [self._put(PROBE, {"If-None-Match": "*"}, b"{}") for _ in range(2)]
        if not answers[-1].is_success and answers[-1].status_code != PRECONDITION_FAILED:
            raise refused(answers[-1], f"PUT to {self}")
        with contextlib.suppress(NotAllowed, TreeUnreachable):  # it stays where deleting is not granted
            self._ask("DELETE", PROBE, {})
        return answers[-1].status_code == PRECONDITION_FAILED

    def _tag(self, path: str, old: bytes) -> str:
        """The strong tag of `path`, which is `old`; "" where there is none and one publisher alone.

        Raises:
            PublishedMeanwhile: it is another by now.
            TreeUnreachable: there is no strong tag, and there may be other publishers.
        """
        for number in range(TAG_TRIES):
            if number:
                time.sleep(self._wait_s)
                self.read(path)
            known, tag = self._tags.get(path, (None, ""))
            if known != old:
                raise meanwhile(self)
            if tag and not tag.startswith("W/"):
                return tag
            if self._alone:
                return ""
        raise TreeUnreachable(
            f"{self} has no strong ETag for {path}, so that two who publish would mix",
            hint=f"let the server make strong ones, or set {ALONE}=1 where nobody else ever publishes there",
        )

    def _put(self, path: str, conditions: Mapping[str, str], content: bytes) -> httpx.Response:
        """Write `path`; folders that the server wants first are made."""
        answer = self._ask("PUT", path, conditions, content)
        if answer.status_code != CONFLICT:
            return answer
        parents = [path[:at] for at, letter in enumerate(path) if letter == "/"]
        for folder in ("", *parents):
            made = self._ask("MKCOL", f"{folder}/" if folder else "", {})
            if not made.is_success and made.status_code != ALREADY_THERE:
                raise refused(made, f"{self}/{folder}")
        return self._ask("PUT", path, conditions, content)

    def _ask(self, method: str, path: str, headers: Mapping[str, str], content: bytes = b"") -> httpx.Response:
        kind = {"Content-Type": "application/json"} if method == "PUT" else {}
        url = f"{self._base}/{quote(path)}"
        return ask(self._client, method, url, lambda: {**kind, **headers}, content, wait_s=self._wait_s)
