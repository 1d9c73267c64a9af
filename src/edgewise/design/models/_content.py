"""What a file is, told from its first bytes, and what to do about the ones that are no model for us."""

import hashlib
import io
import os
import stat
import zipfile
from pathlib import Path

from edgewise.errors import BadModel, NotFound
from edgewise.nouns import ModelFile, ModelFormat

MAX_BYTES = 2**31  # protobuf's and flatbuffers' own limit
_TO_ONNX_FROM_TORCH = "export it with torch.onnx.export(model, example, 'model.onnx')"
_TO_ONNX_FROM_KERAS = "convert it: python -m tf2onnx.convert --keras FILE --output model.onnx, or export TFLite"
_TO_ONNX_FROM_TF = "convert it: python -m tf2onnx.convert --saved-model FOLDER --output model.onnx"

# Magic bytes at an offset -> (what it is, what to do).
_FOREIGN: tuple[tuple[int, bytes, str, str], ...] = (
    (
        0,
        b"version https://git-lfs.github.com/spec/",
        "is a Git LFS pointer, not the model",
        "fetch it with git lfs pull",
    ),
    (0, b"GGUF", "is a GGUF file (GGUF magic), not supported by plan yet", "plan takes ONNX and TFLite"),
    (0, b"\x89HDF\r\n\x1a\n", "is an HDF5 file, as Keras writes (.h5)", _TO_ONNX_FROM_KERAS),
    (0, b"\x1f\x8b", "is gzip-compressed", "unpack it and name the model inside"),
    (4, b"ET12", "is an ExecuTorch program", _TO_ONNX_FROM_TORCH),
    (4, b"ORTM", "is in ONNX Runtime's own .ort format", "give the .onnx file that it was made from"),
)


def load(path: Path) -> bytes:
    """The bytes of the regular file at `path`, at most `MAX_BYTES`.

    Raises:
        NotFound: there is no such file.
        BadModel: a folder, something else than a file, unreadable, empty or too large.
    """
    try:
        if path.is_dir():
            raise _folder(path)
        # Non-blocking: a FIFO under that name must not hang us.
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise BadModel(f"{path} is not a regular file", hint="name the model file itself")
            if status.st_size > MAX_BYTES:
                size_gib = status.st_size / 2**30
                raise BadModel(
                    f"{path} has {size_gib:.1f} GiB, more than the 2 GiB that a model file can have",
                    hint="save an ONNX model of this size with external data",
                )
            content = file.read(MAX_BYTES)
    except FileNotFoundError:
        raise NotFound(
            f"there is no model file {path}", hint="model.file in edge.yaml is relative to edge.yaml"
        ) from None
    except (OSError, ValueError) as problem:
        raise BadModel(
            f"{path} cannot be read: {getattr(problem, 'strerror', None) or problem}",
            hint="check the path and its permissions",
        ) from problem
    if not content:
        raise BadModel(f"{path} is empty", hint="copy or export the model again")
    return content


def describe_file(name: str, content: bytes) -> ModelFile:
    digest = hashlib.sha256(content).hexdigest()
    return ModelFile(name=name, digest=f"sha256:{digest}", size_bytes=len(content))


def format_of(content: bytes, path: Path) -> ModelFormat:
    """TFLite where its magic is, else ONNX (which has no magic) unless it is known to be something else.

    Raises:
        BadModel: it is recognised as something that is no ONNX or TFLite model.
    """
    if content[4:8] == b"TFL3":
        return ModelFormat.TFLITE
    for offset, magic, what, hint in _FOREIGN:
        if content.startswith(magic, offset):
            raise BadModel(f"{path} {what}", hint=hint)
    if content.startswith(b"PK\x03\x04"):
        raise _archive(content, path)
    if content[:1] == b"\x80" and content[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05"):
        raise BadModel(f"{path} is a Python pickle, perhaps of PyTorch", hint=_TO_ONNX_FROM_TORCH)
    if content[8:10] == b'{"' and int.from_bytes(content[:8], "little") < len(content):
        raise BadModel(f"{path} is a safetensors file: weights without a graph", hint=_TO_ONNX_FROM_TORCH)
    _refuse_text(content[:2048], path)
    if path.suffix == ".tflite":
        raise BadModel(f"{path} is not TFLite: no TFL3 at byte 4", hint="copy or export the model again")
    return ModelFormat.ONNX


def _folder(path: Path) -> BadModel:
    if (path / "saved_model.pb").exists():
        return BadModel(f"{path} is a TensorFlow SavedModel folder", hint=_TO_ONNX_FROM_TF)
    return BadModel(f"{path} is a folder, not a model file", hint="name the .onnx or .tflite file inside")


def _archive(content: bytes, path: Path) -> BadModel:
    try:
        names = zipfile.ZipFile(io.BytesIO(content)).namelist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError, OSError):
        return BadModel(f"{path} is a damaged zip archive, perhaps of PyTorch", hint=_TO_ONNX_FROM_TORCH)
    if any(name.rpartition("/")[2] in ("data.pkl", "constants.pkl") for name in names):
        return BadModel(f"{path} is a PyTorch file", hint=_TO_ONNX_FROM_TORCH)
    if "model.weights.h5" in names:
        return BadModel(f"{path} is a Keras file", hint=_TO_ONNX_FROM_KERAS)
    return BadModel(f"{path} is a zip archive", hint="unpack it and name the model inside")


def _refuse_text(head: bytes, path: Path) -> None:
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if start.startswith((b"<!doctype html", b"<html")):
        raise BadModel(
            f"{path} is an HTML page, perhaps an error page of the server that it came from",
            hint="download the model again and look at the address",
        )
    if start.startswith(b"<?xml") and b"<net" in start:
        raise BadModel(f"{path} is OpenVINO IR", hint="give the ONNX model that it was converted from")
    # A protobuf of ONNX begins with control bytes (field tags and lengths); prose has none.
    if all(byte >= 0x20 or byte in b"\t\n\r\f" for byte in head):
        raise BadModel(f"{path} is a text file, not a model", hint="name an .onnx or .tflite file")
