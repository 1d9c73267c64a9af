"""A document from outside is read whole or refused with every fault; no text whatever brings a traceback."""

from pathlib import Path
from typing import Annotated, Literal

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import Field

from edgewise import documents, units
from edgewise.documents import Document, InUnits, load
from edgewise.errors import BadDocument, EdgewiseError, NotFound


class Part(Document):
    name: str
    size: Annotated[float, InUnits(units.SIZE)] | None = None
    kind: Literal["small", "large"] = "small"


class Whole(Document):
    parts: list[Part] = Field(default=[], max_length=3)
    named: dict[Annotated[str, Field(pattern="^[a-z]+$")], Part] = Field(default={})
    first: Part | None = None
    count: int = Field(default=1, ge=1)
    format_version: Literal[1] = Field(default=1, alias="formatVersion")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "whole.yaml"


def loaded(file: Path, text: str | bytes) -> Whole:
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return load(file, Whole, what="whole")


def faults(file: Path, text: str | bytes) -> list[tuple[int, str]]:
    """Line and "where: problem" of every fault."""
    with pytest.raises(BadDocument) as caught:
        loaded(file, text)
    assert caught.value.exit_code == 10
    found = []
    for fault in caught.value.faults:
        prefix = f"{file}:{fault.line}: "
        assert str(fault).startswith(prefix)
        found.append((fault.line, str(fault).removeprefix(prefix)))
    return found


def only(file: Path, text: str | bytes) -> tuple[int, str]:
    found = faults(file, text)
    assert len(found) == 1
    return found[0]


class TestWhatIsRead:
    def test_values_arrive_with_their_types(self, file: Path) -> None:
        text = "formatVersion: 1\nparts: [{name: a, size: 2KiB}, {name: b}]\nnamed: {x: {name: c, kind: large}}\n"
        whole = loaded(file, text)
        assert [part.size for part in whole.parts] == [2048, None]
        assert whole.named["x"].kind == "large"

    def test_a_byte_order_mark_is_no_fault(self, file: Path) -> None:
        assert loaded(file, b"\xef\xbb\xbfcount: 2\n").count == 2

    def test_an_anchor_that_nobody_uses_is_harmless(self, file: Path) -> None:
        assert loaded(file, "count: &n 2\n").count == 2

    def test_a_document_cannot_be_changed_afterwards(self, file: Path) -> None:
        whole = loaded(file, "count: 2\n")
        with pytest.raises(ValueError, match="frozen"):
            whole.count = 3


class TestFaults:
    def test_all_are_listed_at_once_in_the_order_of_their_lines(self, file: Path) -> None:
        text = """\
formatVersion: 2
cuont: 3
parts:
  - name: a
    size: 10
  - kind: larg
  - name: 5
    size: 64Mb
named:
  Not Good:
    name: x
first:
count: 0
"""
        assert faults(file, text) == [
            (1, "formatVersion: found 2; allowed are 1"),
            (2, "cuont: found an unknown key; allowed are count, first, formatVersion, named, parts; "
                "did you mean count?"),
            (5, "parts.0.size: found 10 without a unit; allowed is a size such as "
                "10B, 10KiB, 10MiB, 10GiB, 10TiB"),
            (6, "parts.1.name: this key is missing"),
            (6, "parts.1.kind: found 'larg'; allowed are small, large; did you mean large?"),
            (7, "parts.2.name: found 5; allowed is text (put it in quotes)"),
            (8, "parts.2.size: found the unit 'Mb'; allowed is a size such as 10B, 10KiB, 10MiB, 10GiB, 10TiB; "
                "did you mean MB?"),
            (10, "named.Not Good: found 'Not Good'; allowed is text that matches ^[a-z]+$"),
            (13, "count: found 0; allowed is greater than or equal to 1"),
        ]  # fmt: skip

    def test_the_message_counts_them(self, file: Path) -> None:
        with pytest.raises(BadDocument, match="has 2 faults"):
            loaded(file, "count: 0\nformatVersion: 2\n")
        with pytest.raises(BadDocument, match="has one fault"):
            loaded(file, "count: 0\n")

    def test_a_fault_in_a_list_names_the_line_of_its_item(self, file: Path) -> None:
        assert only(file, "parts:\n  - name: a\n\n  # more\n  - 7\n") == (5, "parts.1: found 7; allowed is a mapping")

    def test_too_many_items(self, file: Path) -> None:
        text = "count: 1\nparts: [{name: a}, {name: b}, {name: c}, {name: d}]\n"
        assert only(file, text) == (2, "parts: found a list; allowed is 3 or fewer")

    @pytest.mark.parametrize(
        ("text", "found"),
        [
            ("null", "nothing"),
            ("5", "5"),
            ("[]", "an empty list"),
            ("[1]", "a list"),
            ("2024-01-01", "the date 2024-01-01"),
        ],
    )
    def test_something_else_than_a_mapping(self, file: Path, text: str, found: str) -> None:
        assert only(file, text) == (1, f"found {found}; allowed is a mapping")

    def test_the_python_name_of_a_key_is_no_key(self, file: Path) -> None:
        assert "did you mean formatVersion?" in only(file, "format_version: 1\n")[1]

    @pytest.mark.parametrize("value", ["yes", "1.0", "'1'"])
    def test_values_are_not_bent_into_the_right_type(self, file: Path, value: str) -> None:
        assert "allowed is a valid integer" in only(file, f"count: {value}\n")[1]

    def test_messages_do_not_repeat_a_long_value(self, file: Path) -> None:
        for value in ("x" * 5000, f"[{'1, ' * 5000}]", f"{{{', '.join(f'k{n}: 1' for n in range(5000))}}}"):
            assert len(only(file, f"parts: [{{name: a, size: {value}}}]\n")[1]) < 200


class TestWhatYamlAllowsAndWeDoNot:
    def test_duplicate_keys_name_both_lines(self, file: Path) -> None:
        text = "count: 1\nparts:\n  - name: a\n    name: b\ncount: 2\n"
        found = faults(file, text)
        assert sorted(found) == [
            (4, "the key 'name' is already on line 3"),
            (5, "the key 'count' is already on line 1"),
        ]

    @pytest.mark.parametrize("text", ["a: &x 1\nb: *x\n", "&x [*x]", "a: &x {name: 1}\nb: {<<: *x}\n"])
    def test_aliases(self, file: Path, text: str) -> None:
        assert any("anchors and aliases are not allowed" in problem for _, problem in faults(file, text))

    def test_a_bomb_of_aliases_does_not_go_off(self, file: Path) -> None:
        lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
        lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 40)]
        assert "anchors and aliases are not allowed" in only(file, "\n".join(lines))[1]

    @pytest.mark.parametrize(
        "text",
        ["!!python/object/apply:os.system [true]", "!mine a", "!!set {a}", "!!omap [a: 1]", "!!binary aGk=", "=",
         "!!map x", "!!str [a]", "!!seq {a: 1}"],
    )  # fmt: skip
    def test_tags_of_its_own(self, file: Path, text: str) -> None:
        line, problem = faults(file, f"count: 1\nparts: {text}\n")[0]
        assert line == 2
        assert "is not allowed" in problem

    @pytest.mark.parametrize("key", ["? [1, 2]\n", "? {a: 1}\n", "<<", "1", "yes", "null", "2024-01-01", "1.5"])
    def test_keys_that_are_no_names(self, file: Path, key: str) -> None:
        assert any("a key must be a plain name" in problem for _, problem in faults(file, f"{key}: {{}}\n"))

    @pytest.mark.parametrize(
        "value", ["9" * 5000, "0x_", "2024-13-45", "!!int a", "!!bool a", "!!float a", "!!int", "!!timestamp a"]
    )
    def test_values_that_are_not_what_they_look_like(self, file: Path, value: str) -> None:
        assert faults(file, f"formatVersion: 1\ncount: {value}\n")[0][0] == 2

    @pytest.mark.parametrize("value", ['"a\\0b"', '"\\ud800"'])
    def test_text_that_no_file_name_can_hold(self, file: Path, value: str) -> None:
        assert "half a character" in only(file, f"first:\n  name: {value}\n")[1]


class TestWhatIsNoDocument:
    @pytest.mark.parametrize("text", ["", "\n\n", "# only a comment\n", "---\n"])
    def test_empty(self, file: Path, text: str) -> None:
        assert only(file, text)[1] in ("the file is empty", "found nothing; allowed is a mapping")

    @pytest.mark.parametrize(
        ("text", "line"),
        [("count: 1\n\tparts: 1", 2), ("a: [1\nb: 2\n", 2), ("count: 'x\n", 2), ("count: 1\n---\ncount: 2\n", 2)],
    )
    def test_bad_yaml_names_the_line(self, file: Path, text: str, line: int) -> None:
        found, problem = only(file, text)
        assert found == line
        assert problem.startswith("not YAML: ")

    @pytest.mark.parametrize("text", ['"\\UFFFFFFFF"', '"\\U00110000"', "a: \x07", "\x00"])
    def test_characters_that_do_not_exist(self, file: Path, text: str) -> None:
        assert only(file, text)[1].startswith("not YAML: ")

    @pytest.mark.parametrize("text", ["[" * 20_000, "- " * 20_000 + "a", "{a: " * 20_000, "? " * 20_000])
    def test_deep_nesting(self, file: Path, text: str) -> None:
        assert only(file, text)[1] == "nested too deeply"

    @pytest.mark.parametrize("depth", [50, 100, 200, 300, 400])
    def test_nesting_that_only_just_parses(self, file: Path, depth: int) -> None:
        text = f"parts: [{{name: a, size: {'[' * depth}{']' * depth}}}]\n"
        assert only(file, text)[1] in (
            "nested too deeply",
            "parts.0.size: found a list; allowed is a size such as 10B, 10KiB, 10MiB, 10GiB, 10TiB",
        )

    @pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"count: \xe9\n", "count: 1\n".encode("utf-16")])
    def test_not_utf8(self, file: Path, content: bytes) -> None:
        with pytest.raises(BadDocument, match="not text in UTF-8"):
            loaded(file, content)

    def test_one_byte_too_large(self, file: Path) -> None:
        comment = b"count: 2\n#"
        assert loaded(file, comment.ljust(documents.MAX_BYTES, b"x")).count == 2
        with pytest.raises(BadDocument, match="larger than 1024 KiB"):
            loaded(file, comment.ljust(documents.MAX_BYTES + 1, b"x"))

    def test_too_many_values_stop_early(self, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(documents, "MAX_NODES", 100)
        assert loaded(file, f"parts: []  # {'a, ' * 200}\n").parts == []
        assert only(file, "parts:\n" + "- a\n" * 200) == (99, "not YAML: more than 100 values")

    def test_missing(self, file: Path) -> None:
        with pytest.raises(NotFound, match="there is no whole at") as caught:
            load(file, Whole, what="whole")
        assert caught.value.exit_code == 18
        assert "init" not in caught.value.hint
        with pytest.raises(NotFound) as caught:
            load(file, Whole, what="edge.yaml")
        assert "edgewise init" in caught.value.hint

    def test_a_folder(self, tmp_path: Path) -> None:
        with pytest.raises(NotFound, match="Is a directory"):
            load(tmp_path, Whole, what="whole")


PIECES = st.sampled_from(
    ["count", "parts", "named", "first", "name", "size", "kind", ": ", "\n", "  ", "- ", "[", "]", "{", "}", ",", "&a ",
     "*a", "!!int ", "!x ", "<<", "? ", "| \n", "> \n", "'", '"', "\\U", "#", "---\n", "%YAML 9.9\n", "=", "0x_", "1",
     "64MiB", "1:60", "!!timestamp ", "!!bool ", "2024-99-99", "~", "yes", ".nan", "\t", "\x85", "\u2028", "\ufeff"]
)  # fmt: skip


def loads_or_says_why(file: Path) -> bool:
    try:
        return isinstance(load(file, Whole, what="whole"), Whole)
    except EdgewiseError as error:
        return bool(error.message) and all(fault.problem for fault in getattr(error, "faults", ()))


@settings(max_examples=400, deadline=None)
@example("[" * 3000)
@example("a: =")
@example('"\\UFFFFFFFF"')
@given(st.text() | st.lists(PIECES, max_size=40).map("".join))
def test_no_text_whatever_brings_a_traceback(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    file = tmp_path_factory.getbasetemp() / "any.yaml"
    file.write_bytes(text.encode("utf-8", errors="surrogatepass"))
    assert loads_or_says_why(file)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
def test_no_bytes_whatever_bring_a_traceback(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    file = tmp_path_factory.getbasetemp() / "any-bytes.yaml"
    file.write_bytes(content)
    assert loads_or_says_why(file)
