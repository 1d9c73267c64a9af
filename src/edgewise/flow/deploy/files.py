"""Files of a node onto a device: what lies beside, and the one rename that decides which release runs.

While a deployment is under way, two hidden files stand beside the switch: `before` is a second name of the old unit,
and `pending` holds the digest of the new one. Whoever is cut off leaves them, and the next deployment knows from them
what ran before: the old unit never goes before the new one has proven itself.
"""

import hashlib
import io
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from edgewise.build.nodes.description import File
from edgewise.flow.deploy.reached import Reached


@dataclass(frozen=True, slots=True, kw_only=True)
class Switch:
    """The one unit that decides which release runs, as it is found on a device.

    Attributes:
        path: below the root.
        now: its content; b"" where there is none.
        switched: whether `now` was put there by a deployment that did not end.
        old: content of what to go back to; b"" for nothing.
    """

    path: str
    now: bytes
    switched: bool
    old: bytes


def look(there: Reached, path: str) -> Switch:
    """The switch at `path`, and whether a deployment was cut off in the midst."""
    now, pending = there.read(path), there.read(_beside(path, "pending"))
    switched = bool(pending) and pending.strip() == _digest(now)
    return Switch(path=path, now=now, switched=switched, old=there.read(_beside(path, "before")) if switched else now)


def send(there: Reached, files: Sequence[File]) -> None:
    """Put `files` in their places, each by a rename of its own."""
    if not files:
        return
    _unpack(there, {_beside(one.path, "new"): one.content for one in files})
    for one in files:
        there.run("mv", "-T", "--", there.path(_beside(one.path, "new")), there.path(one.path))


def prepare(there: Reached, file: File, found: Switch) -> None:
    """All that the switch needs, after what a deployment before had left half-way was put back."""
    if found.switched:
        restore(there, found)
    before = there.path(_beside(file.path, "before"))
    there.run("rm", "-f", "--", before)
    there.run("ln", "--", there.path(file.path), before, codes=(0, 1))  # 1: there is no old one
    hidden = {_beside(file.path, "new"): file.content, _beside(file.path, "pending"): _digest(file.content)}
    _unpack(there, hidden)
    there.run("sync")


def flip(there: Reached, file: File) -> None:
    """The one rename."""
    there.run("mv", "-T", "--", there.path(_beside(file.path, "new")), there.path(file.path))


def restore(there: Reached, found: Switch) -> None:
    """The old unit in its place again; where there was none, none."""
    if found.old:
        there.run("mv", "-T", "--", there.path(_beside(found.path, "before")), there.path(found.path))
    else:
        there.run("rm", "-f", "--", there.path(found.path))
    there.run("rm", "-f", "--", there.path(_beside(found.path, "pending")))


def settle(there: Reached, path: str) -> None:
    """The new unit has proven itself: nothing to go back to is kept."""
    hidden = (_beside(path, "pending"), _beside(path, "before"))  # in this order: see `look`
    there.run("rm", "-f", "--", *map(there.path, hidden))


def archive(content: Mapping[str, bytes]) -> bytes:
    """A tar of `content` by name."""
    found = io.BytesIO()
    with tarfile.open(fileobj=found, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for name, data in content.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(data), 0o644
            tar.addfile(member, io.BytesIO(data))
    return found.getvalue()


def _unpack(there: Reached, content: Mapping[str, bytes]) -> None:
    there.run("tar", "-x", "-C", there.root, "--no-same-owner", given=archive(content))


def _beside(path: str, what: str) -> str:
    """Where the generator does not look: the ending is none of a unit."""
    whole = PurePosixPath(path)
    return str(whole.with_name(f".{whole.name}.edgewise-{what}"))


def _digest(content: bytes) -> bytes:
    return hashlib.sha256(content).hexdigest().encode() if content else b""
