"""Wheels and Debian packages made up on the spot, small and valid; and a machine's ELF header without a program."""

import base64
import hashlib
import io
import struct
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

ELF_MACHINES = {"amd64": 62, "arm64": 183}


def elf(architecture: str) -> bytes:
    """A 64-bit little-endian shared object without sections: a header that says its machine."""
    ident = b"\x7fELF" + bytes([2, 1, 1]) + bytes(9)
    return ident + struct.pack("<HHIQQQIHHHHHH", 3, ELF_MACHINES[architecture], 1, 0, 0, 0, 0, 64, 0, 0, 0, 0, 0)


def wheel(
    folder: Path,
    name: str,
    version: str,
    files: Mapping[str, bytes],
    *,
    tag: str = "py3-none-any",
    record: Mapping[str, bytes] | None = None,
) -> Path:
    """A wheel with `files`, METADATA and RECORD; `record` may claim other contents than there are."""
    info = f"{name}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.4\nName: {name}\nVersion: {version}\nLicense-Expression: MIT\nAuthor: Ada\n"
    inside = {
        **files,
        f"{info}/METADATA": metadata.encode(),
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: {tag}\n".encode(),
    }
    rows = [_row(path, (record or {}).get(path, content)) for path, content in inside.items()]
    inside[f"{info}/RECORD"] = ("\n".join([*rows, f"{info}/RECORD,,"]) + "\n").encode()
    path = folder / f"{name}-{version}-{tag}.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for member, content in inside.items():
            archive.writestr(zipfile.ZipInfo(member), content)
    return path


def deb(name: str, version: str, files: Mapping[str, bytes], *, links: Mapping[str, str] | None = None) -> bytes:
    """A .deb file with `files` and symbolic `links`."""
    control = f"Package: {name}\nVersion: {version}\nArchitecture: amd64\nMaintainer: Ada <ada@example.org>\n"
    data = _tar(files, links or {})
    members = {
        "debian-binary": b"2.0\n",
        "control.tar.xz": _tar({"control": control.encode()}, {}),
        "data.tar.xz": data,
    }
    return b"!<arch>\n" + b"".join(_member(name, content) for name, content in members.items())


def _row(path: str, content: bytes) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
    return f"{path},sha256={digest},{len(content)}"


def _tar(files: Mapping[str, bytes], links: Mapping[str, str]) -> bytes:
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w:xz") as archive:
        for path, content in files.items():
            info = tarfile.TarInfo(f"./{path}")
            info.size, info.mode = len(content), 0o4755
            archive.addfile(info, io.BytesIO(content))
        for path, target in links.items():
            info = tarfile.TarInfo(f"./{path}")
            info.type, info.linkname = tarfile.SYMTYPE, target
            archive.addfile(info)
    return held.getvalue()


def _member(name: str, content: bytes) -> bytes:
    header = f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(content):<10}`\n".encode()
    return header + content + b"\n" * (len(content) % 2)
