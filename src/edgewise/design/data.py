"""Calibration and evaluation data: read, checked against the model, split by a seed.

What comes in is an .npz (arrays x and y, or one array an input by its name, and y) or a function that
returns such arrays. What comes out is trusted: dtypes are the model's, everything is finite, the two
splits share no sample.
"""

import hashlib
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgewise import units
from edgewise.design.metrics import imported
from edgewise.errors import BadData, DataNotFinite, NotFound
from edgewise.nouns import DataSummary, Model, Tensor

Array = npt.NDArray[Any]

MAX_BYTES = 8 << 30
MIN_SAMPLES = 20
MAX_CALIBRATION = 200
UNKNOWN_RANK = ("...",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One side of the split: an array an input, [n, …], in the model's order, and y [n, …] if there is one."""

    inputs: tuple[Array, ...]
    y: Array | None

    def __len__(self) -> int:
        return len(self.inputs[0])


@dataclass(frozen=True, slots=True, kw_only=True)
class Data:
    """Data that fits the model.

    Attributes:
        batched: the model's first axis is the batch; else a sample is the whole input.
        batch: rows that one inference takes; 1 unless the model fixes another number.
        axes: size of every named dynamic axis of the model in one inference; a name that stands for two
            sizes is left out.
    """

    summary: DataSummary
    calibration: Part
    evaluation: Part
    batched: bool
    batch: int
    axes: Mapping[str, int]

    @property
    def sample_shapes(self) -> tuple[tuple[int, ...], ...]:
        """Shape of every input in one inference."""
        head = (self.batch,) if self.batched else ()
        return tuple(head + array.shape[1:] for array in self.evaluation.inputs)


def load(source: str, model: Model, *, seed: int, folder: Path) -> Data:
    """The data that `source` names, checked against `model` and split.

    Args:
        source: path of an .npz, or module:function or file.py:function returning a mapping of arrays.
        seed: decides the split, and nothing else does.
        folder: of the edge.yaml; modules are looked for there too.

    Raises:
        NotFound: no such file.
        BadData: names, shapes, dtypes or lengths do not fit the model.
        DataNotFinite: NaN or infinity.
    """
    arrays = _read_npz(Path(source)) if source.endswith(".npz") else _call(source, folder)
    inputs = _inputs(arrays, model)
    y = arrays.get("y")
    counts = {len(array) for array in inputs} | ({len(y)} if y is not None and y.ndim else set())
    if (y is not None and y.ndim == 0) or len(counts) != 1:
        lengths = ", ".join(f"{name} {len(a) if a.ndim else 'no'}" for name, a in arrays.items())
        raise BadData(f"the arrays differ in their number of samples: {lengths}", hint="give one row a sample")
    batched, batch = _batching(model.signature.inputs, inputs)
    cast = tuple(_cast(array, tensor) for array, tensor in zip(inputs, model.signature.inputs, strict=True))
    if y is not None:
        y = _checked_labels(y)
    calibration, evaluation, summary = _split(cast, y, seed=seed, batch=batch)
    return Data(
        summary=summary,
        calibration=calibration,
        evaluation=evaluation,
        batched=batched,
        batch=batch,
        axes=_axes(model.signature.inputs, cast, batched=batched, batch=batch),
    )


def _read_npz(path: Path) -> dict[str, Array]:
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
    except FileNotFoundError:
        raise NotFound(f"there is no data at {path}", hint="name the .npz in edge.yaml: model.data") from None
    except Exception as error:  # what zipfile raises for damaged bytes has no common class
        raise BadData(f"{path} is not an .npz: {error}", hint="write it with numpy.savez(path, x=x, y=y)") from None
    if size > MAX_BYTES:
        raise BadData(
            f"{path} unpacks to {units.show(size, units.SIZE)}, more than {units.show(MAX_BYTES, units.SIZE)}",
            hint="a few hundred to a few thousand samples are enough",
        )
    try:
        with np.load(path, allow_pickle=False) as archive:
            members = {name: archive[name] for name in archive.files}
    except Exception as error:  # nor has what numpy and zlib raise
        raise BadData(f"{path} cannot be read: {error}", hint="plain arrays only, no objects") from None
    return {name: array for name, array in members.items() if isinstance(array, np.ndarray)}


def _call(source: str, folder: Path) -> dict[str, Array]:
    module, colon, function = source.rpartition(":")
    if not colon:
        raise BadData(
            f"{source} is neither an .npz nor a function",
            hint="name an .npz, package.module:function or file.py:function",
        )
    called = imported(module, function, folder, BadData)
    try:
        given = called()
        return {str(name): np.asarray(array) for name, array in dict(given).items()}
    except Exception as error:
        raise BadData(
            f"{source} failed: {type(error).__name__}: {error}",
            hint="it is called without arguments and must return a mapping of arrays, such as {'x': x, 'y': y}",
        ) from error


def _inputs(arrays: Mapping[str, Array], model: Model) -> list[Array]:
    """The arrays for the model's inputs, in its order."""
    wanted = [tensor.name for tensor in model.signature.inputs]
    if len(wanted) == 1:
        name = "x" if "x" in arrays else wanted[0]
        if name not in arrays:
            raise BadData(
                f"the data has {_named(arrays)}, and x is needed for the model's input {wanted[0]}",
                hint="write it with numpy.savez(path, x=x, y=y)",
            )
        found = [arrays[name]]
    else:
        missing = [name for name in wanted if name not in arrays]
        if missing:
            raise BadData(
                f"the data has {_named(arrays)}, and the model also takes {', '.join(missing)}",
                hint=f"give one array an input by its name: {', '.join(wanted)}",
            )
        found = [arrays[name] for name in wanted]
    if any(array.ndim == 0 for array in found):
        raise BadData("an input array holds one number only", hint="give one row a sample")
    return found


def _named(arrays: Mapping[str, Array]) -> str:
    names = sorted(arrays)
    shown = ", ".join(names[:6]) + (", …" if len(names) > 6 else "")
    return f"the arrays {shown}" if names else "no arrays"


def _batching(tensors: tuple[Tensor, ...], inputs: list[Array]) -> tuple[bool, int]:
    """Whether the first axis is the batch, and how many rows one inference takes."""
    modes = {_fit(tensor, array) for tensor, array in zip(tensors, inputs, strict=True)}
    if len(modes) != 1:
        raise BadData(
            "some inputs have a batch axis and some have none, or their batches differ",
            hint="give every array one row a sample, shaped as the model takes it",
        )
    return modes.pop()


def _fit(tensor: Tensor, array: Array) -> tuple[bool, int]:
    shape, sample = tensor.shape, array.shape[1:]
    if shape == UNKNOWN_RANK:
        return True, 1
    if len(shape) == array.ndim and _matches(shape[1:], sample):
        batch = shape[0] if isinstance(shape[0], int) else 1
        return True, batch
    if len(shape) == len(sample) and _matches(shape, sample):
        return False, 1
    wanted = "[" + ", ".join(["n", *(str(axis) for axis in shape[1:])]) + "]"
    given = "[" + ", ".join(str(axis) for axis in array.shape) + "]"
    hint = "reshape the data"
    if sorted(map(str, shape[1:])) == sorted(map(str, sample)):
        hint = "the axes are in another order: transpose the data"
    raise BadData(f"the model's input {tensor.name} takes {wanted}, and the data is {given}", hint=hint)


def _matches(shape: tuple[int | str, ...], sample: tuple[int, ...]) -> bool:
    return len(shape) == len(sample) and all(
        isinstance(axis, str) or axis == size for axis, size in zip(shape, sample, strict=True)
    )


def _cast(array: Array, tensor: Tensor) -> Array:
    try:
        wanted = np.dtype(tensor.dtype)
    except TypeError:
        raise BadData(
            f"the model's input {tensor.name} takes {tensor.dtype}, which arrays cannot hold",
            hint="export the model with inputs of float32 or integers",
        ) from None
    if tensor.quantised and array.dtype.kind == "f":
        wanted = np.dtype(np.float32)
    numeric = array.dtype.kind in "biuf" and wanted.kind in "biuf"
    if not numeric or (array.dtype.kind == "f" and wanted.kind != "f"):
        whole = numeric and bool(np.all(array == np.rint(array)))
        raise BadData(
            f"the model's input {tensor.name} takes {wanted}, and the data is {array.dtype}",
            hint=f"convert it first: x.astype('{wanted}')"
            if whole
            else "give what the model was trained on, as numbers",
        )
    _finite(array, f"the data for input {tensor.name}")
    if wanted.kind in "iu" and array.size:
        low, high = np.iinfo(wanted).min, np.iinfo(wanted).max
        if int(array.min()) < low or int(array.max()) > high:
            raise BadData(f"the data for {tensor.name} does not fit {wanted}", hint=f"allowed is {low} to {high}")
    with np.errstate(over="ignore"):  # it is looked for, and told, below
        cast = array.astype(wanted, copy=False)
    if wanted.kind == "f":
        _finite(cast, f"the data for input {tensor.name} as {wanted}")
    return np.ascontiguousarray(cast)


def _finite(array: Array, what: str) -> None:
    if array.dtype.kind != "f":
        return
    bad = ~np.isfinite(array)
    if bad.any():
        rows = np.unique(np.nonzero(bad)[0])
        word = "NaN" if np.isnan(array[bad][0]) else "infinity"
        raise DataNotFinite(
            f"{what} holds {word} in {len(rows)} of {len(array)} samples, the first is sample {rows[0]}",
            hint="remove or fill these samples; a model's answer to them means nothing",
        )


def _checked_labels(y: Array) -> Array:
    if y.dtype.kind not in "biuf":
        raise BadData(f"y holds {y.dtype} values", hint="give class numbers or measured values, not names")
    _finite(y, "y")
    return y


def _axes(tensors: tuple[Tensor, ...], inputs: tuple[Array, ...], *, batched: bool, batch: int) -> dict[str, int]:
    """Size of every named dynamic axis in one inference, where a name has one size only."""
    sizes: dict[str, set[int]] = {}
    for tensor, array in zip(tensors, inputs, strict=True):
        shape = (batch, *array.shape[1:]) if batched else array.shape[1:]
        if len(tensor.shape) != len(shape):  # an unknown rank has no axes to fix
            continue
        for axis, size in zip(tensor.shape, shape, strict=tensor.shape != UNKNOWN_RANK):
            if isinstance(axis, str) and axis not in ("?", *UNKNOWN_RANK):
                sizes.setdefault(axis, set()).add(size)
    return {axis: found.pop() for axis, found in sizes.items() if len(found) == 1}


def _split(inputs: tuple[Array, ...], y: Array | None, *, seed: int, batch: int) -> tuple[Part, Part, DataSummary]:
    """Calibration and evaluation, and how the samples were dealt out."""
    n = len(inputs[0])
    if n < MIN_SAMPLES * batch:
        raise BadData(f"the data has {n} samples, too few to judge by", hint=f"give at least {MIN_SAMPLES * batch}")
    calibration = min(MAX_CALIBRATION, n // 4)
    calibration = max(batch, calibration // batch * batch)
    evaluation = (n - calibration) // batch * batch
    order = np.random.default_rng(seed).permutation(n)
    picks = np.sort(order[:calibration]), np.sort(order[calibration : calibration + evaluation])
    parts = [Part(inputs=tuple(array[pick] for array in inputs), y=None if y is None else y[pick]) for pick in picks]
    summary = DataSummary(
        digest=_digest(inputs, y), samples=n, calibration=calibration, evaluation=evaluation, seed=seed
    )
    return parts[0], parts[1], summary


def _digest(inputs: tuple[Array, ...], y: Array | None) -> str:
    """Digest of the values, whatever file they came from."""
    state = hashlib.sha256()
    for array in (*inputs, *(() if y is None else (y,))):
        state.update(f"{array.dtype.str}{array.shape}".encode())
        state.update(np.ascontiguousarray(array).data if array.size else b"")
    state.update(b"labelled" if y is not None else b"")
    return f"sha256:{state.hexdigest()}"
