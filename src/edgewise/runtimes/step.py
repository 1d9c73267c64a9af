"""A step of a pipeline in Python: a function whose annotations say what it takes and gives.

    def scale(image: Annotated[np.ndarray, "uint8[batch, 8]"]) -> Annotated[np.ndarray, "x: float32[batch, 8]"]:
        return image.astype(np.float32) / 255

Parameters have the names of the values that they take; what is given is named before its type, else by the function. A
function that gives several values is annotated with a tuple of them. An axis is a number or a name; a first axis with a
name is the batch.

The code comes from the content that was verified, not from a path: nothing else of the folder can be imported by it,
nor is anything written beside it.
"""

import re
import sys
import types
from collections.abc import Callable
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import numpy as np

from edgewise.errors import BadModel
from edgewise.runtimes.samples import Array
from edgewise.served_nouns import Signature, Tensor

Function = Callable[..., Any]
_TYPE = re.compile(r"(?:([^:\[\]]+):)?\s*([a-z]+[0-9]*)\s*\[([^\[\]]*)\]")
_INTEGERS = ("uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64")
DTYPES = frozenset(("bool", *_INTEGERS, "float16", "float32", "float64", "object"))
"""object is for bytes."""
EXAMPLE = 'Annotated[np.ndarray, "float32[batch, 3]"]'


def imported(content: bytes, file: str, function: str) -> Function:
    """The function called `function` of the Python file with that `content`.

    Raises:
        BadModel: the file does not run, or has no such function.
    """
    module = types.ModuleType(f"edgewise_step_{abs(hash(content)):x}")
    sys.modules[module.__name__] = module  # dataclasses look there while they are made
    try:
        exec(compile(content, file, "exec"), module.__dict__)  # noqa: S102 - it is named by digest in model.json
    except (Exception, SystemExit) as error:  # whatever the file does
        raise BadModel(
            f"{file} cannot be imported: {type(error).__name__}: {error}", hint=f"try: python {file}"
        ) from error
    finally:
        del sys.modules[module.__name__]
    found = module.__dict__.get(function)
    if not callable(found):
        raise BadModel(f"{file} has no function {function!r}", hint="a step is file.py:function")
    made: Function = found
    return made


def signature_of(function: Function, what: str) -> Signature:
    """What `function` takes and gives, by its annotations.

    Args:
        what: its name in messages.

    Raises:
        BadModel: it does not say.
    """
    try:
        hints = get_type_hints(function, include_extras=True)
    except Exception as error:  # annotations may be any expression
        raise BadModel(f"the annotations of {what} cannot be read: {error}", hint=f"annotate like {EXAMPLE}") from error
    given = hints.pop("return", None)
    code = function.__code__
    names = code.co_varnames[: code.co_argcount]
    if code.co_kwonlyargcount or code.co_flags & 0x0C or not names:
        raise BadModel(f"{what} must take each value as a parameter of its own", hint=f"annotate each like {EXAMPLE}")
    inputs = tuple(tensor(hints.get(name), name, what) for name in names)
    parts = get_args(given) if get_origin(given) is tuple else (given,)
    name = str(function.__name__)
    outputs = tuple(
        tensor(part, name if len(parts) == 1 else f"{name}_{index}", what) for index, part in enumerate(parts)
    )
    if len({one.name for one in outputs}) < len(outputs):
        raise BadModel(f"{what} gives two values of the same name", hint='name them: "left: float32[batch]"')
    return Signature(inputs=inputs, outputs=outputs)


def tensor(hint: object, name: str, what: str) -> Tensor:
    """The tensor that an annotation says; called `name` where the annotation has no name of its own."""
    texts = [part for part in get_args(hint)[1:] if isinstance(part, str)] if get_origin(hint) is Annotated else []
    match = _TYPE.fullmatch(texts[0].strip()) if texts else None
    if match is None or match[2] not in DTYPES:
        raise BadModel(f"{what} does not say what {name} is", hint=f"annotate it like {EXAMPLE}")
    axes = [axis.strip() for axis in match[3].split(",")] if match[3].strip() else []
    shape = tuple(int(axis) if axis.isdigit() else axis for axis in axes)
    if any(isinstance(axis, str) and not axis.isidentifier() for axis in shape):
        raise BadModel(f"{what}: {texts[0]!r} has an axis that is neither a number nor a name", hint=EXAMPLE)
    return Tensor(name=(match[1] or name).strip(), dtype=match[2], shape=shape)


def called(function: Function, inputs: list[Array], signature: Signature, what: str) -> list[Array]:
    """Outputs of `function`, held to what it declares.

    Raises:
        ValueError: it gives something else.
    """
    given = function(*inputs)
    outputs = [np.asarray(one) for one in (given if isinstance(given, tuple) else (given,))]
    if len(outputs) != len(signature.outputs):
        raise ValueError(f"the step {what} gave {len(outputs)} values and declares {len(signature.outputs)}")
    for array, declared in zip(outputs, signature.outputs, strict=True):
        if array.dtype.name != declared.dtype or not fits(array.shape, declared.shape):
            raise ValueError(
                f"the step {what} gave {array.dtype.name}{list(array.shape)} for {declared.name} and declares"
                f" {shown(declared)}"
            )
    return [np.ascontiguousarray(array) if array.ndim else array for array in outputs]


def fits(shape: tuple[int | str, ...], wanted: tuple[int | str, ...]) -> bool:
    """True where `shape` may be one of `wanted`; an axis with a name is any size."""
    if "..." in (*shape[:1], *wanted[:1]):
        return True
    return len(shape) == len(wanted) and all(
        one == other or isinstance(one, str) or isinstance(other, str) for one, other in zip(shape, wanted, strict=True)
    )


def shown(one: Tensor) -> str:
    """As annotations have it."""
    return f"{one.dtype}[{', '.join(map(str, one.shape))}]"
