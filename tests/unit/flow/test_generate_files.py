"""`edgewise generate`: folders that are whole or not there, and what is never overwritten."""

from pathlib import Path

import pytest

from edgewise.build.nodes.description import File
from edgewise.cli.main import run
from edgewise.errors import NotFound, StoreFull
from edgewise.exchange.release import Strategy, written
from edgewise.flow import generate
from edgewise.store import atomic
from fakes.workloads import SERVER, release

FILES = [
    File(path="etc/a.container", content=b"[A]\n"),
    File(path="etc/check.sh", content=b"#!/bin/sh\n", executable=True),
]


def there(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_a_folder_is_written_with_modes_and_replaced_as_a_whole(tmp_path: Path):
    folder = tmp_path / "out"
    generate.write(FILES, folder)
    assert there(folder) == [".edgewise-generated", "etc/a.container", "etc/check.sh"]
    assert (folder / "etc/check.sh").stat().st_mode & 0o777 == 0o755
    assert (folder / "etc/a.container").stat().st_mode & 0o777 == 0o644
    generate.write(FILES[1:], folder)
    assert there(folder) == [".edgewise-generated", "etc/check.sh"]
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_what_was_not_generated_is_never_replaced(tmp_path: Path):
    folder = tmp_path / "out"
    folder.mkdir()
    generate.write(FILES, folder)  # an empty folder may be used
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(NotFound, match=r"notes\.txt"):
        generate.write(FILES, folder)
    other = tmp_path / "other"
    other.mkdir()
    (other / "a").write_text("mine")
    with pytest.raises(NotFound, match="holds what was not generated"):
        generate.write(FILES, other)
    file = tmp_path / "file"
    file.write_text("mine")
    with pytest.raises(NotFound):
        generate.write(FILES, file)


def test_a_full_disk_leaves_the_old_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    folder = tmp_path / "out"
    generate.write(FILES, folder)

    def full(path: Path, content: bytes) -> None:
        raise StoreFull("no space left")

    monkeypatch.setattr(atomic, "write", full)
    with pytest.raises(StoreFull):
        generate.write(FILES[1:], folder)
    assert "etc/a.container" in there(folder)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.fixture
def document(tmp_path: Path) -> str:
    path = tmp_path / "release.json"
    path.write_bytes(written(release()))
    return str(path)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["quadlet", "{}", "--target-version", "newest"], 89),
        (["quadlet", "{}", "--target-version", "4.9", "--as", "pod"], 89),
        (["quadlet", "{}", "--as", "service"], 89),
        (["quadlet", "{}", "--memory", "much"], 89),
        (["quadlet", "{}", "--name", "Bad Name"], 89),
        (["quadlet", "{}", "--machine", "no-such-machine"], 16),
        (["quadlet", "{}", "--machine", "coral-dev-board", "--accelerator", "gpu"], 89),
        (["microshift", "{}", "--namespace", "Kube System"], 89),
        (["microshift", "{}", "--target-version", "5.0"], 89),
        (["openshift", "{}", "--canary", "10"], 89),
        (["openshift", "{}", "--storage", "s3://a/b"], 89),
        (["hub", "--image", "registry.example/app:latest"], 89),
        (["quadlet", "nothing.json"], 18),
    ],
)
def test_refusals_come_before_anything_is_written(document: str, tmp_path: Path, arguments: list[str], code: int):
    told = [document if one == "{}" else one for one in arguments]
    assert run(["generate", *told, "--out", str(tmp_path / "out")]) == code
    assert not (tmp_path / "out").exists()


def test_a_file_that_is_no_release_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    path = tmp_path / "release.json"
    path.write_text('{"kind": "Pod"}')
    assert run(["generate", "quadlet", str(path)]) == 55
    assert "edgewise publish" in capsys.readouterr().err


def test_every_verb_prints_its_files_without_a_folder(document: str, capsys: pytest.CaptureFixture[str]):
    hub = ["hub", "--image", f"registry.example/app@{SERVER}"]
    for verb in (["quadlet", document], ["microshift", document], ["openshift", document], hub):
        assert run(["generate", *verb]) == 0
        out = capsys.readouterr().out
        assert out.startswith("# ")
        assert out.count("\n# ") >= 3


def test_an_external_release_says_where_its_model_lies(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    path = tmp_path / "release.json"
    path.write_bytes(written(release(Strategy.EXTERNAL)))
    assert run(["generate", "openshift", str(path)]) == 89
    assert "--storage" in capsys.readouterr().err
    assert run(["generate", "quadlet", str(path), "--as", "service"]) == 0
    assert "ProtectSystem=strict" in capsys.readouterr().out
