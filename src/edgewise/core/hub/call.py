"""What a call of the API is: its address, who may make it, what it takes and what it answers; and the call as it comes.

One table of these makes the routes, checks what comes in, and writes the OpenAPI document: what is not declared is
not taken.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

from edgewise.core.database.engine import Database
from edgewise.core.hub.fleet import Due, unknown
from edgewise.core.hub.users import Role, User
from edgewise.errors import BadInput

SILENCE_S = 900
BODY_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Hub:
    """What every call works with.

    Attributes:
        now_s: seconds since 1970.
        silence_s: a device that was not heard of for longer is Offline.
        due: what a device should run.
    """

    database: Database
    now_s: Callable[[], int]
    silence_s: int = SILENCE_S
    due: Due = unknown


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One text or whole number in an address or after the question mark.

    Attributes:
        schema: JSON Schema: type string (pattern, enum, maxLength, default), or integer (minimum, maximum, default).
    """

    name: str
    help: str
    schema: Mapping[str, Any]
    inside: str = "query"

    def value(self, text: str | None) -> Any:
        """What `text` means.

        Raises:
            BadInput: it is not what the schema says.
        """
        if text is None:
            return self.schema.get("default", "")
        if self.schema["type"] == "integer":
            return self._number(text)
        fits = len(text) <= self.schema.get("maxLength", 256) and "\0" not in text and _is_text(text)
        fits = fits and text in self.schema.get("enum", (text,))
        fits = fits and bool(re.search(self.schema.get("pattern", ""), text))
        if not fits:
            raise BadInput(f"{self.name} cannot be {text[:80]!r}", hint=self.help)
        return text

    def _number(self, text: str) -> int:
        low, high = self.schema["minimum"], self.schema["maximum"]
        if not re.fullmatch(r"[0-9]{1,15}", text) or not low <= int(text) <= high:
            raise BadInput(f"{self.name} is a whole number from {low} to {high}, not {text[:80]!r}")
        return int(text)


def _is_text(text: str) -> bool:
    return not re.search("[\ud800-\udfff]", text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A call as it came, checked against what its `Call` declares.

    Attributes:
        values: of the parameters, by name; defaults where they were not given.
        body: as it came; `document` is what it means, where the call declares a model of it.
    """

    values: Mapping[str, Any]
    user: User | None = None
    body: bytes = b""
    document: Any = None
    address: str = ""

    @property
    def who(self) -> str:
        """Name for the audit log."""
        return self.user.name if self.user else "nobody"


@dataclass(frozen=True, slots=True, kw_only=True)
class Raw:
    """An answer that is bytes already."""

    content: bytes
    media_type: str
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One line of the table.

    Attributes:
        path: with `{name}` for parameters inside of it.
        role: who may; None for everybody, where a signature or token in the body decides.
        answer: type of what `run` returns, for the document; None for no content, bytes for `Raw`.
        body: model of a JSON body; bytes for one that `run` reads itself, whose form is `schema`; None for none.
        media_type: of the answer, where it is bytes.
        refusals: status codes that this call answers beside those that every call may.
    """

    method: str
    path: str
    summary: str
    run: Callable[[Hub, Asked], Any]
    answer: Any = None
    role: Role | None = Role.VIEWER
    parameters: tuple[Parameter, ...] = ()
    body: type[BaseModel] | type[bytes] | None = None
    schema: Mapping[str, Any] = field(default_factory=dict)
    limit_bytes: int = BODY_BYTES
    media_type: str = "application/json"
    takes: str = "application/json"
    status: int = 200
    refusals: tuple[int, ...] = ()


def text(name: str, help: str, *, inside: str = "query", longest: int = 256, **schema: Any) -> Parameter:
    """A parameter that is a text."""
    return Parameter(name=name, help=help, inside=inside, schema={"type": "string", "maxLength": longest, **schema})


def number(name: str, help: str, *, low: int, high: int, default: int) -> Parameter:
    """A parameter that is a whole number."""
    return Parameter(
        name=name, help=help, schema={"type": "integer", "minimum": low, "maximum": high, "default": default}
    )


LIMIT = number("limit", "How many at most.", low=1, high=1000, default=100)
