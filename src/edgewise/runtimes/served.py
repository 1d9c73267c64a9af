"""model.json: a served model as a document that travels beside its files.

What builds images writes it, what serves reads it. A device has neither pydantic nor YAML for it: the document is
bounded before it is parsed and checked by hand, and the first fault is told. Its digest, that of its bytes, names the
model with everything that is served, for it names every file by digest.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from edgewise.errors import BadModel
from edgewise.served_nouns import (
    Golden,
    ModelFile,
    RuntimeConfiguration,
    RuntimeName,
    ServedModel,
    ServedStep,
    Signature,
    Tensor,
)

NAME = "model.json"
LIMIT_BYTES = 1 << 20
HEADER = {"apiVersion": "edgewise/v1", "kind": "ServedModel"}
Json = Any
"""A JSON value: what `json.dumps` takes."""


def written(model: ServedModel) -> bytes:
    """The document of `model`: equal models give equal bytes."""
    document = HEADER | asdict(model)
    if not model.steps:
        del document["steps"]
    return json.dumps(document, sort_keys=True, indent=1, ensure_ascii=False).encode() + b"\n"


def read(content: bytes) -> ServedModel:
    """The model that the document describes.

    Raises:
        BadModel: it is no such document, or too long.
    """
    if len(content) > LIMIT_BYTES:
        raise BadModel(f"{NAME} has {len(content)} bytes, more than {LIMIT_BYTES}")
    try:
        document = json.loads(content)
        if not isinstance(document, dict) or document.items() < HEADER.items():
            raise ValueError("it is not of the kind ServedModel")
        return _model({name: value for name, value in document.items() if name not in HEADER})
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise BadModel(f"{NAME} cannot be read: {error}", hint="edgewise build writes it anew") from error


def _model(given: Mapping[str, Json]) -> ServedModel:
    golden = given.get("golden")
    made = ServedModel(
        **{
            **given,
            "configuration": _configuration(given["configuration"]),
            "files": tuple(_file(one) for one in given["files"]),
            "signature": _signature(given["signature"]),
            "steps": tuple(_step(one) for one in given.get("steps", ())),
            "golden": Golden(**{**golden, "file": _file(golden["file"])}) if golden else None,
        }
    )
    _check(made)
    return made


def _configuration(given: Mapping[str, Json]) -> RuntimeConfiguration:
    return RuntimeConfiguration(**{**given, "runtime": RuntimeName(given["runtime"])})


def _signature(given: Mapping[str, Json]) -> Signature:
    return Signature(
        inputs=tuple(_tensor(one) for one in given["inputs"]),
        outputs=tuple(_tensor(one) for one in given["outputs"]),
    )


def _step(given: Mapping[str, Json]) -> ServedStep:
    configuration = given.get("configuration")
    return ServedStep(
        **{
            **given,
            "signature": _signature(given["signature"]),
            "takes": tuple(given["takes"]),
            "gives": tuple(given["gives"]),
            "configuration": None if configuration is None else _configuration(configuration),
        }
    )


def _file(given: Mapping[str, Json]) -> ModelFile:
    return ModelFile(**given)


def _tensor(given: Mapping[str, Json]) -> Tensor:
    return Tensor(**{**given, "shape": tuple(given["shape"])})


def _check(model: ServedModel) -> None:
    files = (*model.files, *((model.golden.file,) if model.golden else ()))
    if not model.files:
        raise ValueError("it names no files")
    for one in files:
        parts = one.name.split("/")
        if not one.name or any(part in ("", ".", "..") for part in parts) or "\0" in one.name or "\\" in one.name:
            raise ValueError(f"the file name {one.name!r} leads out of its folder")
        prefix, _, digits = one.digest.partition(":")
        if prefix != "sha256" or len(digits) != 64 or not set(digits) <= set("0123456789abcdef"):
            raise ValueError(f"{one.digest!r} is no digest")
        if not isinstance(one.size_bytes, int) or one.size_bytes < 0:
            raise ValueError(f"{one.size_bytes!r} is no size")
    for text in (model.name, model.version, model.design):
        if not isinstance(text, str):
            raise TypeError(f"{text!r} is no text")
    if not model.name or not model.version or "/" in model.name + model.version:
        raise ValueError(f"{model.name!r} in version {model.version!r} is no name of a model")
    _check_configuration(model.configuration)
    _check_signature(model.signature)
    if model.steps:
        _check_steps(model)


def _check_configuration(configuration: RuntimeConfiguration) -> None:
    threads = configuration.threads
    if not isinstance(threads, int) or isinstance(threads, bool) or threads < 1:
        raise ValueError(f"{threads!r} is no number of threads")


def _check_steps(model: ServedModel) -> None:
    """That every step runs a file of the folder, and takes only what is there by then."""
    names = {file.name for file in model.files}
    known = {tensor.name for tensor in model.signature.inputs}
    for step in model.steps:
        file, _, function = step.run.partition(":") if step.configuration is None else (step.run, "", "")
        if file not in names or (step.configuration is None and not function.isidentifier()):
            raise ValueError(f"the step {step.run!r} runs none of its files")
        if step.configuration is not None:
            _check_configuration(step.configuration)
        _check_signature(step.signature)
        if len(step.takes) != len(step.signature.inputs) or len(step.gives) != len(step.signature.outputs):
            raise ValueError(f"the step {step.run!r} names other values than it takes and gives")
        missing = [name for name in step.takes if name not in known]
        if missing:
            raise ValueError(f"the step {step.run!r} takes {missing[0]!r}, which no earlier step gives")
        known.update(step.gives)
    for tensor in model.signature.outputs:
        if tensor.name not in known:
            raise ValueError(f"no step gives the output {tensor.name!r}")
    if not any(step.run == model.files[0].name for step in model.steps):
        raise ValueError(f"no step runs {model.files[0].name!r}")


def _check_signature(signature: Signature) -> None:
    for tensor in (*signature.inputs, *signature.outputs):
        if not all(isinstance(size, int | str) and not isinstance(size, bool) for size in tensor.shape):
            raise ValueError(f"the tensor {tensor.name!r} has the shape {tensor.shape!r}")
