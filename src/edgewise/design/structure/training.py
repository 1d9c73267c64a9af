"""Running train.py: what it declares, and one structure built or fitted, each in a child process of its own.

What is run is a copy: train.py, the modules that it imported from its own folder, and the files it names in
`FILES`, laid out in a temporary folder. So the same bytes decide a training here and on another machine, and
they are its key in the store. A file that was not declared is not there, and the training says so.
"""

import os
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from edgewise import units
from edgewise.design import models
from edgewise.design.structure.space import Space, Structure, declared
from edgewise.errors import BadTraining, ChildFailed, EdgewiseError, NotFound
from edgewise.runtimes.child import Child
from edgewise.store.blobs import digest_of

LOOK_TIMEOUT_S = 120.0
BUILD_TIMEOUT_S = 300.0
FIT_TIMEOUT_S = 4 * 3600.0
MAX_FILES_BYTES = 2 << 30
_WORKER = "edgewise.design.structure._worker"
_UNDECLARED = "a training sees copies of train.py, its own modules and what it names in FILES = [...]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """A train.py that was looked at.

    Attributes:
        name: of the file, within `files`.
        space: the declared ranges.
        builds: whether it has `build`, so that a structure can be estimated before it is trained.
        files: content of every file that decides a training, by its path relative to train.py's folder.
    """

    name: str
    space: Space
    builds: bool
    files: Mapping[str, bytes] = field(repr=False)

    @property
    def digest(self) -> str:
        """Of all files, names included."""
        parts = [f"{name}\0{digest_of(content)}" for name, content in sorted(self.files.items())]
        return digest_of("\n".join([self.name, *parts]).encode())


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One call of train.py: `function` is "build" or "fit"."""

    function: str
    structure: Structure
    seed: int
    timeout_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """What came of a job.

    Attributes:
        files: the model file first, then what it refers to: name and content. Empty where it failed.
        log: what train.py printed.
        failure: why there is no model, one sentence; "" where there is one.
        lasting: trying again would end the same.
        duration_s: wall time.
    """

    files: tuple[tuple[str, bytes], ...] = field(default=(), repr=False)
    log: str = ""
    failure: str = ""
    lasting: bool = True
    duration_s: float = 0.0


def look(path: Path) -> Training:
    """What the train.py at `path` declares, and the files that it consists of.

    Raises:
        NotFound: there is no such file, or one that FILES names is not there.
        BadTraining: it cannot be imported, has no `fit`, or its ranges are none.
    """
    if not path.is_file():
        raise NotFound(f"there is no training at {path}", hint="name it in edge.yaml: model.train")
    try:
        with Child(_WORKER, name=path.name) as child:
            answer = child.call("declared", timeout_s=LOOK_TIMEOUT_S, path=str(path.resolve()))
    except ChildFailed as error:
        raise BadTraining(
            f"{path.name} cannot be imported: {error.message}",
            log=error.log,
            hint="it is imported in a process of its own and must declare STRUCTURE and fit(structure)",
        ) from error
    if "fit" not in answer["functions"]:
        raise BadTraining(f"{path.name} has no function fit", hint="fit(structure) returns the path of an ONNX file")
    names = dict.fromkeys([*answer["modules"], *answer["files"]])
    return Training(
        name=path.name,
        space=declared(answer["ranges"]),
        builds="build" in answer["functions"],
        files=_content(path.parent, list(names)),
    )


def _content(folder: Path, names: list[str]) -> dict[str, bytes]:
    content: dict[str, bytes] = {}
    size = 0
    for name in names:
        path = folder / name
        if Path(name).is_absolute() or ".." in Path(name).parts:
            raise BadTraining(f"FILES names {name}", hint="name files below train.py's own folder, relative to it")
        if not path.is_file():
            raise NotFound(f"FILES names {name}, and there is no such file", hint=f"looked for in {folder}")
        size += path.stat().st_size
        if size > MAX_FILES_BYTES:
            raise BadTraining(
                f"FILES holds more than {units.show(MAX_FILES_BYTES, units.SIZE)}",
                hint="read a large data set from a path that every worker has instead",
            )
        content[name] = path.read_bytes()
    return content


def run(training: Training, job: Job) -> Made:
    """Do `job`; never raises for what user code does. Runs wherever an engine puts it."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="edgewise-train-", ignore_cleanup_errors=True) as scratch:
        path = _laid_out(training, Path(scratch))
        with Child(_WORKER, name=f"{training.name}:{job.function}") as child:
            try:
                answer = child.call(
                    "call",
                    timeout_s=job.timeout_s,
                    path=str(path),
                    function=job.function,
                    structure=dict(job.structure),
                    seed=job.seed,
                )
                files = _model_files(Path(answer["model"]))
            except ChildFailed as error:
                spent = time.monotonic() - started
                hint = f" ({_UNDECLARED})" if "No such file" in error.message else ""
                return Made(
                    failure=error.message + hint,
                    log=error.log or child.log(),
                    lasting=error.lasting or bool(hint) or spent >= job.timeout_s,
                    duration_s=spent,
                )
            except EdgewiseError as error:
                spent = time.monotonic() - started
                return Made(failure=f"{job.function} made no model: {error.message}", log=child.log(), duration_s=spent)
            return Made(files=files, log=child.log(), duration_s=time.monotonic() - started)


def _laid_out(training: Training, folder: Path) -> Path:
    for name, content in training.files.items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    return folder / training.name


def _model_files(path: Path) -> tuple[tuple[str, bytes], ...]:
    model = models.read(path)
    return tuple((file.name, (path.parent / file.name).read_bytes()) for file in model.files)


def cores() -> int:
    """Trainings that run side by side on this machine."""
    return max(1, len(os.sched_getaffinity(0)))
