"""The token: made once, readable by its owner alone, never guessed by its length."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgewise.errors import BadConfiguration
from edgewise.runtimes import pairing


def test_it_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "token"
    made = pairing.read_or_make(path)
    assert len(made) >= 24
    assert path.stat().st_mode & 0o777 == 0o600
    assert pairing.read_or_make(path) == pairing.read(path) == made
    assert pairing.make() != pairing.make()


def test_a_file_that_everyone_may_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text(pairing.make())
    path.chmod(0o644)
    with pytest.raises(BadConfiguration, match="every user") as caught:
        pairing.read_or_make(path)
    assert "chmod 600" in caught.value.hint


@pytest.mark.parametrize("content", ["", "short", "a token with spaces in it", "ä" * 20, "x" * 201, "\0" * 20])
def test_what_is_no_token_is_refused_without_showing_it(tmp_path: Path, content: str) -> None:
    path = tmp_path / "token"
    path.write_text(content)
    path.chmod(0o600)
    with pytest.raises(BadConfiguration, match="holds no token") as caught:
        pairing.read(path)
    assert not content or content not in caught.value.message


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(BadConfiguration, match="cannot be read"):
        pairing.read(tmp_path / "token")
    with pytest.raises(BadConfiguration, match="cannot be written"):
        pairing.read_or_make(tmp_path / "folder" / "token")


@given(st.text(), st.text())
def test_same_is_equality(a: str, b: str) -> None:
    assert pairing.same(a, a)
    assert pairing.same(a, b) == (a == b)
