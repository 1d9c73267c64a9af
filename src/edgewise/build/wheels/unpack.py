"""From wheels to entries of a layer, by the wheel format (PEP 427, packaging.python.org "Binary distribution format").

Every file is checked against RECORD. No script is made, none is kept: an image is entered by `python -m`. The RECORD
that goes into the image lists what is there, so that tools that look for what is installed are told the truth.
"""

import base64
import csv
import hashlib
import io
import zipfile
from collections.abc import Iterator, Sequence
from email import message_from_string
from email.message import Message

from installer.exceptions import InstallerError
from installer.sources import WheelFile

from edgewise.build.content import InZip
from edgewise.build.layer import Entry, file
from edgewise.build.wheels.needed import Filter
from edgewise.build.wheels.resolve import Wheel
from edgewise.errors import BadImage
from edgewise.store.blobs import Blobs

SITE = "opt/edgewise/lib"
"""Where packages stand in the image; PYTHONPATH names it, so that any base's interpreter finds them."""
LIBRARY_SCHEMES = ("purelib", "platlib")
NOT_INSTALLED = ("RECORD", "RECORD.jws", "RECORD.p7s", "INSTALLER", "entry_points.txt")


def entries(wheels: Sequence[Wheel], blobs: Blobs, *, left_out: Sequence[str] = ()) -> tuple[Entry, ...]:
    """What the wheels put below `SITE`, less what `left_out` names by patterns of paths.

    Raises:
        BadImage: a wheel is damaged, or does not hold what its RECORD says.
    """
    out = Filter(left_out)
    return tuple(entry for wheel in wheels for entry in _of(wheel, blobs, out))


def metadata(wheel: Wheel, blobs: Blobs) -> Message:
    """The wheel's METADATA: name, version and licence, by the core metadata specification."""
    with _opened(wheel, blobs) as archive:
        return message_from_string(WheelFile(archive).read_dist_info("METADATA"))


def _of(wheel: Wheel, blobs: Blobs, out: Filter) -> Iterator[Entry]:
    blobs.get(wheel.digest)  # checks the digest once; members are read from the file afterwards
    archive = blobs.path(wheel.digest)
    rows: list[tuple[str, str, int]] = []
    with _opened(wheel, blobs) as opened:
        source = WheelFile(opened)
        try:
            source.validate_record(validate_contents=True)
        except InstallerError as error:
            raise BadImage(f"{wheel.filename} does not hold what its RECORD says: {error}") from error
        info = source.dist_info_dir
        for member in sorted(opened.infolist(), key=lambda one: one.filename):
            path = _place(member.filename, source.data_dir)
            if member.is_dir() or path is None or out.leaves_out(path):
                continue
            if path.startswith(f"{info}/") and path.removeprefix(f"{info}/") in NOT_INSTALLED:
                continue
            rows.append((path, _hash(opened, member), member.file_size))
            content = InZip(archive=archive, member=member.filename, size_bytes=member.file_size)
            yield file(f"{SITE}/{path}", content)
    yield file(f"{SITE}/{info}/INSTALLER", b"edgewise\n")
    rows.append((f"{info}/INSTALLER", _urlsafe(hashlib.sha256(b"edgewise\n").digest()), len(b"edgewise\n")))
    yield file(f"{SITE}/{info}/RECORD", _record(rows, f"{info}/RECORD"))


def _opened(wheel: Wheel, blobs: Blobs) -> zipfile.ZipFile:
    try:
        archive = zipfile.ZipFile(blobs.path(wheel.digest))
    except (zipfile.BadZipFile, OSError) as error:
        raise BadImage(f"{wheel.filename} cannot be read: {error}") from error
    archive.filename = wheel.filename  # installer reads name and version off it; in the store it is called by digest
    return archive


def _place(member: str, data_dir: str) -> str | None:
    """Where a member goes below `SITE`; None for scripts, headers and data, which an image has no use for."""
    if not member.startswith(f"{data_dir}/"):
        return member
    scheme, _, rest = member.removeprefix(f"{data_dir}/").partition("/")
    return rest if scheme in LIBRARY_SCHEMES else None


def _hash(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> str:
    with archive.open(member) as opened:
        return _urlsafe(hashlib.file_digest(opened, "sha256").digest())  # type: ignore[arg-type]  # reads like a file


def _urlsafe(digest: bytes) -> str:
    return "sha256=" + base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def _record(rows: Sequence[tuple[str, str, int]], own: str) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows(sorted(rows))
    writer.writerow((own, "", ""))
    return text.getvalue().encode()
