"""The same inputs make the same digests under every difference that two machines can have."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from edgewise.build import sign
from fakes import build_once, offline
from fakes.needed import missing

PLAIN = {"LC_ALL": "C.UTF-8", "TZ": "UTC", "PYTHONHASHSEED": "0"}


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Wheels, Debian packages, a model of several files and a key."""
    folder = offline.shelf(tmp_path_factory.mktemp("given"))
    (folder / "model" / "deep").mkdir(parents=True)
    for number in range(20):
        (folder / "model" / ("deep" if number % 2 else "") / f"part{number * 7 % 20}.bin").write_bytes(b"%d" % number)
    private, _ = sign.make_key(folder)
    private.rename(folder / "key.pem").chmod(0o644)
    return folder


def built(
    given: Path, store: Path, environment: Mapping[str, str], umask: int = 0o022, user: int = -1
) -> dict[str, str]:
    argv = [sys.executable, build_once.__file__, str(given), str(store), *([str(user)] if user >= 0 else [])]
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sys.path), **environment}
    done = subprocess.run(argv, env=env, umask=umask, capture_output=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr.decode()
    found = json.loads(done.stdout)
    assert isinstance(found, dict)
    return found


@pytest.fixture(scope="module")
def plainly(given: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Digests on a machine without peculiarities."""
    return built(given, tmp_path_factory.mktemp("plain") / "store", PLAIN)


def test_whole_bundles_are_made(plainly: dict[str, str]) -> None:
    """Both compressions, three strategies: an image alone, twice with an artifact or image beside it; all attested."""
    roots = [name for name in plainly if name.endswith((" inference", " model"))]
    assert len(roots) == 2 * 5
    assert len([name for name in plainly if name.endswith("signature")]) == len(roots)
    assert plainly["zstd external inference"] == plainly["zstd modelcar inference"]
    assert plainly["zstd embedded inference"] != plainly["gzip embedded inference"]


@pytest.mark.parametrize(
    ("environment", "umask"),
    [
        ({}, 0o077),
        ({"TZ": "Pacific/Kiritimati"}, 0o022),
        ({"LC_ALL": "tr_TR.UTF-8", "LANG": "tr_TR.UTF-8"}, 0o022),
        ({"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}, 0o022),
        ({"PYTHONHASHSEED": "4711", "USER": "eve", "HOSTNAME": "elsewhere", "HOME": "/nowhere"}, 0o000),
    ],
    ids=["umask", "time zone", "Turkish", "no UTF-8", "hash seed and names"],
)
def test_surroundings_do_not_matter(
    given: Path, tmp_path: Path, plainly: dict[str, str], environment: dict[str, str], umask: int
) -> None:
    assert built(given, tmp_path / "store", PLAIN | environment, umask=umask) == plainly


def test_order_times_and_modes_of_the_input_files_do_not_matter(
    given: Path, tmp_path: Path, plainly: dict[str, str]
) -> None:
    other = tmp_path / "given"
    for path in sorted((one for one in given.rglob("*") if one.is_file()), reverse=True):
        copy = other / path.relative_to(given)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
        copy.chmod(0o700)
        os.utime(copy, (1, 1))
    assert built(other, tmp_path / "a store with spaces", PLAIN) == plainly


def test_who_builds_does_not_matter(given: Path, plainly: dict[str, str]) -> None:
    if os.geteuid() != 0:
        missing("root, to build as another user,")
    folder = Path("/var/tmp") / f"edgewise-test-{os.getpid()}"  # pytest's own folders are its user's alone
    try:
        shutil.copytree(given, folder / "given")
        (folder / "given").chmod(0o755)
        (folder / "store").mkdir()
        os.chown(folder / "store", 65534, 65534)
        assert built(folder / "given", folder / "store", PLAIN, user=65534) == plainly
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def test_what_is_in_the_store_already_does_not_matter(given: Path, tmp_path: Path, plainly: dict[str, str]) -> None:
    store = tmp_path / "store"
    assert [built(given, store, PLAIN) for _ in range(2)] == [plainly, plainly]
