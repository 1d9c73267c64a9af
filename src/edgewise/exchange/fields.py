"""JSON from the other side: its size is bounded before it is parsed, and every field is checked where it is taken.

Keys that nobody asks for are passed over, so that an older reader takes a newer writer's documents; a document of
another kind or version of the API is refused.
"""

import json
import math
import re
from collections.abc import Mapping
from typing import Any, Final

from edgewise.errors import BadMessage

Json = Any
"""A JSON value: what `json.dumps` takes."""
API_VERSION: Final = "edgewise/v1"
NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
"""Names of sites, devices and models in documents: DNS labels (RFC 1123), so that they can stand in paths and hosts."""
_IDENTIFIER = re.compile(r"[0-9a-f]{32}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


def written(kind: str, fields: Mapping[str, Json]) -> bytes:
    """The document of `kind`: keys sorted, no spaces, UTF-8."""
    document = {"apiVersion": API_VERSION, "kind": kind, **fields}
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def parsed(content: bytes, *kinds: str, limit_bytes: int) -> "Fields":
    """The fields of the document `content`.

    Raises:
        BadMessage: it is longer than `limit_bytes`, no JSON, has a key twice, or is none of `kinds`.
    """
    kind = " or ".join(kinds)
    if len(content) > limit_bytes:
        raise BadMessage(f"a {kind} of {len(content)} bytes is longer than {limit_bytes}")
    try:
        document = json.loads(content.decode(), object_pairs_hook=_once, parse_constant=_no_constant)
        if b"\\u" in content:  # half of a surrogate pair is no text, and no database takes it
            json.dumps(document, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise BadMessage(f"a {kind} is no JSON: {error}") from error
    found = Fields(document, kind)
    if found.text("apiVersion") != API_VERSION:
        raise BadMessage(f"a {kind} says apiVersion: {found.text('apiVersion')!r}, not {API_VERSION!r}")
    if found.text("kind") not in kinds:
        raise BadMessage(f"a document is of the kind {found.text('kind')!r}, not {kind}")
    return found


class Fields:
    """One JSON object, whose fields are taken by name and type.

    Every method raises BadMessage where the field is missing, of another type, or out of bounds; the message names it.
    """

    def __init__(self, value: Json, where: str) -> None:
        if not isinstance(value, dict):
            raise BadMessage(f"{where} is no JSON object")
        self._value = value
        self._where = where

    def text(self, name: str, *, most: int = 1024, default: str | None = None) -> str:
        """A string of at most `most` characters, without NUL."""
        value = self._taken(name, default)
        if not isinstance(value, str) or len(value) > most or "\0" in value:
            raise self._wrong(name, f"a text of at most {most} characters")
        return value

    def name(self, name: str) -> str:
        """A DNS label."""
        value = self.text(name, most=63)
        if not NAME.fullmatch(value):
            raise self._wrong(name, "a name of small letters, digits and dashes")
        return value

    def identifier(self, name: str) -> str:
        """32 hexadecimal digits."""
        value = self.text(name, most=32)
        if not _IDENTIFIER.fullmatch(value):
            raise self._wrong(name, "an identifier of 32 hexadecimal digits")
        return value

    def flag(self, name: str) -> bool:
        """True or false; false where it is missing."""
        value = self._taken(name, False)
        if not isinstance(value, bool):
            raise self._wrong(name, "true or false")
        return value

    def digest(self, name: str, *, default: str | None = None) -> str:
        """`sha256:` and 64 hexadecimal digits; `default` where it is missing or empty."""
        value = self._taken(name, default) or default
        if value is not None and value == default:
            return value
        if not isinstance(value, str) or not _DIGEST.fullmatch(value):
            raise self._wrong(name, "a digest (sha256:…)")
        return value

    def count(self, name: str, *, default: int | None = None) -> int:
        """A whole number from 0 up to 2^53, which every JSON reader can hold."""
        value = self._taken(name, default)
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= 1 << 53:
            raise self._wrong(name, "a whole number from 0")
        return value

    def number(self, name: str, *, default: float | None = None) -> float:
        """A finite number from 0."""
        value = self._taken(name, default)
        if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value) or value < 0:
            raise self._wrong(name, "a number from 0")
        return float(value)

    def optional_number(self, name: str) -> float | None:
        """A finite number from 0; None where it is missing or null."""
        return None if self._value.get(name) is None else self.number(name)

    def items(self, name: str, *, most: int) -> list["Fields"]:
        """A list of at most `most` objects; empty where it is missing."""
        return [Fields(one, f"{self._where}.{name}[{index}]") for index, one in enumerate(self._list(name, most))]

    def texts(self, name: str, *, most: int, longest: int = 256) -> tuple[str, ...]:
        """A list of at most `most` strings; empty where it is missing."""
        found = self._list(name, most)
        if not all(isinstance(one, str) and len(one) <= longest and "\0" not in one for one in found):
            raise self._wrong(name, f"a list of texts of at most {longest} characters")
        return tuple(found)

    def mapping(self, name: str, *, most: int, longest: int = 256) -> dict[str, str]:
        """An object of at most `most` strings; empty where it is missing."""
        found = self._taken(name, {})
        if not isinstance(found, dict) or len(found) > most:
            raise self._wrong(name, f"an object of at most {most} texts")
        if not all(
            isinstance(one, str) and len(one) <= longest and "\0" not in one for pair in found.items() for one in pair
        ):
            raise self._wrong(name, f"an object of texts of at most {longest} characters")
        return dict(found)

    def counts(self, name: str, *, most: int) -> dict[str, int]:
        """An object of at most `most` whole numbers from 0; empty where it is missing."""
        found = self._taken(name, {})
        if not isinstance(found, dict) or len(found) > most:
            raise self._wrong(name, f"an object of at most {most} whole numbers")
        numbers = Fields(found, f"{self._where}.{name}")
        return {key: numbers.count(key) for key in found}

    def inner(self, name: str) -> "Fields":
        """An object in this one."""
        return Fields(self._taken(name, None), f"{self._where}.{name}")

    def optional_inner(self, name: str) -> "Fields | None":
        """An object in this one; None where it is missing or null."""
        return None if self._value.get(name) is None else self.inner(name)

    def _list(self, name: str, most: int) -> list[Json]:
        found = self._taken(name, [])
        if not isinstance(found, list) or len(found) > most:
            raise self._wrong(name, f"a list of at most {most}")
        return found

    def _taken(self, name: str, default: Json) -> Json:
        value = self._value.get(name, default)
        if value is None:
            raise BadMessage(f"{self._where} has no {name}")
        return value

    def _wrong(self, name: str, wanted: str) -> BadMessage:
        return BadMessage(f"{self._where}.{name} is not {wanted}")


def _once(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key stands there twice")
    return found


def _no_constant(name: str) -> Json:
    raise ValueError(f"{name} is no number")
