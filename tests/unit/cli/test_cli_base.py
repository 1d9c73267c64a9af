"""base debian and base host: what is refused before anything is done, and what is printed."""

import json
from pathlib import Path

import pytest
from outcome import Run

from edgewise.build import tools
from edgewise.build.bases.debian_choice import KEPT
from edgewise.errors import BadConfiguration, BadImage, BadReference, MissingDependency
from edgewise.store.oci.layout import Layout
from fakes import packages


@pytest.fixture
def mmdebstrap(monkeypatch: pytest.MonkeyPatch) -> None:
    """Brings packages that hold a file each."""

    def run(argv: list[str], **_: object) -> str:
        (hook,) = (one for one in argv if one.startswith("--extract-hook="))
        for name in KEPT:
            content = packages.deb(name, "1", {f"usr/lib/{name}": b"x"})
            (Path(hook.split()[-1]) / f"{name}_1_all.deb").write_bytes(content)
        return ""

    monkeypatch.setattr(tools, "run", run)


def test_debian_for_both_platforms(edgewise_command: Run, home: Path, mmdebstrap: None) -> None:
    done = edgewise_command("base", "debian", "./bases:debian-12", "--store", home / "store")
    assert done.code == 0, done.err
    assert [line.split()[0] for line in done.out.splitlines()] == ["PLATFORM", "linux/amd64", "linux/arm64", "index"]
    assert done.out.splitlines()[-1].split()[-1] == Layout(home / "bases").resolve("debian-12").digest
    again = edgewise_command("base", "debian", "./bases:again", "--store", home / "other", "-o", "name")
    assert again.out.splitlines() == [line.split()[-1] for line in done.out.splitlines()[1:]]


def test_one_platform_and_json(edgewise_command: Run, home: Path, mmdebstrap: None) -> None:
    done = edgewise_command("base", "debian", "./b:x", "--platform", "arm64", "--compression", "gzip", "-o", "json")
    found = json.loads(done.out)
    assert [one["platform"] for one in found] == ["linux/arm64", "index"]
    assert all(one["size_bytes"] > 0 and one["digest"].startswith("sha256:") for one in found)


@pytest.mark.parametrize("target", ["./bases", "registry.example/base:1", "./bases@sha256:" + "0" * 64])
@pytest.mark.parametrize("verb", ["debian", "host"])
def test_a_target_that_is_no_folder_with_a_tag(edgewise_command: Run, verb: str, target: str) -> None:
    done = edgewise_command("base", verb, target)
    assert done.code == BadReference.exit_code
    assert "hint:" in done.err


def test_a_platform_that_there_is_not(edgewise_command: Run) -> None:
    done = edgewise_command("base", "debian", "./b:x", "--platform", "linux/riscv64")
    assert done.code == BadImage.exit_code
    assert "linux/amd64, linux/arm64" in done.err


def test_an_epoch_that_is_none(edgewise_command: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "yesterday")
    assert edgewise_command("base", "host", "./b:x").code == BadConfiguration.exit_code


def test_without_mmdebstrap(edgewise_command: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    done = edgewise_command("base", "debian", "./b:x")
    assert done.code == MissingDependency.exit_code
    assert "apt-get install mmdebstrap" in done.err
