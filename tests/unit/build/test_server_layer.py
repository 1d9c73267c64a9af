"""The server's code: what it reaches and no more, and nothing that a device has not."""

import ast
from pathlib import Path

import pytest

from edgewise.build import server as servers
from edgewise.build.server import Server, digest, sources
from edgewise.build.wheels.needed import NEEDED
from edgewise.errors import BadImage

HEAVY = ("pydantic", "typer", "rich", "httpx", "yaml", "onnx", "sqlalchemy")


def package(folder: Path, **modules: str) -> Server:
    """A package of `modules`, by name with "__" for dots."""
    for name, text in modules.items():
        path = folder.joinpath(*name.split("__"))
        path.parent.mkdir(parents=True, exist_ok=True)
        for parent in [folder, *path.parents]:
            if folder in [parent, *parent.parents] and not (parent / "__init__.py").exists():
                (parent / "__init__.py").write_text("")
        path.with_suffix(".py").write_text(text)
    return Server(entries=("edgewise.edge.main",), requirements=("uvloop>=0.2",), folder=folder)


@pytest.mark.parametrize("runtime", sorted(NEEDED))
@pytest.mark.parametrize("grpc", [False, True])
def test_the_real_server_needs_what_an_image_has(runtime: str, grpc: bool) -> None:
    found = sources(servers.server(runtime, grpc=grpc), NEEDED[runtime].imports)
    assert {"edgewise/edge/serve/__main__.py", "edgewise/edge/serve/health.py", "edgewise/errors.py"} <= set(found)
    assert f"edgewise/runtimes/{runtime}.py" in found
    others = {f"edgewise/runtimes/{name}.py" for name in NEEDED if name != runtime}
    assert not others & set(found)
    assert not [path for path in found if path.startswith(("edgewise/cli", "edgewise/design", "edgewise/flow"))]
    assert any("serve/grpc" in path for path in found) is grpc
    nodes = [node for path, text in found.items() if path.endswith(".py") for node in ast.walk(ast.parse(text))]
    names = {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}
    names |= {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    assert not [name for name in names if name.partition(".")[0] in HEAVY]


def test_what_is_imported_is_reached_and_nothing_else(tmp_path: Path) -> None:
    wanted = package(
        tmp_path / "edgewise",
        edge__main="import uvloop\nfrom edgewise.edge import near\nfrom . import sibling\nfrom ..lower import deep",
        edge__near="def later():\n    from edgewise.lower import lazy",
        edge__sibling="",
        lower__deep="from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import pydantic",
        lower__lazy="try:\n    import cython\nexcept ImportError:\n    cython = None",
        cli__main="import typer",
    )
    (tmp_path / "edgewise" / "edge" / "near.proto").write_text("message")
    (tmp_path / "edgewise" / "cli" / "page.html").write_text("not reached")
    found = sources(wanted, ())
    assert sorted(found) == [
        "edgewise/__init__.py",
        "edgewise/edge/__init__.py",
        "edgewise/edge/main.py",
        "edgewise/edge/near.proto",
        "edgewise/edge/near.py",
        "edgewise/edge/sibling.py",
        "edgewise/lower/__init__.py",
        "edgewise/lower/deep.py",
        "edgewise/lower/lazy.py",
    ]


def test_a_package_that_the_image_has_not_is_an_error_of_the_build(tmp_path: Path) -> None:
    wanted = package(tmp_path / "edgewise", edge__main="from edgewise.edge import near", edge__near="import pydantic")
    with pytest.raises(BadImage, match=r"edgewise\.edge\.near imports pydantic"):
        sources(wanted, ("numpy",))


def test_a_missing_module(tmp_path: Path) -> None:
    with pytest.raises(BadImage, match=r"no module edgewise\.edge\.main"):
        sources(package(tmp_path / "edgewise", other=""), ())


def test_the_digest_is_of_names_and_text() -> None:
    one = {"edgewise/a.py": b"1", "edgewise/b.py": b"2"}
    assert digest(one) == digest(dict(reversed(one.items())))
    assert digest(one) != digest({"edgewise/a.py": b"2", "edgewise/b.py": b"1"})


def test_the_layer_is_where_the_interpreter_looks() -> None:
    found = {"edgewise/__init__.py": b""}
    made = servers.code_layer(found, Server(entries=(), version="1.2"), mtime=0)
    paths = [entry.path for entry in made.entries if entry.kind == "file"]
    assert paths == [
        "opt/edgewise/lib/edgewise-1.2.dist-info/INSTALLER",
        "opt/edgewise/lib/edgewise-1.2.dist-info/METADATA",
        "opt/edgewise/lib/edgewise/__init__.py",
    ]
