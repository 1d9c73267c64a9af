"""Files that are no model: one sentence says what they are, a hint says what to do."""

import io
import os
import pickle
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgewise.design.models import read
from edgewise.errors import BadModel, NotFound
from fakes import models as fakes

WHOLE = fakes.depthwise().SerializeToString()


def archive(*names: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for name in names:
            file.writestr(name, "x")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "said", "hint"),
    [
        (b"", "is empty", "again"),
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n",
            "is a Git LFS pointer, not the model",
            "git lfs pull",
        ),
        (b"GGUF\x03\x00\x00\x00", "GGUF magic", "ONNX"),
        (b"\n <!DOCTYPE html><html>404</html>", "HTML page", "download"),
        (b"\xef\xbb\xbf<html><body>no</body></html>", "HTML page", "download"),
        (b"just some words\n", "text file", ".onnx"),
        ("Grüße, nur Text".encode(), "text file", ".onnx"),
        (b'<?xml version="1.0"?><net name="m" version="11">', "OpenVINO IR", "ONNX"),
        (archive("archive/data.pkl", "archive/version"), "PyTorch", "torch.onnx.export"),
        (archive("config.json", "model.weights.h5"), "Keras", "tf2onnx"),
        (archive("model.onnx"), "zip archive", "unpack"),
        (archive("a/data.pkl")[:40], "damaged zip", "torch.onnx.export"),
        (pickle.dumps({"w": 1}), "pickle", "torch.onnx.export"),
        (b"\x89HDF\r\n\x1a\n" + bytes(32), "HDF5", "tf2onnx"),
        (b"\x1f\x8b\x08\x00" + bytes(32), "gzip", "unpack"),
        ((20).to_bytes(8, "little") + b'{"w":{}}' + bytes(40), "safetensors", "torch.onnx.export"),
        (b"\x18\x00\x00\x00ORTM" + bytes(32), ".ort", ".onnx"),
        (b"\x18\x00\x00\x00ET12" + bytes(32), "ExecuTorch", "torch.onnx.export"),
        (WHOLE[: len(WHOLE) // 2], "not a whole ONNX file", "again"),
        (WHOLE[:1], "ONNX", "again"),
        (bytes(100), "ONNX", "again"),
        (b"\x08\x08", "holds no graph", "again"),
        (b"\x1c\x00\x00\x00TFL3", "damaged TFLite", "again"),
        (b"\x1c\x00\x00\x00TFL3" + bytes(100), "damaged TFLite", "again"),
    ],
)
def test_what_is_no_model_is_named(tmp_path: Path, content: bytes, said: str, hint: str) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    with pytest.raises(BadModel) as caught:
        read(path)
    assert said in caught.value.message
    assert "model.onnx" in caught.value.message
    assert hint in caught.value.hint
    assert "\n" not in caught.value.message


def test_the_suffix_does_not_decide(tmp_path: Path) -> None:
    path = tmp_path / "model.bin"
    path.write_bytes(WHOLE)
    assert read(path).name == "model"


def test_a_tflite_file_without_its_magic(tmp_path: Path) -> None:
    path = tmp_path / "model.tflite"
    path.write_bytes(bytes(64))
    with pytest.raises(BadModel, match="no TFL3"):
        read(path)


def test_folders(tmp_path: Path) -> None:
    with pytest.raises(BadModel, match="is a folder"):
        read(tmp_path)
    (tmp_path / "saved_model.pb").touch()
    with pytest.raises(BadModel, match="SavedModel"):
        read(tmp_path)


def test_missing_and_odd_paths(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no model file"):
        read(tmp_path / "absent.onnx")
    with pytest.raises(BadModel, match="cannot be read"):
        read(tmp_path / ("x" * 300))
    with pytest.raises(BadModel, match="cannot be read"):
        read(Path("a\0b"))
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(BadModel, match="not a regular file"):
        read(tmp_path / "pipe")


def test_a_file_beyond_the_limit_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    with path.open("wb") as file:
        file.truncate(2**31 + 1)  # sparse: takes no space
    with pytest.raises(BadModel, match=r"2\.0 GiB, more than"):
        read(path)


def test_an_invalid_graph_says_why(tmp_path: Path) -> None:
    model = fakes.mlp()
    model.graph.node[0].op_type = "NoSuchOperator"
    path = tmp_path / "model.onnx"
    path.write_bytes(model.SerializeToString())
    with pytest.raises(BadModel, match="NoSuchOperator"):
        read(path)


def test_weights_that_do_not_fill_their_shape(tmp_path: Path) -> None:
    model = fakes.mlp()
    model.graph.initializer[0].dims[0] = 10**6
    path = tmp_path / "model.onnx"
    path.write_bytes(model.SerializeToString())
    with pytest.raises(BadModel, match="too small for the declared shape"):
        read(path)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    flips=st.lists(st.tuples(st.integers(0, len(WHOLE) - 1), st.integers(0, 255)), max_size=4),
    cut=st.integers(1, len(WHOLE)),
)
def test_damage_is_a_bad_model_or_still_a_model(tmp_path: Path, flips: list[tuple[int, int]], cut: int) -> None:
    content = bytearray(WHOLE)
    for position, value in flips:
        content[position] = value
    path = tmp_path / "model.onnx"
    path.write_bytes(bytes(content[:cut]))
    try:
        read(path)
    except BadModel as error:
        assert "\n" not in error.message  # noqa: PT017 - either outcome is fine


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200))
def test_any_bytes(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    with pytest.raises(BadModel):
        read(path)
