"""Errors as HTTP has them: the one place where a kind of error becomes a status, and a sentence with a hint a body."""

import json

from edgewise.errors import (
    BadInput,
    Conflict,
    DatabaseLost,
    EdgewiseError,
    NotFound,
    NotPermitted,
    TokenRefused,
)

RETRY_S = 5


class TooLarge(BadInput):
    """A body that is longer than the call takes."""


class TooMany(EdgewiseError):
    """More calls than are let through; `wait_s` later there is room again."""

    def __init__(self, message: str, *, wait_s: int) -> None:
        super().__init__(message, hint=f"again in {wait_s} s")
        self.wait_s = wait_s


class TooSlow(BadInput):
    """A body that did not come in time."""


class WrongMethod(BadInput):
    """The address is there, for another method."""


class WrongMediaType(BadInput):
    """A body of another media type."""


_STATUS: tuple[tuple[type[EdgewiseError], int], ...] = (
    (TooLarge, 413),
    (TooMany, 429),
    (TooSlow, 408),
    (WrongMethod, 405),
    (WrongMediaType, 415),
    (NotFound, 404),
    (BadInput, 400),
    (TokenRefused, 401),
    (NotPermitted, 403),
    (Conflict, 409),
    (DatabaseLost, 503),
)


def status(error: EdgewiseError) -> int:
    """The status code of `error`; 500 for what nobody foresaw."""
    return next((code for kind, code in _STATUS if isinstance(error, kind)), 500)


def headers(error: EdgewiseError) -> dict[str, str]:
    """What goes with the status."""
    match error:
        case TooMany():
            return {"Retry-After": str(error.wait_s)}
        case DatabaseLost():
            return {"Retry-After": str(RETRY_S)}
        case TokenRefused():
            return {"WWW-Authenticate": 'Bearer realm="edgewise"'}
        case _:
            return {}


def body(error: EdgewiseError) -> bytes:
    """`{"error": SENTENCE, "hint": …}`; how the hub is built is nobody's business."""
    if isinstance(error, DatabaseLost):
        said = {"error": "the hub's database is not there", "hint": "nothing was changed; try again"}
    else:
        said = {"error": error.message, "hint": error.hint}
    return json.dumps(said, ensure_ascii=True).encode()
