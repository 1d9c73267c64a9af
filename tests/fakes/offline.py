"""pip and mmdebstrap stood in for by copies out of a folder: `wheels/` and `debs/`, by architecture."""

import shlex
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from edgewise.build import tools
from edgewise.build.bases.debian_choice import KEPT
from edgewise.errors import ChildFailed
from fakes import packages

ARCHITECTURES = {"amd64": "x86_64", "arm64": "aarch64"}
NAMES = ("httptools", "numpy", "onnxruntime", "orjson", "uvloop")


def shelf(folder: Path, *, version: str = "1.0") -> Path:
    """Packages enough for inference images and models of both platforms; each platform's differ."""
    for architecture, wheel in ARCHITECTURES.items():
        (folder / "wheels" / wheel).mkdir(parents=True)
        (folder / "debs" / architecture).mkdir(parents=True)
        for name in NAMES:
            inside = {f"{name}/__init__.py": b"", f"{name}/x.so": packages.elf(architecture)}
            packages.wheel(folder / "wheels" / wheel, name, version, inside)
        for name in (*KEPT, "busybox-static"):
            files = {f"usr/lib/{name}/{file}": file.encode() for file in "cab"}
            if name == "busybox-static":
                files = {"bin/busybox": packages.elf(architecture), "usr/share/doc/busybox-static/copyright": b"GPL"}
            content = packages.deb(name, version, files)
            (folder / "debs" / architecture / f"{name}_{version}_{architecture}.deb").write_bytes(content)
    return folder


class Tool:
    """Copies what is asked for; `asked` holds the calls."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.asked: list[list[str]] = []

    def __call__(self, argv: Sequence[str], **_: object) -> str:
        self.asked.append(list(argv))
        hooks = [one for one in argv if one.startswith("--extract-hook=")]
        if hooks:
            architecture = _option(argv, "--architectures=")
            for path in (self.folder / "debs" / architecture).iterdir():
                shutil.copy(path, shlex.split(hooks[0])[-1])
            return ""
        wheel = _option(argv, "--platform=").rpartition("_")[2]
        wheel = next(one for one in ARCHITECTURES.values() if one.endswith(wheel))
        target = Path(argv[list(argv).index("--dest") + 1])
        wanted = argv[list(argv).index("--dest") + 2 :]
        for requirement in (one for one in wanted if not one.startswith("-")):
            name = requirement.partition("==")[0]
            found = list((self.folder / "wheels" / wheel).glob(f"{name.replace('-', '_')}-*.whl"))
            if not found:
                raise ChildFailed("pip failed", log=f"ERROR: No matching distribution found for {requirement}")
            shutil.copy(found[0], target)
        return ""


def install(patch: pytest.MonkeyPatch, folder: Path) -> Tool:
    """Stand in for the tools until the patch ends."""
    found = Tool(folder)
    patch.setattr(tools, "run", found)
    return found


def _option(argv: Sequence[str], name: str) -> str:
    return next(one for one in argv if one.startswith(name)).removeprefix(name)
