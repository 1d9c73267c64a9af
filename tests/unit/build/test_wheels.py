"""Wheels: what is asked of pip, what goes into the image, and what is refused."""

import csv
import hashlib
from pathlib import Path

import pytest

from edgewise.build import elf, tools
from edgewise.build.content import read
from edgewise.build.layer import layer
from edgewise.build.platforms import AMD64, ARM64, platform
from edgewise.build.wheels import needed, resolve, unpack
from edgewise.build.wheels.needed import Filter
from edgewise.build.wheels.resolve import Target, Wheel
from edgewise.errors import BadImage, ChildFailed, MissingDependency
from edgewise.store.steps import Store
from fakes import packages

TARGET = Target(platform=ARM64, python=(3, 11), glibc=36)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def kept(store: Store, path: Path) -> Wheel:
    name, version = path.name.split("-")[:2]
    return Wheel(name=name, version=version, filename=path.name, digest=store.blobs.put_file(path))


def test_record_lists_what_is_there_and_nothing_that_runs(store: Store, tmp_path: Path) -> None:
    files = {
        "pkg/__init__.py": b"x = 1\n",
        "pkg/tests/test_x.py": b"",
        "pkg-1.0.data/scripts/run": b"#!/bin/sh\n",
        "pkg-1.0.data/platlib/pkg/more.py": b"y = 2\n",
        "pkg-1.0.dist-info/entry_points.txt": b"[console_scripts]\nrun = pkg:main\n",
    }
    wheel = kept(store, packages.wheel(tmp_path, "pkg", "1.0", files))
    found = {entry.path: entry for entry in unpack.entries([wheel], store.blobs, left_out=["*/tests/*"])}
    site = unpack.SITE
    assert sorted(found) == [
        f"{site}/pkg-1.0.dist-info/{name}" for name in ("INSTALLER", "METADATA", "RECORD", "WHEEL")
    ] + [f"{site}/pkg/__init__.py", f"{site}/pkg/more.py"]
    rows = list(csv.reader(read(found[f"{site}/pkg-1.0.dist-info/RECORD"].content).decode().splitlines()))
    assert {row[0] for row in rows} == {path.removeprefix(f"{site}/") for path in found}
    for path, digest, size in rows[:-1]:
        content = read(found[f"{site}/{path}"].content)
        assert int(size) == len(content)
        assert digest == unpack._urlsafe(hashlib.sha256(content).digest())
    assert {entry.mode for entry in found.values()} == {0o644}


def test_a_wheel_that_is_not_what_its_record_says_is_refused(store: Store, tmp_path: Path) -> None:
    path = packages.wheel(tmp_path, "pkg", "1.0", {"a.py": b"bad"}, record={"a.py": b"good"})
    with pytest.raises(BadImage, match="RECORD"):
        unpack.entries([kept(store, path)], store.blobs)


def test_a_wheel_that_climbs_out_is_refused(store: Store, tmp_path: Path) -> None:
    path = packages.wheel(tmp_path, "pkg", "1.0", {"../../../etc/cron.d/x": b"bad"})
    with pytest.raises(BadImage, match="climbs out"):
        layer(unpack.entries([kept(store, path)], store.blobs))


def test_no_zip_at_all(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "pkg-1.0-py3-none-any.whl"
    path.write_bytes(b"not a zip")
    with pytest.raises(BadImage, match="cannot be read"):
        unpack.entries([kept(store, path)], store.blobs)


def test_machine_code_for_another_machine_is_refused(store: Store, tmp_path: Path) -> None:
    path = packages.wheel(tmp_path, "pkg", "1.0", {"pkg/x.so": packages.elf("amd64")})
    entries = unpack.entries([kept(store, path)], store.blobs)
    elf.check_machine(entries, AMD64)
    with pytest.raises(BadImage, match=r"pkg/x.so is for EM_X86_64, and the image for linux/arm64"):
        elf.check_machine(entries, ARM64)


def test_tags_begin_at_the_base_s_glibc_and_are_for_its_machine() -> None:
    tags = resolve.tags(TARGET)
    assert tags[0] == "manylinux_2_36_aarch64"
    assert tags[-2:] == ["manylinux_2_17_aarch64", "manylinux2014_aarch64"]
    assert not any("x86_64" in tag for tag in tags)


def test_pip_decides_once_and_the_lock_needs_it_no_more(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[str]] = []

    def pip(argv: list[str], **_: object) -> str:
        asked.append(argv)
        packages.wheel(Path(argv[argv.index("--dest") + 1]), "numpy", "2.0", {"numpy.py": b""})
        return ""

    monkeypatch.setattr(tools, "run", pip)
    first = resolve.resolve(["numpy"], TARGET, store)
    again = resolve.resolve(["numpy"], TARGET, Store(store.folder))
    assert first == again
    assert [wheel.name for wheel in first] == ["numpy"]
    assert len(asked) == 1
    assert "--no-deps" in asked[0]
    assert "--platform=manylinux_2_28_aarch64" in asked[0]
    assert asked[0][-1] == "numpy"
    resolve.fetch(first, TARGET, store)
    assert len(asked) == 1


def test_a_lock_from_elsewhere_is_fetched_by_hash(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = kept(Store(tmp_path / "other"), packages.wheel(tmp_path, "numpy", "2.0", {"numpy.py": b""}))
    wanted = ""

    def pip(argv: list[str], **_: object) -> str:
        nonlocal wanted
        wanted = Path(argv[-1].removeprefix("--requirement=")).read_text()
        packages.wheel(Path(argv[argv.index("--dest") + 1]), "numpy", "2.0", {"numpy.py": b"changed"})
        return ""

    monkeypatch.setattr(tools, "run", pip)
    with pytest.raises(BadImage, match="locked hash"):
        resolve.fetch([wheel], TARGET, store)
    assert wanted == f"numpy==2.0 --hash={wheel.digest}\n"


def test_no_wheel_for_this_platform_is_said_in_a_sentence(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def pip(*_: object, **__: object) -> str:
        raise ChildFailed("pip failed", log="ERROR: No matching distribution found for openvino\n")

    monkeypatch.setattr(tools, "run", pip)
    with pytest.raises(BadImage, match="no wheel of openvino for linux/arm64 and Python cp311"):
        resolve.resolve(["openvino"], TARGET, store)


def test_trouble_of_pip_itself_keeps_its_words(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def pip(*_: object, **__: object) -> str:
        raise ChildFailed("pip failed", log="ERROR: network unreachable\n")

    monkeypatch.setattr(tools, "run", pip)
    with pytest.raises(ChildFailed) as caught:
        resolve.resolve(["numpy"], TARGET, store)
    assert "unreachable" in caught.value.log


def test_unknown_runtimes_and_platforms() -> None:
    with pytest.raises(BadImage, match="tensorrt"):
        needed.needed("tensorrt")
    with pytest.raises(BadImage, match="riscv64"):
        platform("riscv64")
    assert platform("arm64") is platform("linux/arm64") is ARM64


@pytest.mark.parametrize("runtime", needed.NEEDED)
def test_no_runtime_asks_for_another(runtime: str) -> None:
    need = needed.needed(runtime)
    assert not set(need.requirements) & set(need.forbidden)
    others = {name for other in needed.NEEDED if other != runtime for name in needed.NEEDED[other].requirements}
    assert others - {"numpy"} <= set(need.forbidden)


def test_filter_matches_whole_paths() -> None:
    out = Filter(["onnxruntime/capi/libonnxruntime.so*", "*/tests/*"])
    assert out.leaves_out("onnxruntime/capi/libonnxruntime.so.1.32.0")
    assert out.leaves_out("numpy/_core/tests/data/x")
    assert not out.leaves_out("onnxruntime/capi/onnxruntime_pybind11_state.so")
    assert not Filter([]).leaves_out("anything")


def test_a_missing_program_is_named_with_its_package() -> None:
    with pytest.raises(MissingDependency, match="no-such-program-here") as caught:
        tools.run(["no-such-program-here"], timeout_s=1, package="it")
    assert caught.value.hint == "apt-get install it"


def test_programs_are_told_nothing_of_who_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LANG", "de_DE.UTF-8")
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    printed = tools.run(["env"], timeout_s=10, package="coreutils")
    assert "LC_ALL=C.UTF-8" in printed
    assert "TZ=UTC" in printed
    assert "de_DE" not in printed


def test_a_program_that_hangs_is_ended() -> None:
    with pytest.raises(ChildFailed, match="did not end"):
        tools.run(["sleep", "20"], timeout_s=0.2, package="coreutils")


def test_what_a_program_said_travels_with_the_error() -> None:
    with pytest.raises(ChildFailed, match="code 2") as caught:
        tools.run(["ls", "/no/such/folder"], timeout_s=10, package="coreutils")
    assert "No such file" in caught.value.log
