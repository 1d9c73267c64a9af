"""What stands below a model in an image of its own: busybox, so that it can be run, and its files copied.

KServe starts a modelcar by `sh`, `ln` and `sleep`, and an init container copies by `cp`. Inference images have none of
it. From Debian's busybox-static, for any platform; `of_host` takes this machine's, for a quick local try.
"""

import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

from edgewise.build import elf
from edgewise.build.base import NO_PYTHON, Base
from edgewise.build.bases import deb, debian
from edgewise.build.bases.debian import USER, Deb
from edgewise.build.compress import Compression
from edgewise.build.content import OnDisk
from edgewise.build.layer import PROGRAM_MODE, STICKY, Entry, Layer, file, folder, layer, symlink
from edgewise.build.pack import Packed, once
from edgewise.build.platforms import Platform
from edgewise.store.blobs import digest_of_file
from edgewise.store.steps import Store

PACKAGE = "busybox-static"
PLACE = "bin/busybox"
COMMANDS = ("cat", "cp", "find", "ln", "ls", "mkdir", "sh", "sha256sum", "sleep", "tar", "test", "true", "wc")
"""What the image can be asked to do; each is a link."""
COPYRIGHT = "usr/share/doc/busybox-static/copyright"


def resolve(platform: Platform, store: Store, *, sources: Sequence[str] = ()) -> tuple[Deb, ...]:
    """The Debian package; raises as `debian.resolve`."""
    return debian.resolve(platform, store, sources=sources, asked=(PACKAGE,), kept=(PACKAGE,))


def base(
    debs: Sequence[Deb],
    platform: Platform,
    store: Store,
    *,
    mtime: int = 0,
    compression: Compression = Compression.ZSTD,
) -> Base:
    """Debian's busybox as a base, packed into `store`."""

    def make() -> Layer:
        package = deb.read(store.blobs.get(debs[0].digest), name=debs[0].filename)
        kept = {entry.path: entry for entry in package.entries if _program(entry) or entry.path == COPYRIGHT}
        made = layer([*_at_place(kept.values()), *_links()], mtime=mtime)
        elf.check_machine(made.entries, platform)
        return made

    packed = once(
        "busybox-layer",
        make,
        store,
        compression=compression,
        title=f"busybox {debs[0].version}",
        debs=[one.digest for one in debs],
        commands=COMMANDS,
        mtime=mtime,
        platform=str(platform),
    )
    return _base(packed, platform, "debian")


def of_host(
    platform: Platform, store: Store, *, mtime: int = 0, compression: Compression = Compression.ZSTD
) -> Base | None:
    """This machine's busybox as a base; None where it has none, or one that needs libraries."""
    found = shutil.which("busybox")
    if found is None or elf.needs_of_file(Path(found)):
        return None
    program = Path(found).resolve()
    packed = once(
        "busybox-layer",
        lambda: layer([file(PLACE, OnDisk.at(program), mode=PROGRAM_MODE), *_links()], mtime=mtime),
        store,
        compression=compression,
        title="this machine's busybox, not for shipping",
        program=digest_of_file(program),
        commands=COMMANDS,
        mtime=mtime,
    )
    return _base(packed, platform, "host")


def empty(platform: Platform) -> Base:
    """Nothing: what stands on it can be mounted and not run."""
    return Base(platform=platform, layers=(), python=NO_PYTHON, glibc=0, kind="none")


def _base(packed: Packed, platform: Platform, kind: str) -> Base:
    return Base(platform=platform, layers=(packed,), python=NO_PYTHON, glibc=0, kind=kind)


def _program(entry: Entry) -> bool:
    return entry.path.rpartition("/")[2] == "busybox" and entry.path.split("/")[-2:-1] == ["bin"]


def _at_place(entries: Iterable[Entry]) -> list[Entry]:
    """Debian has the program in /bin, or in /usr/bin where /usr is merged; here it is in /bin."""
    return [file(PLACE, one.content, mode=PROGRAM_MODE) if _program(one) else one for one in entries]


def _links() -> list[Entry]:
    passwd = f"root:x:0:0:root:/:/nonexistent\nnonroot:x:{USER}:{USER}:nonroot:/tmp:/nonexistent\n"
    return [
        *(symlink(f"bin/{name}", "busybox") for name in COMMANDS),
        *(folder(path) for path in ("dev", "mnt", "proc", "sys")),
        folder("tmp", mode=STICKY | 0o777),
        file("etc/passwd", passwd.encode()),
        file("etc/group", f"root:x:0:\nnonroot:x:{USER}:\n".encode()),
    ]
