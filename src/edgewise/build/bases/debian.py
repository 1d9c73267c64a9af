"""A base made from Debian packages: chosen and authenticated by mmdebstrap, laid out by us.

mmdebstrap's `extract` variant asks apt for the packages of any architecture, checks the archive's signature and the
packages' hashes, and runs no maintainer script, so that arm64 is made on amd64 without emulation. The packages are kept
in the store by digest; the layer is a pure function of them (docs/adr/0013). Nothing here runs code of the base.
"""

import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgewise.build import elf, tools
from edgewise.build.base import Base
from edgewise.build.bases import deb
from edgewise.build.bases.debian_choice import ASKED, GLIBC, KEPT, LEFT_OUT, PYTHON, SUITE
from edgewise.build.compress import Compression
from edgewise.build.layer import STICKY, Entry, Layer, file, folder, layer, symlink
from edgewise.build.pack import once
from edgewise.build.platforms import Platform
from edgewise.build.wheels.needed import Filter
from edgewise.errors import BadImage
from edgewise.store.blobs import digest_of_file
from edgewise.store.steps import Store, key

MIRROR = "http://deb.debian.org/debian"
SECURITY = "http://deb.debian.org/debian-security"
TIMEOUT_S = 600.0
USER = 65532
"""User and group that images run as; by this number known as `nonroot` in images without a shell."""
STATUS = "var/lib/dpkg/status.d"
"""One file a package, as images without dpkg have them; Trivy, Syft and Grype read it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deb:
    """A Debian package in the store."""

    name: str
    version: str
    filename: str
    digest: str


def resolve(
    platform: Platform,
    store: Store,
    *,
    sources: Sequence[str] = (),
    asked: Sequence[str] = ASKED,
    kept: Sequence[str] = KEPT,
) -> tuple[Deb, ...]:
    """The packages that the base is made of, in the order of their names.

    The first answer is the lock: it is given again, without the network, until what is asked for changes.

    Args:
        sources: lines of sources.list(5); Debian 12 with its security updates where empty.
        asked: what apt is asked for.
        kept: of what comes with that, what is given back.

    Raises:
        MissingDependency: mmdebstrap is not installed.
        ChildFailed: it failed: no network, no keyring.
        BadImage: a package that the base needs did not come.
    """
    lines = list(sources) or _sources()
    step = key("debian-base", suite=SUITE, asked=list(asked), kept=list(kept), platform=str(platform), sources=lines)
    if (record := store.recall(step)) is not None:
        return tuple(Deb(**row) for row in record)
    with store.scratch() as scratch:
        _download(platform, lines, asked, Path(scratch))
        found = {one.name: one for one in (_kept(path, store) for path in sorted(Path(scratch).glob("*.deb")))}
    if absent := [name for name in kept if name not in found]:
        raise BadImage(f"Debian {SUITE} for {platform} came without {', '.join(absent)}")
    debs = tuple(found[name] for name in kept)
    rows = [{"name": one.name, "version": one.version, "filename": one.filename, "digest": one.digest} for one in debs]
    store.record(step, rows, blobs=tuple(one.digest for one in debs))
    return debs


def lay_out(debs: Sequence[Deb], store: Store, *, mtime: int = 0) -> Layer:
    """The base's one layer: what `debs` hold less `LEFT_OUT`, a user, and the links of a merged /usr."""
    out = Filter(LEFT_OUT)
    by_path: dict[str, Entry] = {}
    for one in debs:
        package = deb.read(store.blobs.get(one.digest), name=one.filename)
        kept = tuple(entry for entry in package.entries if not out.leaves_out(entry.path))
        by_path |= {entry.path: entry for entry in kept}
        by_path |= {entry.path: entry for entry in _status(package, kept)}
    by_path |= {entry.path: entry for entry in our_entries(f"python{PYTHON[0]}.{PYTHON[1]}")}
    return layer(_merged_links(by_path.values()), mtime=mtime)


def base(
    debs: Sequence[Deb],
    platform: Platform,
    store: Store,
    *,
    mtime: int = 0,
    compression: Compression = Compression.ZSTD,
) -> Base:
    """The base that `debs` make, its layer packed into `store`.

    Raises:
        BadImage: a library that one of its files needs is not in it, or is for another machine.
    """

    def make() -> Layer:
        made = lay_out(debs, store, mtime=mtime)
        elf.check(made.entries, platform)
        return made

    packed = once(
        "debian-layer",
        make,
        store,
        compression=compression,
        title=f"Debian {SUITE}, {len(debs)} packages",
        debs=[one.digest for one in debs],
        left_out=LEFT_OUT,
        mtime=mtime,
        platform=str(platform),
    )
    return Base(platform=platform, layers=(packed,), python=PYTHON, glibc=GLIBC, kind="debian")


def _sources() -> list[str]:
    return [
        f"deb {MIRROR} {SUITE} main",
        f"deb {MIRROR} {SUITE}-updates main",
        f"deb {SECURITY} {SUITE}-security main",
    ]


def _download(platform: Platform, sources: Sequence[str], asked: Sequence[str], folder: Path) -> None:
    folder.chmod(0o755)
    argv = ["mmdebstrap", "--quiet", "--variant=extract", "--format=null"]
    argv += [f"--architectures={platform.architecture}", f"--include={','.join(asked)}"]
    argv += [
        f"--extract-hook=sync-out /var/cache/apt/archives {shlex.quote(str(folder))}",
        SUITE,
        "/dev/null",
        *sources,
    ]
    tools.run(argv, timeout_s=TIMEOUT_S, package="mmdebstrap")


def _kept(path: Path, store: Store) -> Deb:
    name, version, _ = path.name.split("_")
    store.blobs.put_file(path)
    return Deb(name=name, version=version.replace("%3a", ":"), filename=path.name, digest=digest_of_file(path))


def _status(package: deb.Package, kept: tuple[Entry, ...]) -> list[Entry]:
    fields = "".join(f"{name}: {value}\n" for name, value in package.control.items())
    return [
        file(f"{STATUS}/{package.name}", fields.encode()),
        file(f"{STATUS}/{package.name}.md5sums", deb.md5sums(kept)),
    ]


def our_entries(python: str) -> list[Entry]:
    """What postinst scripts would have made, as far as an image needs it: users, folders, /usr/bin/python3.

    Args:
        python: what /usr/bin/python3 is a link to.
    """
    passwd = f"root:x:0:0:root:/:/nonexistent\nnonroot:x:{USER}:{USER}:nonroot:/tmp:/nonexistent\n"
    group = f"root:x:0:\nnonroot:x:{USER}:\n"
    return [
        file("etc/passwd", passwd.encode()),
        file("etc/group", group.encode()),
        file("etc/nsswitch.conf", b"passwd: files\ngroup: files\nhosts: files dns\n"),
        *(folder(path) for path in ("dev", "proc", "run", "sys")),
        folder("tmp", mode=STICKY | 0o777),
        folder("var/tmp", mode=STICKY | 0o777),
        symlink("usr/bin/python3", python),
        symlink("var/run", "/run"),
    ]


def _merged_links(entries: Iterable[Entry]) -> list[Entry]:
    found = list(entries)
    used = {entry.path.split("/")[1] for entry in found if entry.path.startswith("usr/")}
    return [*found, *(symlink(name, f"usr/{name}") for name in deb.MERGED if name in used)]
