"""Names of images, as people write them: `registry.example:5000/team/app:1.2@sha256:…`, `oci:/path:tag`, `./folder`.

Pure. The host is always written out: what `app:1` means must not depend on whose machine reads it. A folder's path
ends at its first colon, as skopeo has it, for the names in a layout may hold colons and slashes themselves.
"""

import re
from dataclasses import dataclass

from edgewise.errors import BadReference

LATEST = "latest"
MAX_NAME = 255
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_HOST = re.compile(rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[0-9A-Fa-f:.]+\])(?::[0-9]{{1,5}})?")
_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REPOSITORY = re.compile(rf"{_PART}(?:/{_PART})*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_COMPONENT = r"[A-Za-z0-9]+(?:(?:[-._:@+]|--)[A-Za-z0-9]+)*"
_NAME = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*")
EXAMPLES = "registry.example:5000/team/app:1.2, oci:/path/to/layout:1.2 or ./folder:1.2"


@dataclass(frozen=True, slots=True, kw_only=True)
class InRegistry:
    """An image in a registry.

    Attributes:
        host: with its port, as written.
        tag: "" where only the digest counts.
        digest: "" where the tag decides.
    """

    host: str
    repository: str
    tag: str = ""
    digest: str = ""

    @property
    def name(self) -> str:
        """What the registry is asked for: the digest where there is one."""
        return self.digest or self.tag

    def __str__(self) -> str:
        return f"{self.host}/{self.repository}{_ending(self.tag, self.digest)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class InLayout:
    """An image in a folder in the OCI image layout.

    Attributes:
        folder: as written.
        tag: the value of org.opencontainers.image.ref.name; "" for the only one that is there.
    """

    folder: str
    tag: str = ""
    digest: str = ""

    @property
    def name(self) -> str:
        """What the folder is asked for: the digest where there is one; "" for the only one."""
        return self.digest or self.tag

    def __str__(self) -> str:
        return f"oci:{self.folder}{_ending(self.tag, self.digest)}"


Reference = InRegistry | InLayout


def parse(text: str) -> Reference:
    """What `text` names.

    Raises:
        BadReference: it is no reference; says what part is wrong.
    """
    scheme, separator, rest = text.partition("://")
    if separator:
        raise BadReference(f"{text!r} begins with {scheme}://", hint=f"write {rest!r}, or a folder as oci:/path:tag")
    if text.startswith("oci:"):
        return _in_layout(text.removeprefix("oci:"), text)
    if text.startswith(("./", "../", "/")) or text in (".", ".."):
        return _in_layout(text, text)
    return _in_registry(text)


def check_name(name: str) -> str:
    """`name` if it may stand in a layout as org.opencontainers.image.ref.name.

    Raises:
        BadReference: it may not.
    """
    if len(name) > MAX_NAME or not _NAME.fullmatch(name):
        raise BadReference(f"{name!r} cannot name an image", hint="letters and digits, with - . _ : @ + / between them")
    return name


def is_digest(text: str) -> bool:
    """True of `sha256:` and 64 lower-case hexadecimal digits, the one kind of digest that is used here."""
    return _DIGEST.fullmatch(text) is not None


def _in_layout(text: str, whole: str) -> InLayout:
    text, digest = _digest(text, whole)
    folder, colon, tag = text.partition(":")
    if not folder or "\0" in folder:
        raise BadReference(f"{whole!r} names no folder", hint=f"such as {EXAMPLES}")
    if colon:
        check_name(tag)
    return InLayout(folder=folder, tag=tag, digest=digest)


def _in_registry(whole: str) -> InRegistry:
    text, digest = _digest(whole, whole)
    host, slash, path = text.partition("/")
    if not slash or not ("." in host or ":" in host or host == "localhost"):
        raise BadReference(
            f"{whole!r} names no registry", hint=f"write the host too, as docker.io/library/debian:12; or {EXAMPLES}"
        )
    port = host.rpartition(":")[2] if not host.endswith("]") else ""
    if not _HOST.fullmatch(host) or (port.isdigit() and ":" in host and not 0 < int(port) < 1 << 16):
        raise BadReference(f"{host!r} is no host of a registry", hint=f"such as {EXAMPLES}")
    repository, colon, tag = path.partition(":")
    if len(repository) > MAX_NAME or not _REPOSITORY.fullmatch(repository):
        raise BadReference(
            f"{repository!r} cannot be a repository", hint="lower-case letters and digits, with . _ - / between them"
        )
    if colon and not _TAG.fullmatch(tag):
        raise BadReference(f"{tag!r} cannot be a tag", hint="letters, digits, . _ and -, at most 128")
    return InRegistry(host=host, repository=repository, tag=tag or ("" if digest else LATEST), digest=digest)


def _digest(text: str, whole: str) -> tuple[str, str]:
    """`text` without its digest, and the digest; an @ that is followed by no algorithm belongs to the name."""
    before, at, digest = text.rpartition("@")
    if not at or not re.match(r"[a-z0-9]+:", digest):
        return text, ""
    if not is_digest(digest):
        raise BadReference(f"{digest!r} in {whole!r} is no digest", hint="sha256: and 64 digits of 0-9a-f")
    return before, digest


def _ending(tag: str, digest: str) -> str:
    return (f":{tag}" if tag else "") + (f"@{digest}" if digest else "")
