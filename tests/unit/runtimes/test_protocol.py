"""Which runtimes there are, and what is said where one is not."""

import importlib.metadata
import sys
import tomllib
from pathlib import Path

import pytest

from edgewise.errors import MissingDependency
from edgewise.nouns import RuntimeName
from edgewise.runtimes import protocol

PYPROJECT = Path(__file__).parents[3] / "pyproject.toml"
MODULE = {
    RuntimeName.ONNXRUNTIME: "onnxruntime",
    RuntimeName.OPENVINO: "openvino",
    RuntimeName.LITERT: "ai_edge_litert",
}


@pytest.mark.parametrize("runtime", protocol.PACKAGES, ids=str)
def test_a_missing_package_says_how_to_install_it(runtime: RuntimeName, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, f"edgewise.runtimes.{runtime.value}", raising=False)
    monkeypatch.setitem(sys.modules, MODULE[runtime], None)
    monkeypatch.setitem(sys.modules, f"{MODULE[runtime]}.interpreter", None)
    with pytest.raises(MissingDependency) as caught:
        protocol.loader(runtime)
    assert caught.value.exit_code == 30
    assert protocol.PACKAGES[runtime] in caught.value.message
    assert caught.value.hint == f"pip install 'edgewise[{runtime.value}]'"


@pytest.mark.parametrize("runtime", protocol.PACKAGES, ids=str)
def test_the_hint_names_an_extra_that_brings_the_package(runtime: RuntimeName) -> None:
    extras = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    assert any(wanted.startswith(protocol.PACKAGES[runtime]) for wanted in extras[runtime.value])


def test_every_runtime_has_a_package_and_formats() -> None:
    assert set(protocol.PACKAGES) == set(protocol.FORMATS) == set(MODULE)
    assert all(protocol.FORMATS.values())


def test_versions_are_those_that_are_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    def version(package: str) -> str:
        if package == "openvino":
            raise importlib.metadata.PackageNotFoundError(package)
        return "1.2.3"

    monkeypatch.setattr(importlib.metadata, "version", version)
    assert protocol.versions() == {RuntimeName.ONNXRUNTIME: "1.2.3", RuntimeName.LITERT: "1.2.3"}


def test_what_belongs_to_other_machines_does_not_run_here() -> None:
    with pytest.raises(MissingDependency, match="vela does not run here"):
        protocol.loader(RuntimeName.VELA)
