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
from edgewise.nouns import (
    Golden,
    ModelFile,
    RuntimeConfiguration,
    RuntimeName,
    ServedModel,
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
    return json.dumps(HEADER | asdict(model), sort_keys=True, indent=1, ensure_ascii=False).encode() + b"\n"


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
    configuration = dict(given["configuration"])
    configuration["runtime"] = RuntimeName(configuration["runtime"])
    golden = given.get("golden")
    signature = given["signature"]
    made = ServedModel(
        **{
            **given,
            "configuration": RuntimeConfiguration(**configuration),
            "files": tuple(_file(one) for one in given["files"]),
            "signature": Signature(
                inputs=tuple(_tensor(one) for one in signature["inputs"]),
                outputs=tuple(_tensor(one) for one in signature["outputs"]),
            ),
            "golden": Golden(**{**golden, "file": _file(golden["file"])}) if golden else None,
        }
    )
    _check(made)
    return made


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
    threads = model.configuration.threads
    if not isinstance(threads, int) or isinstance(threads, bool) or threads < 1:
        raise ValueError(f"{threads!r} is no number of threads")
    for tensor in (*model.signature.inputs, *model.signature.outputs):
        if not all(isinstance(size, int | str) and not isinstance(size, bool) for size in tensor.shape):
            raise ValueError(f"the tensor {tensor.name!r} has the shape {tensor.shape!r}")
