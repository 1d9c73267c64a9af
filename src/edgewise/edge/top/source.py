"""The door to a server's /metrics: HOST:PORT, a URL, or unix:PATH; TLS, a certificate of our own, a key.

What answers is not trusted: it is given so many bytes and so much time and no more, no compression, no redirection that
a key could follow. Proxies of the environment are not asked: what is watched is what stands at the address.
"""

import ssl
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from edgewise.edge.serve import addresses
from edgewise.edge.serve.guard import keys
from edgewise.edge.top import page
from edgewise.edge.top.figures import serves_models
from edgewise.errors import BadConfiguration, NoMetrics

PATH = "/metrics"
LIMIT_BYTES = 4 << 20
PATIENCE_S = 5.0
PLAIN = "text/plain; version=0.0.4"


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """How the server knows us, and we it.

    Attributes:
        key_file: the first key of it is sent.
        authority: certificates of authorities that are trusted in place of the system's, PEM.
        certificate, certificate_key: ours, for a server that wants one.
        unverified: take any certificate: for a socket that nobody else can reach.
    """

    key_file: Path | None = None
    authority: Path | None = None
    certificate: Path | None = None
    certificate_key: Path | None = None
    unverified: bool = False


class Gone(Exception):
    """The server does not answer, at this moment; says why."""


class Source:
    """A server's metrics; a context manager.

    Args:
        address: HOST:PORT, http://…, https://…, or unix:PATH.
        tls: speak TLS where the address does not say so itself.

    Raises:
        BadConfiguration: the address is none, or a file of `credentials` cannot be used.
    """

    def __init__(self, address: str, credentials: Credentials | None = None, *, tls: bool = False) -> None:
        given = credentials or Credentials()
        self.title, url, socket = _place(address, tls=tls or given.authority is not None)
        key = keys.first(given.key_file) if given.key_file else ""
        transport = httpx.HTTPTransport(verify=_context(given, url), uds=socket or None)
        heads = {"Accept": PLAIN, "Accept-Encoding": "identity"}
        heads |= {"Authorization": f"Bearer {key}"} if key else {}
        self._client = httpx.Client(transport=transport, headers=heads, timeout=PATIENCE_S)
        self._url = url

    def __enter__(self) -> "Source":
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def page(self) -> page.Page:
        """The metrics of this moment.

        Raises:
            Gone: nobody answers; it may come back.
            NoMetrics: what answers has no metrics of an inference server for us.
        """
        try:
            with self._client.stream("GET", self._url) as answer:
                self._refuse(answer)
                content = b"".join(self._pieces(answer))
        except httpx.HTTPError as error:
            raise Gone(_why(error)) from error
        try:
            found = page.read(content.decode())
        except ValueError as error:
            raise NoMetrics(f"what {self.title} answers is no page of metrics: {error}", hint=_HINT) from error
        if not serves_models(found):
            raise NoMetrics(f"the metrics of {self.title} are not those of an inference server", hint=_HINT)
        return found

    def _refuse(self, answer: httpx.Response) -> None:
        if answer.status_code in (502, 503, 504):
            raise Gone(f"it answers {answer.status_code}")
        if answer.status_code in (401, 403):
            raise NoMetrics(f"{self.title} wants a key that it knows", hint="--key-file FILE")
        if answer.status_code != 200:
            raise NoMetrics(f"{self.title} answers {answer.status_code} to {PATH}", hint=_HINT)
        if answer.headers.get("Content-Encoding", "identity") != "identity":
            raise NoMetrics(f"{self.title} answers compressed, which was not asked for", hint=_HINT)

    def _pieces(self, answer: httpx.Response) -> Iterator[bytes]:
        read, ends_s = 0, time.monotonic() + PATIENCE_S
        for piece in answer.iter_raw():
            read += len(piece)
            if read > LIMIT_BYTES:
                raise NoMetrics(f"{self.title} answers more than {LIMIT_BYTES >> 20} MiB of metrics", hint=_HINT)
            if time.monotonic() > ends_s:
                raise Gone(f"its answer takes longer than {PATIENCE_S:g} s")
            yield piece


_HINT = "name the REST address of `edgewise serve`, such as 127.0.0.1:8080 or unix:/run/edgewise.sock"


def _place(address: str, *, tls: bool) -> tuple[str, str, str]:
    """What people call the address, the URL that is asked, and the path of its socket, "" for TCP."""
    scheme = "https" if tls else "http"
    if "://" in address:
        try:
            url = urlsplit(address)
            port = f":{url.port}" if url.port is not None else ""
        except ValueError as error:
            raise BadConfiguration(f"{address!r} is no address: {error}", hint=_HINT) from error
        if url.scheme not in ("http", "https") or not url.hostname or url.username or url.query or url.fragment:
            raise BadConfiguration(f"{address!r} is no address of a server", hint=_HINT)
        host = f"[{url.hostname}]" if ":" in url.hostname else url.hostname
        path = url.path if url.path not in ("", "/") else PATH
        return f"{host}{port}", f"{url.scheme}://{host}{port}{path}", ""
    found = addresses.parse(address)
    if found.kind == "fd":
        raise BadConfiguration(f"{address!r} is a socket of another process", hint=_HINT)
    if found.kind == "unix":
        return address, f"{scheme}://localhost{PATH}", found.path
    return address, f"{scheme}://{address}{PATH}", ""


def _context(given: Credentials, url: str) -> ssl.SSLContext:
    """What TLS goes by."""
    if (given.certificate is None) != (given.certificate_key is None):
        raise BadConfiguration(
            "a certificate and its key belong together", hint="--certificate FILE --certificate-key FILE"
        )
    if url.startswith("http:") and (given.authority or given.certificate):
        raise BadConfiguration(f"{url} is asked without TLS, and certificates are named for it", hint="https://…")
    try:
        context = ssl.create_default_context(cafile=given.authority)
        if given.certificate is not None:
            context.load_cert_chain(given.certificate, given.certificate_key, password=_no_passphrase)
    except (OSError, ValueError) as error:
        raise BadConfiguration(
            f"the certificates cannot be used: {error}", hint="PEM files, the key without a passphrase"
        ) from error
    if given.unverified:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _no_passphrase() -> str:
    raise ValueError("the key is locked by a passphrase")


def _why(error: httpx.HTTPError) -> str:
    if isinstance(error, httpx.TimeoutException):
        return f"it says nothing for {PATIENCE_S:g} s"
    return str(error).strip() or type(error).__name__
