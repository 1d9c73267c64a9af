"""The hub, asked over HTTP: one door for verbs, with the same refusals as at home."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import httpx

from edgewise.errors import (
    BadInput,
    Conflict,
    EdgewiseError,
    HubRefused,
    HubUnreachable,
    NotFound,
    NotPermitted,
    TokenRefused,
)

PATIENCE_S = 30.0
_KINDS: Mapping[int, type[EdgewiseError]] = {
    400: BadInput,
    401: TokenRefused,
    403: NotPermitted,
    404: NotFound,
    409: Conflict,
}


def ask(
    address: str,
    token: str,
    method: str,
    path: str,
    values: Mapping[str, str],
    body: Mapping[str, Any] | bytes | None = None,
) -> Any:
    """What the hub at `address` answers to `method path`, as JSON. `path` is as the table of calls has it.

    `body` is a JSON document, or bytes that are sent as they are.

    Raises:
        HubUnreachable: it does not answer.
        EdgewiseError: it refuses; of the kind that it would be here.
    """
    inside = {name: quote(value, safe="") for name, value in values.items() if f"{{{name}}}" in path}
    query = {name: value for name, value in values.items() if name not in inside and value}
    heads = {"Authorization": f"Bearer {token}"} if token else {}
    url = f"{address.rstrip('/')}{path.format(**inside)}"
    try:
        content, document = (body, None) if isinstance(body, bytes) else (None, body)
        answer = httpx.request(
            method, url, params=query, content=content, json=document, headers=heads, timeout=PATIENCE_S
        )
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise HubUnreachable(
            f"the hub at {address} does not answer: {error}", hint="check --hub, or leave it out where the database is"
        ) from error
    if not answer.is_success:
        raise _refusal(answer)
    if answer.status_code == 204:
        return None
    try:
        return answer.json()
    except ValueError as error:
        raise HubRefused(f"what answers at {address} is no hub", hint="check --hub") from error


def content(address: str, token: str, digest: str) -> bytes:
    """The bytes of an input that the hub at `address` has.

    Raises:
        HubUnreachable: it does not answer.
        EdgewiseError: it refuses.
    """
    heads = {"Authorization": f"Bearer {token}"} if token else {}
    url = f"{address.rstrip('/')}/api/v1/inputs/{quote(digest, safe='')}"
    try:
        answer = httpx.get(url, headers=heads, timeout=PATIENCE_S)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise HubUnreachable(f"the hub at {address} does not answer: {error}", hint="check --hub") from error
    if not answer.is_success:
        raise _refusal(answer)
    return answer.content


def _refusal(answer: httpx.Response) -> EdgewiseError:
    try:
        said = answer.json()
        message, hint = str(said["error"]), str(said.get("hint", ""))
    except (ValueError, KeyError, TypeError, AttributeError):
        message, hint = f"the hub answers {answer.status_code}", "check --hub"
    if answer.status_code == 401 and "EDGEWISE_HUB_TOKEN" not in hint:
        hint = "set EDGEWISE_HUB_TOKEN to a token of the hub"
    return _KINDS.get(answer.status_code, HubRefused)(message, hint=hint)
