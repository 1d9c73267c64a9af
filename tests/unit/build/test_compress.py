"""Compressors: the same bytes whatever the pieces, readable by others, and refused when they answer otherwise."""

import gzip
import io

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from edgewise.build import compress
from edgewise.build.compress import Compression
from edgewise.errors import MissingDependency

PACKING = [Compression.ZSTD, Compression.GZIP]


def opened(content: bytes, compression: Compression) -> bytes:
    if compression is Compression.GZIP:
        return gzip.decompress(content)
    return zstandard.ZstdDecompressor().stream_reader(io.BytesIO(content), read_across_frames=True).read()


@pytest.mark.parametrize("compression", PACKING)
@settings(max_examples=20, deadline=None)
@given(st.lists(st.binary(max_size=5000), max_size=20), st.integers(min_value=1, max_value=4000))
def test_the_pieces_that_come_in_do_not_matter(compression: Compression, pieces: list[bytes], size: int) -> None:
    whole = b"".join(pieces)
    once = b"".join(compress.compressed(pieces, compression))
    cut = [whole[at : at + size] for at in range(0, len(whole), size)]
    assert b"".join(compress.compressed(cut, compression)) == once
    assert opened(once, compression) == whole if once else whole == b""


@pytest.mark.parametrize("compression", PACKING)
def test_more_than_one_piece(compression: Compression, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compress, "PIECE_BYTES", 50_000)
    packed = b"".join(compress.compressed([compress.question()], compression))
    assert opened(packed, compression) == compress.question()
    assert len(packed) < len(compress.question())


def test_gzip_names_no_file_time_or_system() -> None:
    packed = b"".join(compress.compressed([b"x"], Compression.GZIP))
    assert packed[:10] == b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\xff"


@pytest.mark.parametrize("compression", PACKING)
def test_the_known_answer(compression: Compression) -> None:
    compress.check.cache_clear()
    compress.check(compression)
    packed = b"".join(compress.compressed([compress.question()], compression))
    assert opened(packed, compression) == compress.question()


@pytest.mark.parametrize("compression", PACKING)
def test_another_answer_is_refused(compression: Compression, monkeypatch: pytest.MonkeyPatch) -> None:
    compress.check.cache_clear()
    monkeypatch.setattr(compress, "ZSTD_LEVEL", 1)
    monkeypatch.setattr(compress, "GZIP_LEVEL", 1)
    with pytest.raises(MissingDependency, match="other bytes"):
        compress.compressed([b"x"], compression)
    compress.check.cache_clear()
