"""Which wheels, for which platform: pip decides once, the store remembers by hash, a rebuild asks nobody.

pip selects by tags alone (`--platform`, `--abi`), so it finds wheels for machines that it does not run on. The tags
begin at the base's glibc and go down to 2.17, for pip does not expand manylinux tags itself.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from edgewise.build import tools
from edgewise.build.platforms import Platform
from edgewise.errors import BadImage, ChildFailed
from edgewise.store.blobs import digest_of_file
from edgewise.store.steps import Store, key

TIMEOUT_S = 600.0
OLDEST_GLIBC = 17


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The interpreter that wheels are for.

    Attributes:
        python: major and minor version.
        glibc: minor version of glibc 2 in the base: 36 in Debian 12.
    """

    platform: Platform
    python: tuple[int, int]
    glibc: int

    @property
    def abi(self) -> str:
        """Of CPython: cp311."""
        return f"cp{self.python[0]}{self.python[1]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wheel:
    """A wheel in the store.

    Attributes:
        name: of the distribution, normalised (PEP 503).
        digest: of the file, `sha256:<hex>`.
    """

    name: str
    version: str
    filename: str
    digest: str


def resolve(requirements: Sequence[str], target: Target, store: Store) -> tuple[Wheel, ...]:
    """Wheels for `requirements` and nothing else, in the order of their names.

    The first answer is the lock: it is kept in `store` and given again, without the network, until the requirements
    or the target change.

    Raises:
        BadImage: there is no wheel of one of them for this platform.
        ChildFailed: pip failed otherwise, the network being gone among the reasons.
    """
    step = key(
        "wheels",
        requirements=sorted(requirements),
        platform=str(target.platform),
        python=list(target.python),
        glibc=target.glibc,
    )
    if (record := store.recall(step)) is not None:
        return tuple(Wheel(**row) for row in record)
    with store.scratch() as scratch:
        _download(sorted(requirements), target, Path(scratch))
        wheels = tuple(sorted((_kept(path, store) for path in Path(scratch).glob("*.whl")), key=lambda one: one.name))
    remember(step, wheels, store)
    return wheels


def fetch(wheels: Sequence[Wheel], target: Target, store: Store) -> None:
    """Bring what of `wheels` (a lock made elsewhere) is not in `store` yet; pip checks every hash.

    Raises:
        BadImage: a wheel is not to be had any more, or has another hash.
    """
    absent = [wheel for wheel in wheels if wheel.digest not in store.blobs]
    if not absent:
        return
    with store.scratch() as scratch:
        lines = [f"{wheel.name}=={wheel.version} --hash={wheel.digest}\n" for wheel in absent]
        wanted = Path(scratch) / "wanted.txt"
        wanted.write_text("".join(lines))
        _download(["--require-hashes", f"--requirement={wanted}"], target, Path(scratch))
        for path in Path(scratch).glob("*.whl"):
            store.blobs.put_file(path)
    missing = [wheel.filename for wheel in absent if wheel.digest not in store.blobs]
    if missing:
        raise BadImage(f"not to be had with the locked hash: {', '.join(missing)}")


def remember(step: str, wheels: Sequence[Wheel], store: Store) -> None:
    """Keep `wheels` as the answer of `step`."""
    rows = [
        {"name": wheel.name, "version": wheel.version, "filename": wheel.filename, "digest": wheel.digest}
        for wheel in wheels
    ]
    store.record(step, rows, blobs=tuple(wheel.digest for wheel in wheels))


def _download(what: Sequence[str], target: Target, folder: Path) -> None:
    argv = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", "--no-input"]
    argv += ["--disable-pip-version-check", "--implementation=cp", "--dest", str(folder)]
    argv += [f"--python-version={target.python[0]}.{target.python[1]}"]
    argv += [f"--abi={abi}" for abi in (target.abi, "abi3", "none")]
    argv += [f"--platform={tag}" for tag in tags(target)]
    try:
        tools.run([*argv, *what], timeout_s=TIMEOUT_S, package="python3-pip")
    except ChildFailed as error:
        if "No matching distribution" not in error.log:
            raise
        unmet = [line.rpartition("for ")[2] for line in error.log.splitlines() if "No matching distribution" in line]
        raise BadImage(
            f"there is no wheel of {', '.join(unmet)} for {target.platform} and Python {target.abi}",
            hint="another version, or another runtime for this platform",
        ) from error


def tags(target: Target) -> list[str]:
    """Platform tags that the base can run, newest first, by PEP 600; manylinux2014 is 2.17's old name (PEP 599)."""
    newest_first = range(target.glibc, OLDEST_GLIBC - 1, -1)
    return [*(f"manylinux_2_{minor}_{target.platform.wheel}" for minor in newest_first), _old_name(target)]


def _old_name(target: Target) -> str:
    return f"manylinux2014_{target.platform.wheel}"


def _kept(path: Path, store: Store) -> Wheel:
    try:
        name, version, _, _ = parse_wheel_filename(path.name)
    except InvalidWheelFilename as error:
        raise BadImage(f"{path.name} is not a wheel's name") from error
    store.blobs.put_file(path)
    return Wheel(name=canonicalize_name(name), version=str(version), filename=path.name, digest=digest_of_file(path))
