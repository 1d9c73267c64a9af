"""The inference server's own code as a layer: the modules that it reaches from where it is entered, and no other.

What it reaches is read off the sources, by their syntax; nothing is imported. So the designer, the compilers and the
command line stay out of an image without anybody keeping a list, and a module of the server that suddenly wants a
package that the image has not is an error of the build, not of a device.
"""

import ast
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import edgewise
from edgewise.build.content import Inline
from edgewise.build.layer import Entry, Layer, file, layer
from edgewise.build.wheels.unpack import SITE
from edgewise.errors import BadImage
from edgewise.store.blobs import digest_of

PACKAGE = "edgewise"
PYTHON = "/usr/bin/python3"
SERVE = "edgewise.edge.serve"
HEALTH = "edgewise.edge.serve.health"
GRPC = "edgewise.edge.serve.grpc"
REQUIREMENTS = ("httptools", "orjson", "uvloop")
GRPC_REQUIREMENTS = ("hpack", "protobuf")
PACKAGES = {"protobuf": "google"}
"""What a requirement is called where it is imported; others as they are."""
CODE = ".py"


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """What enters an image as its server.

    Attributes:
        entries: modules that are entered or loaded by name at run time.
        requirements: of pip, each with its dependencies spelled out; for every platform.
        left_out: modules, with all below them, that are not to be reached.
        folder: the package's sources.
    """

    entries: tuple[str, ...]
    requirements: tuple[str, ...] = REQUIREMENTS
    left_out: tuple[str, ...] = ()
    folder: Path = Path(edgewise.__file__).parent
    version: str = edgewise.__version__


def server(runtime: str, *, grpc: bool = False) -> Server:
    """The inference server with the adapter of `runtime`, with or without gRPC."""
    entries = (f"{SERVE}.__main__", HEALTH, f"edgewise.runtimes.{runtime}")
    if grpc:
        folder = Path(edgewise.__file__).parent / "edge" / "serve" / "grpc"
        every = (f"{GRPC}.{path.stem}" for path in sorted(folder.glob("*.py")) if path.stem != "__init__")
        return Server(entries=(*entries, *every), requirements=(*REQUIREMENTS, *GRPC_REQUIREMENTS))
    return Server(entries=entries, left_out=(GRPC,))


def sources(wanted: Server, imports: Sequence[str]) -> Mapping[str, bytes]:
    """Sources of all modules that `wanted` reaches, and data beside them, by path below the package's own folder.

    Args:
        imports: packages that the runtime's layer has.

    Raises:
        BadImage: a module is missing, or wants a package that the image has not.
    """
    there = {name.partition(".")[0] for name in imports}
    there |= {PACKAGES.get(name, name.replace("-", "_")) for name in map(_bare, wanted.requirements)}
    where = cache(lambda module: _path(module, wanted.folder))
    found: dict[str, bytes] = {}
    pending = list(wanted.entries)
    seen: set[str] = set()
    while pending:
        module = pending.pop()
        if module in seen or _within(module, wanted.left_out):
            continue
        seen.add(module)
        path = where(module)
        if path is None:
            raise BadImage(
                f"the server has no module {module}", hint="is edgewise installed whole? pip install edgewise"
            )
        content = path.read_bytes()
        found[f"{PACKAGE}/{path.relative_to(wanted.folder)}"] = content
        pending += [".".join(module.split(".")[:depth]) for depth in range(1, module.count(".") + 1)]
        for name in _imports(content, module, is_package=path.stem == "__init__"):
            top = name.partition(".")[0]
            if top == PACKAGE:
                pending += [one for one in (name, name.rpartition(".")[0]) if where(one)][:1]
            elif top not in there and top not in sys.stdlib_module_names:
                raise BadImage(
                    f"{module} imports {top}, which an inference image has not", hint="this is a bug: report it"
                )
    found |= _data(found, wanted.folder)
    return dict(sorted(found.items()))


def code_layer(found: Mapping[str, bytes], wanted: Server, *, mtime: int) -> Layer:
    """The layer of `found`, with METADATA by which tools know what is there."""
    info = f"{PACKAGE}-{wanted.version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {PACKAGE}\nVersion: {wanted.version}\n".encode()
    entries: list[Entry] = [file(f"{SITE}/{path}", Inline(content)) for path, content in found.items()]
    entries += [file(f"{SITE}/{info}/METADATA", metadata), file(f"{SITE}/{info}/INSTALLER", b"edgewise\n")]
    return layer(entries, mtime=mtime)


def digest(found: Mapping[str, bytes]) -> str:
    """Names the code: the same modules with the same text have the same."""
    return digest_of("".join(f"{path} {digest_of(content)}\n" for path, content in sorted(found.items())).encode())


def _data(found: Mapping[str, bytes], folder: Path) -> dict[str, bytes]:
    """What lies beside the modules of a package that is reached, and is no module."""
    packages = [folder / path.partition("/")[2] for path in found if path.endswith("/__init__.py")]
    files = (path for package in packages for path in package.parent.iterdir() if path.is_file())
    return {
        f"{PACKAGE}/{one.relative_to(folder)}": one.read_bytes() for one in files if one.suffix not in (CODE, ".pyc")
    }


def _path(module: str, folder: Path) -> Path | None:
    """The file of `module`; None where there is none."""
    base = folder.joinpath(*module.split(".")[1:])
    if module == PACKAGE or base.is_dir():
        base = base / "__init__"
    path = base.with_name(base.name + CODE)
    return path if path.is_file() else None


@cache
def _imports(content: bytes, module: str, *, is_package: bool) -> tuple[str, ...]:
    """Names that the module imports when it runs, anywhere in it: of types alone, and where it can do without, not."""
    return tuple(_walked(ast.parse(content).body, module if is_package else module.rpartition(".")[0]))


def _walked(body: Sequence[ast.stmt], package: str) -> Iterator[str]:
    """What statements import: only statements do, so that expressions are not looked at."""
    for node in body:
        match node:
            case ast.Import(names=names):
                yield from (name.name for name in names)
            case ast.ImportFrom(module=name, names=names, level=level):
                above = package.rsplit(".", level - 1)[0] if level > 1 else package
                base = ".".join(part for part in (above if level else "", name or "") if part)
                yield from (f"{base}.{one.name}" for one in names)
            case ast.If(test=test, orelse=others) if "TYPE_CHECKING" in ast.dump(test):
                yield from _walked(others, package)
            case ast.Try(handlers=handlers) if any("ImportError" in ast.dump(one) for one in handlers):
                yield from _walked([*node.orelse, *node.finalbody], package)
                yield from (name for one in handlers for name in _walked(one.body, package))
            case _:
                for inner in ("body", "orelse", "finalbody"):
                    yield from _walked(getattr(node, inner, ()), package)
                for case in (*getattr(node, "handlers", ()), *getattr(node, "cases", ())):
                    yield from _walked(case.body, package)


def _bare(requirement: str) -> str:
    """The name in a requirement of pip."""
    for end, letter in enumerate(requirement):
        if not (letter.isalnum() or letter in "-_."):
            return requirement[:end]
    return requirement


def _within(module: str, names: Sequence[str]) -> bool:
    return any(module == name or module.startswith(f"{name}.") for name in names)
