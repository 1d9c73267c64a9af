"""From a model and the steps of edge.yaml's `serve` section to a pipeline that travels as one model folder.

Values find their way by name: a function takes what the pipeline or an earlier step calls like its parameters. Where a
name is not known, and for a model, whose names were given by whoever exported it, what the step before gives is taken
in order, if it is as many values as are wanted.
Inputs of the first step are the pipeline's, outputs of the last one too.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

from edgewise.edge.serve.models.pipeline import check_types
from edgewise.errors import BadModel, NotFound
from edgewise.flow.edgefile import MODEL_STEP
from edgewise.nouns import ModelFile, ServedModel, ServedStep, Signature
from edgewise.runtimes import served, step
from edgewise.store.steps import Store


def piped(model: ServedModel, steps: Sequence[str], folder: Path, store: Store) -> ServedModel:
    """`model` with `steps` around it; further files are put into `store`.

    Args:
        steps: as edge.yaml has them.
        folder: of the edge.yaml.

    Raises:
        NotFound: a file is not there.
        BadModel: a step does not say what it takes, takes what nobody gives, or as another type than it is given.
    """
    files = {file.name: file for file in model.files}
    made: list[ServedStep] = []
    for one in steps:
        if one == MODEL_STEP:
            bare = ServedStep(
                run=model.files[0].name,
                signature=model.signature,
                takes=(),
                gives=(),
                configuration=model.configuration,
            )
        elif one.endswith(f"/{served.NAME}"):
            bare = _other_model(one, folder, files, store)
        else:
            bare = _function(one, folder, files, store)
        made.append(_wired(bare, made))
    first, last = made[0], made[-1]
    signature = Signature(
        inputs=tuple(
            replace(tensor, name=name) for tensor, name in zip(first.signature.inputs, first.takes, strict=True)
        ),
        outputs=tuple(
            replace(tensor, name=name) for tensor, name in zip(last.signature.outputs, last.gives, strict=True)
        ),
    )
    found = replace(model, files=tuple(files.values()), signature=signature, steps=tuple(made))
    check_types(found)
    return found


def _function(text: str, folder: Path, files: dict[str, ModelFile], store: Store) -> ServedStep:
    file, _, name = text.rpartition(":")
    content = _read(folder / file)
    inside = PurePosixPath(file).name
    known = files.setdefault(inside, _kept(inside, content, store))
    if known != _kept(inside, content, store):
        raise BadModel(f"two files of the pipeline are called {inside}", hint="rename one of them")
    signature = step.signature_of(step.imported(content, inside, name), f"{inside}:{name}")
    return ServedStep(run=f"{inside}:{name}", signature=signature, takes=(), gives=())


def _other_model(text: str, folder: Path, files: dict[str, ModelFile], store: Store) -> ServedStep:
    place = (folder / text).parent
    other = served.read(_read(folder / text))
    if other.steps:
        raise BadModel(f"{text} is a pipeline itself", hint="write its steps out")
    for file in other.files:
        name = f"{place.name}/{file.name}"
        kept = _kept(name, _read(place / file.name), store)
        if kept.digest != file.digest:
            raise BadModel(f"{place / file.name} is not what {text} says", hint="build that model again")
        if files.setdefault(name, kept) != kept:
            raise BadModel(f"two files of the pipeline are called {name}", hint="rename one of the folders")
    return ServedStep(
        run=f"{place.name}/{other.files[0].name}",
        signature=other.signature,
        takes=(),
        gives=(),
        configuration=other.configuration,
    )


def _wired(bare: ServedStep, before: Sequence[ServedStep]) -> ServedStep:
    """`bare` with the names of the values that it takes and gives."""
    names = tuple(tensor.name for tensor in bare.signature.inputs)
    gives = tuple(tensor.name for tensor in bare.signature.outputs)
    if not before:
        return replace(bare, takes=names, gives=gives)
    known = {*before[0].takes, *(name for one in before for name in one.gives)}
    last = before[-1].gives
    by_name, in_order = set(names) <= known, len(names) == len(last)
    if in_order and (bare.configuration is not None or not by_name):
        takes = last
    elif by_name:
        takes = names
    else:
        missing = next(name for name in names if name not in known)
        raise BadModel(
            f"the step {bare.run} takes {missing!r}, which no step before it gives",
            hint=f"name a parameter like one of these: {', '.join(sorted(known))}",
        )
    return replace(bare, takes=takes, gives=gives)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise NotFound(f"{path} cannot be read: {error.strerror or error}", hint="check serve.steps") from error


def _kept(name: str, content: bytes, store: Store) -> ModelFile:
    return ModelFile(name=name, digest=store.blobs.put(content), size_bytes=len(content))
