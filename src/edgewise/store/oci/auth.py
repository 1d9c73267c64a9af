"""Who we are to a registry: credentials where podman, skopeo and docker keep them, and the challenges of a registry.

Pure but for `credentials`, which reads the files. The most specific entry for a repository wins, as in
containers-auth.json(5). Credential helpers are programs of their own and are not started; a file that relies on one
is said.
"""

import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgewise.errors import BadConfiguration

MAX_BYTES = 1 << 20
DOCKER_HUB = "docker.io"
_DOCKER_HUB_KEYS = ("docker.io", "index.docker.io", "registry-1.docker.io")
_PARAMETER = re.compile(r'([A-Za-z_]+)=(?:"((?:[^"\\]|\\.)*)"|([^",\s]+))')


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """Name and password, or an identity token of docker's login; `where` is the file that they are from."""

    user: str = ""
    password: str = ""
    identity_token: str = ""
    where: str = ""

    def __repr__(self) -> str:
        """Without what is secret: tracebacks get into logs."""
        return f"Credentials(user={self.user!r}, where={self.where!r})"

    @property
    def basic(self) -> str:
        """Value of the header Authorization."""
        return "Basic " + base64.b64encode(f"{self.user}:{self.password}".encode()).decode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Challenge:
    """What a registry wants, by its header WWW-Authenticate."""

    scheme: str
    realm: str = ""
    service: str = ""
    scope: str = ""


def files(environment: Mapping[str, str]) -> list[Path]:
    """Where credentials are looked for, first one first; they need not exist."""
    home = Path(environment.get("HOME", "/"))
    if environment.get("REGISTRY_AUTH_FILE"):
        return [Path(environment["REGISTRY_AUTH_FILE"])]
    found = []
    if environment.get("XDG_RUNTIME_DIR"):
        found.append(Path(environment["XDG_RUNTIME_DIR"]) / "containers" / "auth.json")
    found.append(Path(environment.get("XDG_CONFIG_HOME") or home / ".config") / "containers" / "auth.json")
    found.append(Path(environment.get("DOCKER_CONFIG") or home / ".docker") / "config.json")
    return found


def credentials(host: str, repository: str, environment: Mapping[str, str]) -> Credentials | None:
    """What the usual files have for `repository` at `host`; None where nobody is known there.

    Raises:
        BadConfiguration: a file cannot be read, or relies on a credential helper for this host.
    """
    for path in files(environment):
        found = _read(path)
        if found is not None:
            known = choose(found, host, repository, str(path))
            if known:
                return known
    return None


def choose(document: Mapping[str, Any], host: str, repository: str, where: str) -> Credentials | None:
    """The entry of an auth.json or config.json for `repository` at `host`, the most specific one.

    Raises:
        BadConfiguration: the entry cannot be understood, or names a credential helper.
    """
    auths = document.get("auths")
    entries = {_bare(key): value for key, value in auths.items()} if isinstance(auths, dict) else {}
    for key in _keys(host, repository):
        entry = entries.get(key)
        if isinstance(entry, dict) and (entry.get("auth") or entry.get("identitytoken")):
            return _entry(entry, where, key)
    helpers = document.get("credHelpers")
    helper = helpers.get(host) if isinstance(helpers, dict) else None
    store = document.get("credsStore") if any(key in entries for key in _keys(host, repository)) else None
    if helper or store:
        raise BadConfiguration(
            f"{where} leaves the password for {host} to the credential helper {helper or store!r}, which is not asked",
            hint=f"skopeo login --authfile FILE {host}, and REGISTRY_AUTH_FILE=FILE",
        )
    return None


def challenges(headers: list[str]) -> list[Challenge]:
    """What the values of the headers WWW-Authenticate ask for; Bearer first, unknown schemes left out."""
    found = []
    for header in headers:
        scheme, _, rest = header.strip().partition(" ")
        if scheme.lower() in ("bearer", "basic"):
            values = {name.lower(): quoted or bare for name, quoted, bare in _PARAMETER.findall(rest)}
            known = {name: values.get(name, "") for name in ("realm", "service", "scope")}
            found.append(Challenge(scheme=scheme.lower(), **known))
    return sorted(found, key=lambda challenge: challenge.scheme != "bearer")


def _keys(host: str, repository: str) -> list[str]:
    """Keys that an entry may have, most specific first."""
    parts = repository.split("/")
    paths = [f"{host}/{'/'.join(parts[:count])}" for count in range(len(parts), 0, -1)] if repository else []
    return [*paths, *(_DOCKER_HUB_KEYS if host == DOCKER_HUB else (host,))]


def _bare(key: str) -> str:
    """A key without what docker's login writes around a host: https://index.docker.io/v1/."""
    if "://" in key:
        return key.partition("://")[2].partition("/")[0]
    return key.rstrip("/")


def _entry(entry: Mapping[str, Any], where: str, key: str) -> Credentials:
    token = entry.get("identitytoken")
    if isinstance(token, str) and token:
        return Credentials(identity_token=token, where=where)
    try:
        user, colon, password = base64.b64decode(str(entry["auth"]), validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        colon = user = password = ""
    if not colon:
        raise BadConfiguration(f"the entry {key} of {where} is damaged", hint=f"skopeo login {key.partition('/')[0]}")
    return Credentials(user=user, password=password.rstrip("\0"), where=where)


def _read(path: Path) -> dict[str, Any] | None:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise BadConfiguration(f"{path} cannot be read: {error.strerror}", hint="check its permissions") from None
    try:
        found = json.loads(content) if len(content) <= MAX_BYTES else None
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise BadConfiguration(f"{path} is no JSON object", hint="mend it, or remove it and log in again")
    return found
