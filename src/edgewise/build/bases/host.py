"""A base from this machine's own Python, for a quick local try. Not for shipping: nobody else can make it again.

The interpreter, its standard library and the shared libraries that both need are copied as they are; the image says
what it is by its label.
"""

import hashlib
import os
import platform as this
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

from elftools.elf.elffile import ELFFile
from elftools.elf.segments import InterpSegment

from edgewise.build import elf
from edgewise.build.base import Base
from edgewise.build.bases.debian import our_entries
from edgewise.build.compress import Compression
from edgewise.build.content import OnDisk
from edgewise.build.layer import FILE_MODE, PROGRAM_MODE, Entry, Layer, file, layer, symlink
from edgewise.build.pack import once
from edgewise.build.platforms import PLATFORMS, Platform
from edgewise.build.wheels.needed import Filter
from edgewise.errors import BadImage
from edgewise.store.steps import Store

PREFIX = "opt/python"
LEFT_OUT = (
    "*/__pycache__/*",
    "*/site-packages/*",
    "*/dist-packages/*",
    "*/config-3*",
    "*/ensurepip/*",
    "*/idlelib/*",
    "*/lib2to3/*",
    "*/test/*",
    "*/tests/*",
    "*/tkinter/*",
    "*/turtledemo/*",
    "*/lib-dynload/_curses*",
    "*/lib-dynload/_crypt.*",
    "*/lib-dynload/_dbm.*",
    "*/lib-dynload/_gdbm.*",
    "*/lib-dynload/_sqlite3.*",
    "*/lib-dynload/_test*",
    "*/lib-dynload/_tkinter.*",
    "*/lib-dynload/nis.*",
    "*/lib-dynload/readline.*",
    "*/lib-dynload/xx*",
    "*.a",
)
NOT_ENTERED = ("__pycache__", "dist-packages", "site-packages", "test", "tests")
"""Of `LEFT_OUT`, the large ones: not even listed."""
ALWAYS = ("libstdc++.so.6", "libgcc_s.so.1", "libm.so.6", "libdl.so.2", "libpthread.so.0", "librt.so.1")
"""Of the C and C++ runtimes: wheels need them, by the manylinux policy (PEP 600), and bring them not."""
SEARCHED = ("/lib64", "/usr/lib64", "/lib", "/usr/lib", "/usr/local/lib")


def this_platform() -> Platform:
    """The platform that this machine is.

    Raises:
        BadImage: no image can be made for it.
    """
    found = next((one for one in PLATFORMS.values() if one.wheel == this.machine()), None)
    if found is None:
        raise BadImage(f"no image can be made for {this.machine()}", hint="use edgewise base debian")
    return found


def base(store: Store, *, mtime: int = 0, compression: Compression = Compression.ZSTD) -> Base:
    """This machine's Python as a base, packed into `store`; recalled until a file of it changes.

    Raises:
        BadImage: the machine's libraries cannot be found, or it has no glibc.
    """
    platform = this_platform()
    name, version = this.libc_ver()
    if name != "glibc":
        raise BadImage("this machine's C library is not glibc, which wheels need", hint="use edgewise base debian")
    python = list(_python())

    def make() -> Layer:
        entries = [*python, *_libraries(python, platform), *our_entries(f"/{PREFIX}/bin/python{_version()}")]
        made = layer(entries, mtime=mtime)
        elf.check(made.entries, platform)
        return made

    packed = once(
        "host-layer",
        make,
        store,
        compression=compression,
        title="this machine's Python, not for shipping",
        python=sys.version,
        libc=version,
        files=_state(python),
        mtime=mtime,
    )
    return Base(
        platform=platform,
        layers=(packed,),
        python=sys.version_info[:2],
        glibc=int(version.split(".")[1]),
        kind="host",
    )


def _state(entries: list[Entry]) -> str:
    """Changes with every file that is written to."""
    told = hashlib.sha256()
    for entry in sorted(entries, key=lambda one: one.path):
        assert isinstance(entry.content, OnDisk)
        status = entry.content.path.stat()
        told.update(f"{entry.path} {status.st_size} {status.st_mtime_ns}\n".encode())
    return told.hexdigest()


def _python() -> Iterator[Entry]:
    out = Filter(LEFT_OUT)
    binary = Path(sys.executable).resolve()
    yield file(f"{PREFIX}/bin/python{_version()}", OnDisk.at(binary), mode=PROGRAM_MODE)
    library = Path(sysconfig.get_path("stdlib"))
    for folder, below, names in os.walk(library):
        below[:] = [name for name in below if name not in NOT_ENTERED]
        for name in names:
            path = Path(folder) / name
            place = f"{PREFIX}/lib/python{_version()}/{path.relative_to(library)}"
            if not out.leaves_out(place) and path.is_file():
                yield file(place, OnDisk.at(path.resolve()), mode=FILE_MODE)


def _libraries(entries: list[Entry], platform: Platform) -> Iterator[Entry]:
    """Every library that `entries` need, and theirs in turn, in the folder where the loader looks first."""
    home = _find("libc.so.6", platform).parent.resolve()
    loader = _interpreter(Path(sys.executable).resolve())
    todo = [content.path for entry in entries if isinstance(content := entry.content, OnDisk)]
    seen: set[str] = set()
    names = list(ALWAYS)
    while todo or names:
        names += elf.needs_of_file(todo.pop()) if todo else []
        while names:
            name = names.pop()
            if name in seen:
                continue
            seen.add(name)
            found = _find(name, platform).resolve()
            todo.append(found)
            if name != Path(loader).name:
                yield file(f"{str(home).lstrip('/')}/{name}", OnDisk.at(found), mode=PROGRAM_MODE)
    place = Path(loader).parent.resolve() / Path(loader).name
    yield file(str(place).lstrip("/"), OnDisk.at(Path(loader).resolve()), mode=PROGRAM_MODE)
    top = Path(loader).parts[1]
    if Path("/", top).is_symlink():
        yield symlink(top, str(Path("/", top).readlink()).lstrip("/"))


def _find(name: str, platform: Platform) -> Path:
    own = (f"{sys.base_prefix}/lib", f"/lib/{platform.triplet}", f"/usr/lib/{platform.triplet}")
    for folder in (*own, *SEARCHED):
        if (path := Path(folder, name)).exists():
            return path
    raise BadImage(f"this machine's {name} cannot be found", hint="use edgewise base debian")


def _interpreter(binary: Path) -> str:
    """The loader that a program asks for (PT_INTERP)."""
    with binary.open("rb") as opened:
        for segment in ELFFile(opened).iter_segments("PT_INTERP"):
            if isinstance(segment, InterpSegment):
                return str(segment.get_interp_name())
    raise BadImage(f"{binary} is linked statically and loads no extensions", hint="use edgewise base debian")


def _version() -> str:
    return f"{sys.version_info.major}.{sys.version_info.minor}"
