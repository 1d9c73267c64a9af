"""Tables: whole words, 80 columns, no colours in a pipe."""

import json

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from edgewise.cli import _figures, output
from edgewise.cli._say import HARMLESS
from edgewise.cli.config import Output
from edgewise.nouns import Limit, Measurement, Provenance, ProvenanceKind, Quantity

Row = tuple[str, ...]


def _columns(count: int, drop: int = 1) -> list[output.Column[Row]]:
    return [
        output.Column(title=f"C{n}", text=lambda row, n=n: row[n], drop=n * drop, wide=n == count - 1)
        for n in range(count)
    ]


def _lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().out.splitlines()


def test_words_wrap_and_are_never_cut(capsys: pytest.CaptureFixture[str]) -> None:
    output.table([("alpha " * 30, "beta " * 30, "")], _columns(3))
    lines = _lines(capsys)
    assert max(map(len, lines)) <= 80
    words = {word for line in lines[1:] for word in line.split()}
    assert words == {"alpha", "beta"}


def test_least_important_column_goes_first_and_stderr_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    output.table([("a" * 40, "b" * 30, "c" * 30, "")], _columns(4))
    out, err = capsys.readouterr()
    assert "b" * 30 in out
    assert "c" * 30 not in out
    assert err == "left out for want of width: C2 (all columns: -o wide)\n"


def test_what_may_not_be_dropped_is_printed_whole(capsys: pytest.CaptureFixture[str]) -> None:
    output.table([("a" * 60, "b" * 60, "")], _columns(3, drop=0))
    assert f"{'a' * 60}  {'b' * 60}" in capsys.readouterr().out


def test_wide_is_one_line_a_row(capsys: pytest.CaptureFixture[str]) -> None:
    output.table([("word " * 50, "more " * 50, "last")] * 3, _columns(3), wide=True)
    lines = _lines(capsys)
    assert len(lines) == 4
    assert lines[1].endswith("last")


def test_sentences_wrap_at_spaces_and_addresses_stay_whole(capsys: pytest.CaptureFixture[str]) -> None:
    address = "https://example.org/" + "a/" * 60
    output.sentence(f"first\n{'word ' * 20}{address}")
    output.bullet(f"{'word ' * 20}{address}")
    lines = _lines(capsys)
    assert [lines[0], lines[3]] == ["first", address]
    assert lines[4].startswith("- word")
    assert lines[6] == f"  {address}"


def test_empty_listing_has_its_head(capsys: pytest.CaptureFixture[str]) -> None:
    output.listing([], Output.TABLE, columns=_columns(3), document=list, name=str)
    assert _lines(capsys) == ["C0  C1"]


def test_columns_of_the_terminal(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    output.table([("word " * 30, "", "")], _columns(3))
    assert max(map(len, _lines(capsys))) <= 40


def test_colours_where_they_are_forced_but_not_with_no_color(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    output.sentence("yes", "red")
    assert "\x1b[31m" in capsys.readouterr().out
    monkeypatch.setenv("NO_COLOR", "1")
    output.sentence("no", "red")
    assert "\x1b[31m" not in capsys.readouterr().out


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.text(max_size=60), st.text(max_size=60), st.text(max_size=60)), max_size=4))
def test_nothing_from_outside_is_markup_or_moves_the_cursor(rows: list[Row]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        written: list[str] = []
        patch.setattr(output.sys.stdout, "writelines", written.extend)
        output.table(rows, _columns(3), wide=True)
    assert len(written) >= 1 + len(rows)
    assert all(sign.isprintable() or sign in HARMLESS for line in written for sign in line.rstrip("\n"))


def test_figures() -> None:
    measured = Provenance(kind=ProvenanceKind.MEASURED, by="this", date="2026-01-01", load=0.5)
    declared = Provenance(kind=ProvenanceKind.DECLARED, by="edge.yaml")
    latency = Measurement(value=1.5, low=1.25, high=2, unit="ms", n=40, provenance=measured)
    assert _figures.figure(latency) == "1.50 ms"
    assert _figures.interval(latency) == "1.25 ms to 2.00 ms"
    assert _figures.source(latency) == "measured on this, 2026-01-01"
    assert _figures.figure(Measurement.exact(3, "W", declared)) == "~3.00 W"
    assert _figures.interval(Measurement.exact(3, "W", declared)) == "exact"
    assert _figures.figure(None) == "-"
    assert _figures.value(2.5e12, "op/s") == "2.50 TOPS"
    assert _figures.value(12, "ms2") == "12.0 ms2"


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [(10, "ms", "10 ms"), (64 * 2**20, "B", "64 MiB"), (0.01, "", "0.01"), (1.5, "W", "1.5 W"), (100, "/s", "100/s")],
)
def test_limit_is_as_short_as_a_person_writes_it(value: float, unit: str, text: str) -> None:
    assert _figures.limit(Limit(quantity=Quantity.POWER, value=value, unit=unit)) == text


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(st.text(max_size=20), st.text(max_size=40), max_size=4), st.sampled_from(["json", "yaml"]))
def test_documents_come_back_as_they_were_and_move_no_cursor(document: dict[str, str], form: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        written: list[str] = []
        patch.setattr(output.sys.stdout, "write", written.append)
        output.data(document, Output(form))
    text = "".join(written)
    assert (json.loads if form == "json" else yaml.safe_load)(text) == document
    assert all(sign.isprintable() or sign == "\n" for sign in text)
