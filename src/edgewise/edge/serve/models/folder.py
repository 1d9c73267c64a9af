"""A model folder: model.json and the files that it names.

Every file is copied once, while its digest is computed, into a private folder that the runtime loads from: what was
verified is what is loaded, and whatever happens to the model folder afterwards does not reach a running session. Where
the folder lies on a read-only file system (an image), nothing can change: the files are hashed and loaded in place.
"""

import hashlib
import os
import shutil
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from edgewise.errors import BadModel, NotFound, WrongBytes
from edgewise.runtimes import served
from edgewise.served_nouns import ModelFile, ServedModel

CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Folder:
    """What a folder offers.

    Attributes:
        digest: of model.json's bytes, which names the model and all its files.
    """

    path: Path
    model: ServedModel
    digest: str


class Staged:
    """The verified files of a model, for as long as something loads from them."""

    def __init__(self, folder: Path, *, private: bool) -> None:
        self.folder = folder
        self._private = private

    def remove(self) -> None:
        """Drop the names; what is mapped stays."""
        if self._private:
            shutil.rmtree(self.folder, ignore_errors=True)


def read(path: Path, *, digest: str = "") -> Folder:
    """The model folder at `path`.

    Args:
        digest: what its model.json must have; "" for any.

    Raises:
        NotFound: there is no model.json.
        BadModel: it cannot be read.
        WrongBytes: it has another digest.
    """
    try:
        content = _bounded(path / served.NAME)
    except OSError as error:
        raise NotFound(
            f"{path} is no model folder: {served.NAME}: {error.strerror or error}", hint="edgewise build makes one"
        ) from error
    found = f"sha256:{hashlib.sha256(content).hexdigest()}"
    if digest and found != digest:
        raise WrongBytes(
            f"{path / served.NAME} has the digest {found}, and EDGEWISE_MODEL_DIGEST wants {digest}",
            hint="another model than the one that was released lies there; it is not served",
        )
    return Folder(path=path, model=served.read(content), digest=found)


def stage(folder: Folder) -> Staged:
    """The files of `folder`, verified.

    Raises:
        NotFound: a file is missing.
        WrongBytes: a file is not what model.json says.
    """
    model = folder.model
    files = (*model.files, *((model.golden.file,) if model.golden else ()))
    if _read_only(folder.path):
        for file in files:
            _copy(folder, file, None)
        return Staged(folder.path, private=False)
    target = Path(tempfile.mkdtemp(prefix="edgewise-model-"))
    try:
        for file in files:
            _copy(folder, file, target)
    except BaseException:
        shutil.rmtree(target, ignore_errors=True)
        raise
    return Staged(target, private=True)


def _bounded(path: Path) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise BadModel(f"{path} is no file")
        return file.read(served.LIMIT_BYTES + 1)


def _read_only(path: Path) -> bool:
    return bool(os.statvfs(path).f_flag & os.ST_RDONLY)


def _copy(folder: Folder, file: ModelFile, target: Path | None) -> None:
    """Hash one file, and copy it below `target` where there is one."""
    source = folder.path / file.name
    try:
        descriptor = os.open(source, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise NotFound(f"{source} is missing: {error.strerror}", hint="copy the whole model folder") from error
    with os.fdopen(descriptor, "rb") as reader:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise BadModel(f"{source} is no file")
        if status.st_size != file.size_bytes:
            raise _other(source, f"{status.st_size} bytes", f"{file.size_bytes}")
        found = _through(reader, None if target is None else target / file.name)
    if found != file.digest:
        raise _other(source, f"the digest {found}", file.digest)


def _through(reader: IO[bytes], target: Path | None) -> str:
    """The digest of what is read, which is also written to `target` where there is one."""
    state = hashlib.sha256()
    if target is None:
        while chunk := reader.read(CHUNK_BYTES):
            state.update(chunk)
        return f"sha256:{state.hexdigest()}"
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("xb") as writer:
        while chunk := reader.read(CHUNK_BYTES):
            state.update(chunk)
            writer.write(chunk)
    return f"sha256:{state.hexdigest()}"


def _other(source: Path, found: str, wanted: str) -> WrongBytes:
    return WrongBytes(
        f"{source} has {found}, and {served.NAME} says {wanted}",
        hint="the file was changed after it was built; copy the model folder again",
    )
