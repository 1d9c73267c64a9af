"""The one door to a registry: requests that are authorised, repeated where that helps, and explained where it does not.

Plain HTTP only to this machine itself, or where it was asked for. What is secret goes to the registry and to the
token service that it names, over TLS unless the registry itself is plain, and never along a redirect to another host.
Certificates are checked against the system's own, and those in /etc/containers/certs.d/HOST/*.crt.
"""

import contextlib
import ipaddress
import json
import os
import random
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import certifi
import httpx

from edgewise import __version__
from edgewise.errors import (
    BadConfiguration,
    EdgewiseError,
    NotAllowed,
    NotFound,
    RateLimited,
    RegistryRefused,
    RegistryUnreachable,
)
from edgewise.store.oci import retry
from edgewise.store.oci.auth import DOCKER_HUB, Challenge, Credentials, challenges

HUB_HOST = "registry-1.docker.io"
CERTIFICATES = Path("/etc/containers/certs.d")
TIMEOUT = httpx.Timeout(30.0, connect=10.0)
MAX_ERROR_BYTES = 64 << 10
MAX_TOKEN_BYTES = 1 << 20
MAX_REDIRECTS = 5
CONNECTIONS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """What time and chance are, so that tests need not wait."""

    sleep: Callable[[float], None] = time.sleep
    chance: Callable[[], float] = random.random
    timeout: httpx.Timeout = field(default_factory=lambda: TIMEOUT)


class Transport:
    """Speaks to the registry at `host`. Safe to use from several threads.

    Args:
        plain_http: without TLS, wherever the host is; None: only where it is this machine.
        credentials: None for nobody.
    """

    def __init__(
        self,
        host: str,
        *,
        credentials: Credentials | None = None,
        plain_http: bool | None = None,
        timing: Timing | None = None,
    ) -> None:
        self.host = host
        plain = is_loopback(host) if plain_http is None else plain_http
        self.base = f"{'http' if plain else 'https'}://{HUB_HOST if host == DOCKER_HUB else host}"
        self.timing = timing or Timing()
        self._credentials = credentials
        self._authorization: dict[str, str] = {}
        self._lock = threading.Lock()
        self._client = httpx.Client(
            timeout=self.timing.timeout,
            verify=_trusted(host) if not plain else True,
            limits=httpx.Limits(max_connections=CONNECTIONS),
            headers={"User-Agent": f"edgewise/{__version__}", "Accept-Encoding": "identity"},
        )

    def close(self) -> None:
        """Give the connections back."""
        self._client.close()

    @contextlib.contextmanager
    def open(
        self,
        method: str,
        where: str,
        *,
        scope: str,
        what: str,
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
        accepted: tuple[int, ...] = (200,),
        repeatable: bool = True,
    ) -> Iterator[httpx.Response]:
        """The answer to a request, its body still to be read.

        Args:
            where: a path below the registry, or a whole address.
            scope: what the token must allow, as "repository:team/app:pull".
            what: what is asked for, for messages.
            accepted: statuses that are handed on; any other is raised as what it means.
            repeatable: False where twice is not the same as once; then only what did nothing is repeated.

        Raises:
            RegistryUnreachable, NotAllowed, RateLimited, RegistryRefused, NotFound: see `errors.py`.
        """
        failures = 0
        while True:
            waited: float | None = None
            try:
                response = self._authorised(method, urljoin(self.base, where), scope, dict(headers or {}), content)
            except httpx.TransportError as error:
                failures += 1
                passing = repeatable or isinstance(error, httpx.ConnectError)
                if failures >= retry.TRIES or not passing or "CERTIFICATE_VERIFY_FAILED" in str(error):
                    raise self.unreachable(error) from error
            else:
                with contextlib.closing(response):
                    if response.status_code in accepted:
                        yield response
                        return
                    failures += 1
                    waited = retry.asked_s(response.headers.get("Retry-After"), datetime.now(UTC))
                    statuses = retry.PASSING if repeatable else {httpx.codes.TOO_MANY_REQUESTS}
                    hopeless = response.status_code not in statuses or (waited or 0) > retry.PATIENCE_S
                    if hopeless or failures >= retry.TRIES:
                        raise self._refusal(response, what, waited)
            self.pause(failures, waited)

    def pause(self, failures: int, asked_s: float | None = None) -> None:
        """Wait before the next try."""
        self.timing.sleep(retry.pause_s(failures, asked_s, self.timing.chance()))

    def unreachable(self, error: Exception | str) -> RegistryUnreachable:
        """What `error` means to a person."""
        reason = str(error) or type(error).__name__
        hint = "check the network and the host's name; the same command goes on from here"
        if "SSL" in reason or "CERTIFICATE" in reason.upper():
            hint = f"put the registry's certificate into {CERTIFICATES / self.host}; or --plain-http if it has none"
        return RegistryUnreachable(f"the registry {self.host} cannot be reached: {reason}", hint=hint)

    def _authorised(
        self, method: str, url: str, scope: str, headers: dict[str, str], content: bytes | None
    ) -> httpx.Response:
        """The answer, after the challenge that the registry may have answered with first."""
        response = self._redirected(method, url, headers, content, scope)
        asked_by_registry = _origin(str(response.url)) == _origin(self.base)  # and not by where it sent us on to
        if response.status_code != httpx.codes.UNAUTHORIZED or not asked_by_registry:
            return response
        wanted = challenges(response.headers.get_list("WWW-Authenticate"))
        response.close()
        with self._lock:
            self._authorization.pop(scope, None)  # a token that has run out
            known = self._answer(wanted, scope)
            if known:
                self._authorization[scope] = known
        return self._redirected(method, url, headers, content, scope)

    def _redirected(
        self, method: str, url: str, headers: dict[str, str], content: bytes | None, scope: str
    ) -> httpx.Response:
        """The answer where redirects lead to; Authorization stays behind when the host changes."""
        for _ in range(MAX_REDIRECTS):
            known = self._authorization.get(scope)
            own = {"Authorization": known} if known and _origin(url) == _origin(self.base) else {}
            request = self._client.build_request(method, url, headers=headers | own, content=content)
            response = self._client.send(request, stream=True)
            if not response.has_redirect_location or method not in ("GET", "HEAD"):
                return response
            response.close()
            onward = urljoin(url, response.headers["Location"])
            self.check_onward(onward)
            url = onward
        raise RegistryRefused(f"the registry {self.host} redirects without end", hint="tell whoever runs it")

    def check_onward(self, url: str) -> None:
        """Refuse an address that the registry names, if following it would give up what TLS keeps."""
        scheme = urlsplit(url).scheme
        if scheme not in ("http", "https") or (scheme == "http" and self.base.startswith("https:")):
            raise RegistryRefused(f"the registry {self.host} sends us on to {url!r}", hint="tell whoever runs it")

    def _answer(self, wanted: list[Challenge], scope: str) -> str | None:
        """Value of Authorization that answers one of the challenges `wanted`."""
        for challenge in wanted:
            if challenge.scheme == "bearer" and challenge.realm:
                return "Bearer " + self._token(challenge, scope)
            if challenge.scheme == "basic" and self._credentials and self._credentials.user:
                return self._credentials.basic
        return None

    def _token(self, challenge: Challenge, scope: str) -> str:
        """A token for `scope` from the service that the challenge names."""
        self.check_onward(challenge.realm)
        scopes = list(dict.fromkeys([*scope.split(), *challenge.scope.split()]))
        known = self._credentials
        for failures in range(1, retry.TRIES + 1):
            try:
                if known and known.identity_token:
                    form = {"grant_type": "refresh_token", "refresh_token": known.identity_token}
                    form |= {"service": challenge.service, "scope": " ".join(scopes), "client_id": "edgewise"}
                    response = self._client.post(challenge.realm, data=form)
                else:
                    headers = {"Authorization": known.basic} if known else {}
                    pairs = {"service": [challenge.service] * bool(challenge.service), "scope": scopes}
                    response = self._client.get(challenge.realm, params=pairs, headers=headers)
            except httpx.TransportError as error:
                if failures == retry.TRIES:
                    raise self.unreachable(error) from error
                self.pause(failures)
                continue
            if response.status_code == httpx.codes.OK:
                return self._token_in(response)
            waited = retry.asked_s(response.headers.get("Retry-After"), datetime.now(UTC))
            passing = response.status_code in retry.PASSING and (waited or 0) <= retry.PATIENCE_S
            if failures == retry.TRIES or not passing:
                raise self._refusal(response, "a token", waited)
            self.pause(failures, waited)
        raise AssertionError("the last try returns or raises")

    def _token_in(self, response: httpx.Response) -> str:
        try:
            found = json.loads(response.content[:MAX_TOKEN_BYTES])
            token = found.get("token") or found.get("access_token")
        except (ValueError, AttributeError):
            token = None
        if not isinstance(token, str) or not token.isascii() or not token.isprintable():
            raise RegistryRefused(f"the token service of {self.host} gives no token", hint="tell whoever runs it")
        return token

    def _refusal(self, response: httpx.Response, what: str, waited: float | None) -> EdgewiseError:
        """What a status that was not accepted means."""
        said = _said(response)
        status = response.status_code
        whole = f"{what} at {self.host}: HTTP {status}{f', {said}' if said else ''}"
        match status:
            case 401:
                who = f"does not know {self._credentials.where}'s user" if self._credentials else "wants a login"
                return NotAllowed(f"the registry {who}: {whole}", hint=f"skopeo login {self.host}, or podman login")
            case 403:
                return NotAllowed(f"the registry does not allow {whole}", hint="ask whoever runs it for the right to")
            case 404:
                return NotFound(f"the registry has no {whole}", hint="check the name and the tag")
            case 429:
                when = f"after {waited:.0f} s" if waited else "later"
                return RateLimited(f"the registry has had enough of us: {whole}", hint=f"run the same command {when}")
            case _ if status >= 500 or status == 408:
                return RegistryUnreachable(f"the registry does not work: {whole}", hint="run the same command later")
        return RegistryRefused(f"the registry refuses {whole}", hint="tell whoever runs it")


def is_loopback(host: str) -> bool:
    """Whether `host`, with or without a port, can only be this machine."""
    name = urlsplit(f"//{host}").hostname or ""
    if name == "localhost":
        return True
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(name).is_loopback
    return False


def _origin(url: str) -> tuple[str, str, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname or "", parts.port


def _said(response: httpx.Response) -> str:
    """The registry's own words, cut to a line."""
    body = b""
    with contextlib.suppress(httpx.HTTPError, httpx.StreamError):
        if response.is_closed:
            body = response.content
        else:
            for piece in response.iter_raw():
                body += piece
                if len(body) > MAX_ERROR_BYTES:
                    break
    try:
        errors = json.loads(body)["errors"]
        texts = [f"{one['code']}: {one.get('message', '')}" for one in errors[:3]]
    except (ValueError, LookupError, TypeError, RecursionError):
        return ""
    return "; ".join(texts)[:300]


def _trusted(host: str) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if not context.cert_store_stats()["x509_ca"] and "SSL_CERT_FILE" not in os.environ:
        context.load_verify_locations(certifi.where())  # a slim image has no certificates of its own
    for path in sorted((CERTIFICATES / host).glob("*.crt")):
        try:
            context.load_verify_locations(path)
        except (OSError, ssl.SSLError) as error:
            raise BadConfiguration(f"{path} is no certificate: {error}", hint="it must be PEM") from None
    return context
