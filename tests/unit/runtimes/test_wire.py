"""What a device is asked stays inside its bounds, whoever asks."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from edgewise.runtimes.wire import Call, Load

DIGEST = "sha256:" + "0" * 64


def load(**change: object) -> dict[str, object]:
    asked: dict[str, object] = {
        "command": "load", "runtime": "onnxruntime", "path": "m.onnx", "files": {"m.onnx": DIGEST}, "threads": 1,
        "options": {}, "inputs": DIGEST, "batched": True, "batch": 1, "limit": None, "axes": {},
    }  # fmt: skip
    return asked | change


@pytest.mark.parametrize("name", ["m.onnx", "a/b c.bin", "modèle (1),v2.onnx", "..a"])
def test_names_inside_are_taken(name: str) -> None:
    request = Load.model_validate(load(path=name, files={name: DIGEST}) | {"runtime": "onnxruntime"}, strict=False)
    assert request.path == name


@pytest.mark.parametrize(
    "name", ["", "/etc/passwd", "../x", "a/../../x", "a//b", ".", "a/", "a\\b", "a\0b", "a\nb", "x" * 256, "a/./b"]
)
def test_names_that_lead_out_are_not(name: str) -> None:
    for change in ({"path": name}, {"files": {name: DIGEST}}):
        with pytest.raises(ValidationError):
            Load.model_validate(load(**change), strict=False)


@pytest.mark.parametrize(
    "change",
    [{"threads": 0}, {"threads": 5000}, {"batch": 0}, {"limit": 0}, {"files": {}}, {"inputs": "sha256:../x"},
     {"inputs": "inputs.npz"}, {"command": "eval"}, {"runtime": "python"}, {"module": "os"}, {"options": {"a": 1}}],
)  # fmt: skip
def test_what_is_out_of_bounds_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Call.model_validate({"number": 1, "timeout_s": 1.0, "request": load(**change)}, strict=False)


@given(st.binary(max_size=200))
def test_no_bytes_do_more_than_be_refused(content: bytes) -> None:
    with pytest.raises(ValidationError):
        Call.model_validate_json(content)
