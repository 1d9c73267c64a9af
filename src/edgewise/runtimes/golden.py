"""The golden: inputs with expected outputs, and whether this machine reproduces them.

An .npz with arrays "x0", "x1", … and "y0", "y1", …, in the model's order, rows along the first axis. It comes with a
model from elsewhere: it is bounded before it is unpacked, never unpickled, and every array is checked.

An output y is reproduced where |y - expected| <= absolute + relative * |expected|. NaN is reproduced by NaN, infinity
by the same infinity, and neither by anything else.
"""

import re
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np

from edgewise.errors import BadModel, GoldenMissed
from edgewise.runtimes.samples import Array
from edgewise.served_nouns import Golden, Signature

LIMIT_BYTES = 256 << 20
LIMIT_ARRAYS = 256
UNKNOWN_RANK = ("...",)
_MEMBER = re.compile(r"([xy])(0|[1-9][0-9]{0,2})\.npy")


@dataclass(frozen=True, slots=True, kw_only=True)
class Examples:
    """Inputs and expected outputs, in the model's order; rows along the first axis of each."""

    inputs: tuple[Array, ...]
    outputs: tuple[Array, ...]

    def __len__(self) -> int:
        return len(self.inputs[0])


@dataclass(frozen=True, slots=True, kw_only=True)
class Miss:
    """The first value that is not reproduced.

    Attributes:
        output: position among the model's outputs.
        index: of the value, rows first.
        allowed: how far it may be from `expected`.
        count, total: values of this output that are not reproduced, of how many.
    """

    output: int
    index: tuple[int, ...]
    expected: float
    got: float
    allowed: float
    count: int
    total: int


def read(file: Path | IO[bytes]) -> Examples:
    """The examples in `file`.

    Raises:
        BadModel: it is no such file, or too large.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            _bounded(archive)
        if not isinstance(file, Path):
            file.seek(0)
        with np.load(file, allow_pickle=False) as arrays:
            found = {name: arrays[name] for name in arrays.files}
        return _ordered(found)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, NotImplementedError, MemoryError) as error:
        raise BadModel(f"the golden cannot be read: {error}", hint="edgewise build writes it anew") from error


def _bounded(archive: zipfile.ZipFile) -> None:
    members = archive.infolist()
    if len(members) > LIMIT_ARRAYS:
        raise ValueError(f"it has {len(members)} arrays, more than {LIMIT_ARRAYS}")
    size = sum(member.file_size for member in members)
    if size > LIMIT_BYTES:
        raise ValueError(f"it unpacks to {size} bytes, more than {LIMIT_BYTES}")
    for member in members:
        if not _MEMBER.fullmatch(member.filename):
            raise ValueError(f"{member.filename!r} is neither x0.npy, x1.npy, … nor y0.npy, y1.npy, …")


def _ordered(found: dict[str, Array]) -> Examples:
    inputs = tuple(found.pop(f"x{index}") for index in range(sum(name[0] == "x" for name in found)))
    outputs = tuple(found.pop(f"y{index}") for index in range(len(found)))
    if not inputs or not outputs:
        raise ValueError("it has no inputs" if not inputs else "it has no outputs")
    rows = {len(array) if array.ndim else 0 for array in (*inputs, *outputs)}
    if len(rows) > 1 or 0 in rows:
        raise ValueError(f"its arrays have {' and '.join(map(str, sorted(rows)))} rows")
    return Examples(inputs=inputs, outputs=outputs)


def compare(got: Sequence[Array], expected: Sequence[Array], *, absolute: float, relative: float) -> Miss | None:
    """The first value of `got` that is not within tolerance, None where all are.

    Raises:
        ValueError: shapes or the number of outputs differ.
    """
    if len(got) != len(expected):
        raise ValueError(f"the model gives {len(got)} outputs, and the golden has {len(expected)}")
    for output, (one, wanted) in enumerate(zip(got, expected, strict=True)):
        if one.shape != wanted.shape and one.shape == wanted.shape[1:] and len(wanted) == 1:
            one = one[None]  # noqa: PLW2901 - an output of a single row may lack that axis
        if one.shape != wanted.shape:
            raise ValueError(
                f"output {output} has the shape {list(one.shape)}, and the golden has {list(wanted.shape)}"
            )
        miss = _miss(output, one, wanted, absolute, relative)
        if miss is not None:
            return miss
    return None


def _miss(output: int, got: Array, expected: Array, absolute: float, relative: float) -> Miss | None:
    if expected.dtype.kind not in "biuf" or got.dtype.kind not in "biuf":
        bad = np.asarray(got != expected)
        tolerance = np.zeros(expected.shape)
    else:
        got, expected = got.astype(np.float64), expected.astype(np.float64)
        with np.errstate(invalid="ignore", over="ignore"):
            tolerance = absolute + relative * np.abs(expected)
            close = np.abs(got - expected) <= tolerance
        finite = np.isfinite(expected)
        same = (got == expected) | (np.isnan(got) & np.isnan(expected))
        bad = np.where(finite, ~close, ~same)
    if not bad.any():
        return None
    index = tuple(int(axis) for axis in np.unravel_index(int(np.argmax(bad)), bad.shape))
    return Miss(
        output=output, index=index, expected=_number(expected[index]), got=_number(got[index]),
        allowed=float(tolerance[index]), count=int(bad.sum()), total=bad.size,
    )  # fmt: skip


def _number(value: object) -> float:
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return float("nan")


def prove(
    run: Callable[[Sequence[Array]], Sequence[Array]], examples: Examples, golden: Golden, signature: Signature
) -> None:
    """Run every example on its own and hold it to what is expected.

    Args:
        run: outputs for inputs, in the model's order.

    Raises:
        GoldenMissed: the first value that is not reproduced, in a sentence.
    """
    names = [tensor.name for tensor in signature.outputs]
    for row, inputs, expected in single(examples, signature):
        try:
            miss = compare(run(inputs), expected, absolute=golden.absolute, relative=golden.relative)
        except ValueError as error:
            raise GoldenMissed(
                f"the golden is not reproduced at example {row}: {error}", hint="this model and its golden do not fit"
            ) from error
        if miss is not None:
            raise GoldenMissed(sentence(miss, row, names), hint="this machine computes something else than was proven")


def single(examples: Examples, signature: Signature) -> Iterator[tuple[int, list[Array], list[Array]]]:
    """One inference after the other: its first row, its inputs and its expected outputs.

    An inference takes one row where the first axis is a name, as many as the first axis says where it is a number, and
    one row without that axis where the model's input has none.

    Raises:
        GoldenMissed: the examples do not fit the signature.
    """
    tensor, array = signature.inputs[0], examples.inputs[0]
    if len(examples.inputs) != len(signature.inputs):
        raise GoldenMissed(
            f"the golden has {len(examples.inputs)} inputs, and the model takes {len(signature.inputs)}",
            hint="this model and its golden do not fit",
        )
    bare = len(tensor.shape) == array.ndim - 1 and tensor.shape != UNKNOWN_RANK
    first = tensor.shape[0] if tensor.shape else 1
    step = first if isinstance(first, int) and not bare else 1
    for row in range(0, len(examples) // step * step, step):
        pick = row if bare else slice(row, row + step)
        yield (
            row,
            [np.asarray(one[pick], order="C") for one in examples.inputs],
            [np.asarray(one[pick]) for one in examples.outputs],
        )


def sentence(miss: Miss, row: int, names: Sequence[str] = ()) -> str:
    """What was expected, what came, and how far off it may have been."""
    name = names[miss.output] if miss.output < len(names) else f"number {miss.output}"
    return (
        f"the golden is not reproduced: example {row}, output {name} at {list(miss.index)}: expected"
        f" {miss.expected:.9g}, got {miss.got:.9g}, allowed is a difference of {miss.allowed:.3g};"
        f" {miss.count} of {miss.total} values are beyond their tolerance"
    )
