"""The parameters that a request, an input or an output carries, in whichever protocol."""

from collections.abc import Mapping

from edgewise.edge.serve.faults import BadRequest

Parameter = bool | int | float | str
_UNSUPPORTED = ("shared_memory_region", "sequence_id", "sequence_start", "sequence_end", "classification")
_DIGITS = 19


def check(given: Mapping[str, Parameter]) -> None:
    """Refuse what would change the meaning of the request and is not offered; others may say what they like.

    Raises:
        BadRequest: shared memory, sequences or classification are asked for.
    """
    for name in _UNSUPPORTED:
        if given.get(name):
            raise BadRequest(f"the parameter {name} is not offered")


def flag(given: Mapping[str, Parameter], name: str) -> bool:
    """A truth value, False where it is not given.

    Raises:
        BadRequest: it is none.
    """
    value = given.get(name, False)
    if not isinstance(value, bool):
        raise BadRequest(f"the parameter {name} is neither true nor false")
    return value


def whole(given: Mapping[str, Parameter], name: str) -> int:
    """A whole number, 0 where it is not given; as text too, for so some clients send it.

    Raises:
        BadRequest: it is none, or negative.
    """
    value = given.get(name, 0)
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < _DIGITS:
        value = int(value)
    if type(value) is not int or not 0 <= value < 1 << 63:
        raise BadRequest(f"the parameter {name} is no whole number")
    return value
