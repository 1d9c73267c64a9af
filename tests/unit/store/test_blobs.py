"""Blobs by digest: what comes out is what went in, or an error that says so."""

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgewise.errors import StoreCorrupt, StoreUnusable
from edgewise.store import blobs as blobs_module
from edgewise.store.blobs import Blobs, digest_of, digest_of_file
from fakes import writing


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    return Blobs(tmp_path / "store")


@given(st.binary(max_size=5000))
def test_what_is_put_can_be_got_by_its_digest(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    blobs = Blobs(tmp_path_factory.getbasetemp() / "any")
    digest = blobs.put(content)
    assert digest == digest_of(content)
    assert digest in blobs
    assert blobs.get(digest) == content


def test_lies_where_an_oci_layout_has_it(blobs: Blobs, tmp_path: Path) -> None:
    digest = blobs.put(b"hello")
    name = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
    assert digest == f"sha256:{name}"
    assert (tmp_path / "store/blobs/sha256" / name).read_bytes() == b"hello"


def test_a_file_is_the_same_blob_as_its_content(blobs: Blobs, tmp_path: Path) -> None:
    content = b"x" * (2 * blobs_module.CHUNK_BYTES + 7)
    source = tmp_path / "source"
    source.write_bytes(content)
    digest = blobs.put_file(source)
    assert digest == digest_of(content) == digest_of_file(source)
    assert blobs.get(digest) == content
    assert source.read_bytes() == content


def test_a_blob_that_is_there_is_not_written_again(blobs: Blobs) -> None:
    path = blobs.path(blobs.put(b"hello"))
    before = path.stat()
    blobs.put(b"hello")
    assert path.stat() == before


def test_a_source_that_changes_meanwhile_is_not_kept(
    blobs: Blobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"new")
    monkeypatch.setattr(blobs_module, "digest_of_file", lambda _: digest_of(b"old"))
    with pytest.raises(StoreCorrupt, match="changed while it was read"):
        blobs.put_file(source)
    assert digest_of(b"old") not in blobs
    assert list((tmp_path / "store").rglob("*.tmp*")) == []


def test_one_flipped_bit_is_found_and_the_file_removed(blobs: Blobs) -> None:
    digest = blobs.put(b"hello" * 100)
    path = blobs.path(digest)
    content = bytearray(path.read_bytes())
    content[250] ^= 0b100
    path.write_bytes(content)
    with pytest.raises(StoreCorrupt, match="was damaged on disk") as caught:
        blobs.get(digest)
    assert caught.value.exit_code == 41
    assert digest not in blobs
    assert blobs.get(blobs.put(b"hello" * 100)) == b"hello" * 100


def test_a_missing_blob_is_said(blobs: Blobs) -> None:
    digest = digest_of(b"never put")
    assert digest not in blobs
    with pytest.raises(StoreCorrupt, match=f"{digest} is missing"):
        blobs.get(digest)


def test_a_blob_that_cannot_be_read_is_said(blobs: Blobs) -> None:
    digest = digest_of(b"x")
    blobs.path(digest).mkdir(parents=True)
    with pytest.raises(StoreUnusable, match="Is a directory"):
        blobs.get(digest)


@pytest.mark.parametrize(
    "digest", ["", "sha256:", "sha256:../../etc/passwd", "sha512:" + "0" * 64, "sha256:" + "A" * 64]
)
def test_what_is_no_digest_names_no_file(blobs: Blobs, digest: str) -> None:
    with pytest.raises(StoreCorrupt, match="not a sha256 digest"):
        blobs.path(digest)


class TestLayOut:
    def test_gives_the_blob_a_name_without_copying(self, blobs: Blobs, tmp_path: Path) -> None:
        digest = blobs.put(b"hello")
        blobs.lay_out(digest, tmp_path / "model.onnx")
        assert (tmp_path / "model.onnx").samefile(blobs.path(digest))

    def test_copies_where_it_cannot_link(self, blobs: Blobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(*_: object) -> None:
            raise OSError(18, "Invalid cross-device link")

        digest = blobs.put(b"hello")
        monkeypatch.setattr("os.link", refuse)
        blobs.lay_out(digest, tmp_path / "model.onnx")
        assert (tmp_path / "model.onnx").read_bytes() == b"hello"
        assert not (tmp_path / "model.onnx").samefile(blobs.path(digest))

    def test_takes_the_place_of_what_was_there(self, blobs: Blobs, tmp_path: Path) -> None:
        (tmp_path / "model.onnx").write_bytes(b"older")
        blobs.lay_out(blobs.put(b"hello"), tmp_path / "model.onnx")
        assert (tmp_path / "model.onnx").read_bytes() == b"hello"

    def test_never_hands_out_a_damaged_blob(self, blobs: Blobs, tmp_path: Path) -> None:
        digest = blobs.put(b"hello")
        blobs.path(digest).write_bytes(b"hellO")
        with pytest.raises(StoreCorrupt):
            blobs.lay_out(digest, tmp_path / "model.onnx")
        assert not (tmp_path / "model.onnx").exists()


def test_several_processes_may_put_the_same_blobs_at_once(tmp_path: Path) -> None:
    command = [sys.executable, writing.__file__, "put", str(tmp_path)]
    processes = [subprocess.Popen(command, stdout=subprocess.DEVNULL) for _ in range(4)]
    assert [process.wait(timeout=60) for process in processes] == [0] * 4
    found = {path.name for path in (tmp_path / "blobs/sha256").iterdir()}
    assert found == {digest_of(content).removeprefix("sha256:") for content in writing.BLOBS}
    assert [Blobs(tmp_path).get(digest_of(content)) for content in writing.BLOBS] == list(writing.BLOBS)
