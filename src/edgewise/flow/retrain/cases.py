"""Cases that a person has judged, as a folder that a training command can read.

    sha256-…/                named by the manifest's digest: the same cases are the same folder
        manifest.json        what is there: a line for each case, with label, digests and where it comes from
        inputs/<digest>      the inputs, byte for byte as devices sent them
        cases.npz            x and y, where every input is an array of one shape and every label a number

Labels are what people typed. Nothing is guessed: a case without its input, or without an answer, is left out.
"""

import contextlib
import io
import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import numpy.typing as npt

from edgewise.store import atomic
from edgewise.store.blobs import digest_of

MANIFEST, ARRAYS, INPUTS = "manifest.json", "cases.npz", "inputs"
API_VERSION, KIND = "edgewise/v1", "ReviewedCases"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reviewed:
    """A case that a person has judged.

    Attributes:
        label: what is right, in the person's words.
        prediction: JSON text of what the model had said.
        release: digest of the release whose model had said it.
    """

    id: str
    label: str
    input_digest: str
    input_media_type: str
    prediction: str
    confidence: float | None
    why: str
    site: str
    device: str
    release: str
    time_s: int
    answered_by: str
    answered_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseSet:
    """All that was judged of a model.

    Attributes:
        manifest: bytes of manifest.json; equal sets are equal bytes.
    """

    model: str
    cases: tuple[Reviewed, ...]
    manifest: bytes

    @property
    def digest(self) -> str:
        """Of the manifest, and so of everything that it names."""
        return digest_of(self.manifest)


def case_set(model: str, found: Sequence[Reviewed]) -> CaseSet:
    """The set of `found`, in the order of their ids, whatever order they came in."""
    kept = tuple(sorted((one for one in found if one.label and one.input_digest), key=lambda one: one.id))
    document = {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "model": model,
        "cases": [{**asdict(one), "file": _file(one)} for one in kept],
    }
    text = json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False)
    return CaseSet(model=model, cases=kept, manifest=f"{text}\n".encode())


def write(given: CaseSet, folder: Path, content: Callable[[str], bytes]) -> Path:
    """Put `given` below `folder`, in a folder that is whole or not there; that folder.

    Args:
        content: the bytes of an input, by its digest.

    Raises:
        StoreFull, StoreUnusable: it cannot be written.
        others: as `content`.
    """
    target = folder / given.digest.replace(":", "-")
    if (target / MANIFEST).is_file():
        return target
    beside = folder / f"{atomic.TEMPORARY_PREFIX}{uuid4().hex}"
    try:
        inputs = {one.input_digest: content(one.input_digest) for one in given.cases}
        for one in given.cases:
            atomic.write(beside / _file(one), inputs[one.input_digest])
        if (arrays := _arrays(given, inputs)) is not None:
            atomic.write(beside / ARRAYS, arrays)
        atomic.write(beside / MANIFEST, given.manifest)
        shutil.rmtree(target, ignore_errors=True)  # what an interruption left
        atomic.settle_folder(beside, target)
    except OSError as error:
        raise atomic.explain(error, target) from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return target


def _file(one: Reviewed) -> str:
    return f"{INPUTS}/{one.input_digest.removeprefix('sha256:')}"


def _arrays(given: CaseSet, inputs: dict[str, bytes]) -> bytes | None:
    """The arrays x and y as an .npz; None where the cases are no such arrays."""
    x, y = [], []
    for one in given.cases:
        array = _array(inputs[one.input_digest])
        label = _number(one.label)
        if array is None or label is None:
            return None
        x.append(array)
        y.append(label)
    if not x or len({(array.shape, array.dtype) for array in x}) > 1:
        return None
    content = io.BytesIO()
    np.savez(content, x=np.stack(x), y=np.asarray(y))
    return content.getvalue()


def _array(content: bytes) -> npt.NDArray[Any] | None:
    with contextlib.suppress(ValueError, EOFError, OSError):
        found = np.load(io.BytesIO(content), allow_pickle=False)
        return found if isinstance(found, np.ndarray) else None
    return None


def _number(text: str) -> float | int | None:
    for kind in (int, float):
        with contextlib.suppress(ValueError):
            value: float | int = kind(text)
            return value if np.isfinite(value) else None
    return None
