"""Every operator answers in LiteRT as it does in ONNX Runtime, in float32 and, where TFLite has it, in int8."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest

from edgewise.design.models import read
from edgewise.design.tflite import convert, convert_int8
from edgewise.errors import RecipeNotApplicable
from fakes import operators
from fakes.tflite import feeds, run_onnx, run_tflite

FLOAT_ONLY = {"Div an image": "Div 'y/op' becomes DIV"}
INT8_ERROR = 0.04


def _error(model: onnx.ModelProto, content: bytes, folder: Path) -> float:
    """Largest difference to ONNX Runtime, as a part of the largest output."""
    feed = feeds(model)[0]
    pairs = list(zip(run_tflite(content, feed, folder), run_onnx(model, feed), strict=True))
    assert all(mine.shape == theirs.shape for mine, theirs in pairs)
    return max(float(np.abs(mine - theirs).max() / np.abs(theirs).max()) for mine, theirs in pairs)


@pytest.mark.parametrize("name", operators.CASES)
def test_float32_answers_like_onnx_runtime(name: str, tmp_path: Path) -> None:
    model = operators.CASES[name]()

    content = convert(model)

    assert _error(model, content, tmp_path) < 1e-5
    assert convert(model) == content
    onnx.save(model, tmp_path / "model.onnx")
    mine, theirs = read(tmp_path / "model.tflite"), read(tmp_path / "model.onnx")
    assert mine.signature.inputs == theirs.signature.inputs
    assert [t.name for t in mine.signature.outputs] == [t.name for t in theirs.signature.outputs]


@pytest.mark.parametrize("io", ["int8", "float32"])
@pytest.mark.parametrize("name", [name for name in operators.CASES if name not in FLOAT_ONLY])
def test_int8_stays_near_onnx_runtime(name: str, io: str, tmp_path: Path) -> None:
    model = operators.CASES[name]()

    content = convert_int8(model, feeds(model, 8), io=io)

    assert _error(model, content, tmp_path) < INT8_ERROR
    signature = read(tmp_path / "model.tflite").signature
    assert {tensor.dtype for tensor in (*signature.inputs, *signature.outputs)} == {io}
    assert [tensor.name for tensor in (*signature.inputs, *signature.outputs)] == ["x", "y"]


@pytest.mark.parametrize("name", FLOAT_ONLY)
def test_what_has_no_int8_kernel_is_refused_by_name(name: str) -> None:
    model = operators.CASES[name]()

    with pytest.raises(RecipeNotApplicable, match=FLOAT_ONLY[name]):
        convert_int8(model, feeds(model, 2))


@pytest.mark.parametrize(("reason", "build"), operators.REFUSED.items())
def test_what_is_not_converted_is_refused_by_name(reason: str, build: Callable[[], onnx.ModelProto]) -> None:
    with pytest.raises(RecipeNotApplicable, match=reason):
        convert(build())
