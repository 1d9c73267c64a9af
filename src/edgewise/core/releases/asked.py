"""One request to where a tree lies, repeated where that may help, and its failures as sentences."""

import time
from collections.abc import Callable, Mapping

import httpx

from edgewise.errors import NotAllowed, TreeUnreachable

TRIES = 4
FIRST_WAIT_S = 0.5
MAX_BYTES = 8 << 20
"""Of one answer. What is longer is no file of a tree, and is not read to its end."""
LATER = frozenset({408, 429, 500, 502, 503, 504})


def ask(
    client: httpx.Client,
    method: str,
    url: str,
    headers: Callable[[], Mapping[str, str]],
    content: bytes = b"",
    *,
    wait_s: float = FIRST_WAIT_S,
) -> httpx.Response:
    """The answer of `url`, whatever it is, unless it says that something is wrong with the server or with us.

    Args:
        headers: made anew for every try, since a signature has a time in it.

    Raises:
        NotAllowed: 401 or 403.
        TreeUnreachable: no answer, or trouble on the other side, `TRIES` times; or one longer than `MAX_BYTES`.
    """
    said = ""
    for attempt in range(TRIES):
        if attempt:
            time.sleep(wait_s * 2 ** (attempt - 1))
        try:
            answer = _bounded(client, method, url, dict(headers()), content)
        except httpx.HTTPError as error:
            said = str(error) or type(error).__name__
            continue
        if answer.status_code in (401, 403):
            raise NotAllowed(f"{url} answers {answer.status_code} to {method}", hint="look at the credentials")
        if answer.status_code not in LATER:
            return answer
        said = f"it answers {answer.status_code}"
    raise TreeUnreachable(f"{url} does not take {method}: {said}", hint="what is in force there is as it was")


def _bounded(client: httpx.Client, method: str, url: str, headers: dict[str, str], content: bytes) -> httpx.Response:
    body = bytearray()
    with client.stream(method, url, headers={"Accept-Encoding": "identity", **headers}, content=content) as answer:
        for part in answer.iter_raw():
            body += part
            if len(body) > MAX_BYTES:
                raise TreeUnreachable(
                    f"{url} answers {method} with more than {MAX_BYTES >> 20} MiB, which is no file of a tree",
                    hint="is this the tree's own address?",
                )
    heads = [(name, value) for name, value in answer.headers.multi_items() if name.lower() != "content-encoding"]
    return httpx.Response(answer.status_code, headers=heads, content=bytes(body), request=answer.request)


def refused(answer: httpx.Response, what: str) -> TreeUnreachable:
    """An answer that nothing can be done about."""
    return TreeUnreachable(f"{what} answers {answer.status_code}: {answer.text[:200]!r}")
