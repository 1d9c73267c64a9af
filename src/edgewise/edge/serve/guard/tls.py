"""TLS for both skins, mutual where an authority for clients is named. Files are read again on SIGHUP."""

import ssl
from dataclasses import dataclass
from pathlib import Path

from edgewise.errors import BadConfiguration


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsFiles:
    """PEM files: the server's chain and key, and the authority whose clients may come in (None: any client)."""

    certificate: Path
    key: Path
    client_authority: Path | None = None


def context(files: TlsFiles, *, protocol: str = "http/1.1") -> ssl.SSLContext:
    """TLS 1.2 or newer; `protocol` is offered (ALPN): http/1.1 or h2.

    Raises:
        BadConfiguration: a file cannot be read, or the key does not belong to the certificate.
    """
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    made.set_alpn_protocols([protocol])
    made.options |= ssl.OP_NO_RENEGOTIATION
    load(made, files)
    return made


def load(into: ssl.SSLContext, files: TlsFiles) -> None:
    """Use what is in the files now for every connection to come.

    Raises:
        BadConfiguration: as for `context`; then what was used before is used on.
    """
    trial = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    for target in (trial, into):
        try:
            target.load_cert_chain(files.certificate, files.key, password=_no_password)
            if files.client_authority:
                target.load_verify_locations(files.client_authority)
                target.verify_mode = ssl.CERT_REQUIRED
        except (OSError, ssl.SSLError) as error:
            raise BadConfiguration(
                f"TLS with {files.certificate}, {files.key} and {files.client_authority or 'any client'} fails: {error}"
            ) from error


def _no_password() -> str:
    raise BadConfiguration("the TLS key is locked with a password", hint="openssl pkey -in KEY -out OPEN_KEY")
