"""Unit files as values: sections with keys in order, written and read as systemd and Podman's generator do.

`word` and `literal` are the two ways into a unit: a word of a command line or of a list, and a value that is taken as
it stands. Both let nothing through that would end the line, and neither lets systemd expand anything but `HOME` where a
path begins with it.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from edgewise.errors import BadNodeFile

HOME = "%h"
"""How units call the home of the user whose systemd runs them."""
_PLAIN = re.compile(r"[A-Za-z0-9_@%+=:,./$\[\]-]+")
_CONTROL = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A section: its name and its keys with values, in order; a key may stand there more than once."""

    name: str
    entries: tuple[tuple[str, str], ...]

    def last(self, key: str) -> str | None:
        """The value that counts where one may stand: the last."""
        return next((value for name, value in reversed(self.entries) if name == key), None)

    def every(self, key: str) -> list[str]:
        """All values of `key` since the last empty one, which forgets those before it."""
        found: list[str] = []
        for name, value in self.entries:
            if name == key:
                found = [*found, value] if value else []
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """A unit file, by the name that it has in its folder."""

    name: str
    sections: tuple[Section, ...]

    def section(self, name: str) -> Section:
        """The section `name`, empty where there is none."""
        return next((one for one in self.sections if one.name == name), Section(name=name, entries=()))


def of_release(digest: str) -> Section:
    """A section that systemd and Podman pass over: it says whose unit this is, and of which release."""
    return Section(name="X-Edgewise", entries=(("Release", literal(f"io.edgewise.release={digest}")),))


def literal(text: str) -> str:
    """`text` as a value that is taken as it stands; specifiers of systemd are escaped.

    Raises:
        BadNodeFile: it would end the line, or go on in the next.
    """
    if _CONTROL.search(text) or text.endswith("\\") or text != text.strip():
        raise BadNodeFile(f"{text!r} cannot stand in a unit file", hint="leave out control characters and outer spaces")
    return _escaped(text)


def word(text: str) -> str:
    """`text` as one word of a command line or list: quoted where needed, nothing in it expanded.

    Raises:
        BadNodeFile: it holds a control character.
    """
    if _CONTROL.search(text):
        raise BadNodeFile(f"{text!r} cannot stand in a unit file", hint="leave out control characters")
    return _quoted(_escaped(text).replace("$", "$$"))


def path_variable(name: str, path: str) -> str:
    """`NAME=PATH` of Environment=, where the path may begin with `HOME`.

    Raises:
        BadNodeFile: it holds a control character.
    """
    if _CONTROL.search(path):
        raise BadNodeFile(f"{path!r} cannot stand in a unit file", hint="leave out control characters")
    return _quoted(f"{name}={_escaped(path)}")


def _quoted(text: str) -> str:
    if _PLAIN.fullmatch(text):
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _escaped(text: str) -> str:
    """`text` with systemd's specifiers escaped, but for the home that a path begins with."""
    in_home = text.startswith(f"{HOME}/")
    return f"{HOME if in_home else ''}{text[len(HOME) * in_home :].replace('%', '%%')}"


def words(texts: Sequence[str]) -> str:
    """A command line of `texts`."""
    return " ".join(map(word, texts))


def written(unit: Unit) -> bytes:
    """The file: equal units are equal bytes."""
    return "\n".join(_section(section) for section in unit.sections if section.entries).encode()


def read(name: str, content: bytes) -> Unit:
    """The unit in `content`, as Podman's generator reads it: sections of one name are one.

    Raises:
        BadNodeFile: a line is neither key and value, section nor comment; or a key stands before every section.
    """
    try:
        lines = content.decode().removesuffix("\n").split("\n")
    except UnicodeDecodeError as error:
        raise BadNodeFile(f"{name} is not UTF-8") from error
    sections: dict[str, list[tuple[str, str]]] = {}
    current: list[tuple[str, str]] | None = None
    for number, line in _joined(lines):
        if line.startswith("["):
            current = sections.setdefault(_section_name(name, number, line), [])
        else:
            key, equals, value = line.partition("=")
            if not equals or not key.strip():
                raise BadNodeFile(f"{name}:{number}: {line!r} is neither a key with a value, a section nor a comment")
            if current is None:
                raise BadNodeFile(f"{name}:{number}: a key stands before the first section")
            current.append((key.rstrip(), value.strip()))
    found = tuple(Section(name=title, entries=tuple(entries)) for title, entries in sections.items())
    return Unit(name=name, sections=found)


def _joined(lines: Sequence[str]) -> Iterator[tuple[int, str]]:
    """Lines with their numbers, continuations joined, comments and empty ones left out."""
    before = ""
    for number, raw in enumerate(lines, 1):
        line = raw.strip()
        if not line or line[0] in "#;":
            continue
        if line.endswith("\\") and number < len(lines):
            before += line[:-1]
            continue
        yield number, before + line.removesuffix("\\")
        before = ""


def _section_name(file: str, number: int, line: str) -> str:
    title = re.fullmatch(r"\[([^\[\]\x00-\x1f]+)\]", line)
    if title is None:
        raise BadNodeFile(f"{file}:{number}: {line!r} is no section")
    return title[1]


def _section(section: Section) -> str:
    return f"[{section.name}]\n" + "".join(f"{key}={value}\n" for key, value in section.entries)
