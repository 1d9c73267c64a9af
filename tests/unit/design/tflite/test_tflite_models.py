"""Whole models: the fakes, and two of MLPerf Tiny beside the .tflite files that are published for them."""

import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import pytest
from ai_edge_litert import schema_py_generated as schema

from edgewise.design.models import read
from edgewise.design.tflite import convert, convert_int8
from edgewise.design.variants import litert_tflite
from edgewise.design.variants.made import Material
from edgewise.errors import RecipeNotApplicable
from edgewise.runtimes import litert
from edgewise.runtimes.protocol import Fixed
from fakes import models, operators
from fakes.tflite import Arrays, bare, feeds, run_onnx, run_tflite

FAKES = {
    "mlp": models.mlp,
    "depthwise": models.depthwise,
    "autoencoder": models.autoencoder,
    "two_inputs": models.two_inputs,
    "dynamic_batch": models.dynamic_batch,
}
DYNAMIC = ("autoencoder", "two_inputs", "dynamic_batch")


@pytest.mark.parametrize("name", FAKES)
def test_a_fake_answers_alike_and_keeps_its_signature_and_macs(name: str, tmp_path: Path) -> None:
    model = FAKES[name]()
    feed = feeds(model)[0]

    answers = run_tflite(convert(model), feed, tmp_path)

    for mine, theirs in zip(answers, run_onnx(model, feed), strict=True):
        assert np.abs(mine - theirs).max() <= 1e-5 * np.abs(theirs).max()
    onnx.save(model, tmp_path / "model.onnx")
    exported, given = read(tmp_path / "model.tflite"), read(tmp_path / "model.onnx")
    assert exported.macs == given.macs
    assert _plain(exported.signature.inputs) == _plain(given.signature.inputs)
    assert _plain(exported.signature.outputs) == _plain(given.signature.outputs)


def _plain(tensors: tuple[object, ...]) -> list[tuple[object, ...]]:
    """Names, dtypes and shapes; TFLite has no names for dynamic axes."""
    return [(t.name, t.dtype, tuple("?" if isinstance(a, str) else a for a in t.shape)) for t in tensors]  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", DYNAMIC)
@pytest.mark.parametrize("io", ["float32", "int8", "none"])
def test_a_dynamic_batch_stays_dynamic(name: str, io: str, tmp_path: Path) -> None:
    model = FAKES[name]()
    feed = feeds(model, batch=5)[0]
    content = convert(model) if io == "none" else convert_int8(model, [feed], io=io)

    answers = run_tflite(content, feed, tmp_path)

    for mine, theirs in zip(answers, run_onnx(model, feed), strict=True):
        assert mine.shape == theirs.shape
        assert np.abs(mine - theirs).max() <= (1e-5 if io == "none" else 0.05) * np.abs(theirs).max()


def test_a_transposed_convolution_fixes_the_batch(tmp_path: Path) -> None:
    model = operators.model(operators.transposed((2, 2), strides=[2, 2]), ("batch", 4, 5, 6))

    (tmp_path / "model.tflite").write_bytes(convert(model))

    assert read(tmp_path / "model.tflite").signature.inputs[0].shape == (1, 4, 5, 6)


@pytest.mark.parametrize("name", FAKES)
@pytest.mark.parametrize("calibration", ["minmax", "percentile"])
def test_a_fake_in_int8_stays_near(name: str, calibration: str, tmp_path: Path) -> None:
    model = FAKES[name]()
    samples = feeds(model, 16)

    content = convert_int8(model, samples, calibration=calibration)

    for mine, theirs in zip(run_tflite(content, samples[0], tmp_path), run_onnx(model, samples[0]), strict=True):
        assert np.abs(mine - theirs).max() <= 0.06 * np.abs(theirs).max()
    assert convert_int8(model, samples, calibration=calibration) == content


def test_an_operator_outside_the_set_is_named() -> None:
    with pytest.raises(RecipeNotApplicable, match=r"LayerNormalization 'layernormalization_0/op'"):
        convert(models.transformer_block())


def test_the_model_that_is_given_is_left_as_it_is() -> None:
    model = models.dynamic_batch()
    before = model.SerializeToString(deterministic=True)

    convert_int8(model, feeds(model, 2))

    assert model.SerializeToString(deterministic=True) == before


def test_int8_without_samples_is_refused() -> None:
    with pytest.raises(RecipeNotApplicable, match="there are none"):
        convert_int8(models.mlp(), [])


def test_transposes_around_convolutions_cancel(tmp_path: Path) -> None:
    assert _operators(convert(operators.CASES["NHWC"]()), tmp_path) == ["CONV_2D", "CONV_2D"]
    assert _operators(convert(operators.CASES["residual"]()), tmp_path) == [
        "TRANSPOSE", "CONV_2D", "CONV_2D", "ADD", "TRANSPOSE",
    ]  # fmt: skip
    assert _operators(convert(operators.CASES["flattened"]()), tmp_path) == [
        "TRANSPOSE", "CONV_2D", "RESHAPE", "FULLY_CONNECTED",
    ]  # fmt: skip


def _operators(content: bytes, folder: Path) -> list[str]:
    (folder / "model.tflite").write_bytes(content)
    return [layer.operator for layer in read(folder / "model.tflite").layers]


def test_the_default_signature_calls_the_model_by_the_names_of_the_onnx_file() -> None:
    model = models.two_inputs()
    image, state = feeds(model)[0]

    answers = bare(convert(model)).get_signature_runner("serving_default")(image=image, state=state)

    score, features = run_onnx(model, [image, state])
    np.testing.assert_allclose(answers["score"], score, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(answers["features"], features, rtol=1e-4, atol=1e-6)


def test_constants_are_aligned_for_vectors() -> None:
    content = convert(models.depthwise())
    model = schema.Model.GetRootAs(content, 0)

    for index in range(1, model.BuffersLength()):
        data = model.Buffers(index).DataAsNumpy()
        assert (data.ctypes.data - np.frombuffer(content, np.uint8).ctypes.data) % 16 == 0


def test_int8_follows_the_specification() -> None:
    """Scales of weights by channel, biases with input * weight, softmax at 1/256."""
    model = operators.model(operators.conv(6, (3, 3)))
    details = bare(convert_int8(model, feeds(model, 4), io="int8")).get_tensor_details()
    image, weights, bias = (
        next(d["quantization_parameters"] for d in details if list(d["shape"]) == shape)
        for shape in ([1, 9, 10, 4], [6, 3, 3, 4], [6])
    )

    assert len(weights["scales"]) == 6
    assert weights["quantized_dimension"] == 0
    assert not weights["zero_points"].any()
    np.testing.assert_allclose(bias["scales"], image["scales"] * weights["scales"], rtol=1e-6)

    softmax = operators.CASES["softmax over channels"]()
    out = bare(convert_int8(softmax, feeds(softmax, 4))).get_output_details()[0]
    assert out["quantization"] == (1 / 256, -128)


def test_the_transformations_write_what_is_converted(tmp_path: Path) -> None:
    model = models.mlp()
    onnx.save(model, tmp_path / "model.onnx")
    material = Material(samples=feeds(model, 4), y=None, metric="accuracy", project=tmp_path, scratch=tmp_path)

    for name, transform in (("float32", litert_tflite.float32), ("int8", litert_tflite.int8)):
        made = transform(tmp_path / "model.onnx", tmp_path, {}, material)
        assert made.files == (tmp_path / "model.tflite",)
        assert read(made.files[0]).signature.inputs[0].dtype == name


# --- MLPerf Tiny ------------------------------------------------------------------------------

# Shape of an input, middle and spread of its numbers, and where they end. The first of kws01's ten cepstral
# coefficients is the loudness.
CLASSIFIERS = {
    "ic01": ((32, 32, 3), 120.0, 60.0, 0.0, 255.0),
    "kws01": ((49, 10, 1), np.eye(10, 1) * -30, np.eye(10, 1) * 15 + 5, -123.0, 25.0),
}


def _inputs(name: str, count: int) -> Arrays:
    """Smooth random fields in the range of pictures (ic01) and of spectrograms (kws01), [1, h, w, c] each."""
    shape, middle, spread, low, high = CLASSIFIERS[name]
    random = np.random.default_rng(7)
    fields = random.standard_normal((count, *shape))
    for axis in (1, 2):
        for _ in range(2):
            fields = (np.roll(fields, 1, axis) + fields + np.roll(fields, -1, axis)) / 3
    fields *= random.uniform(0.3, 2, (count, 1, 1, 1)) / fields.std(axis=(1, 2, 3), keepdims=True)
    fields += random.standard_normal((count, 1, 1, shape[2]))
    return list(np.clip(middle + spread * fields, low, high).astype(np.float32)[:, None])


def _labels(path: Path, inputs: Arrays) -> npt.NDArray[np.int64]:
    session = litert.load(path, threads=1, options={}, fixed=Fixed(shapes=(inputs[0].shape,), axes={}))
    return np.array([int(session.run([x])[0].argmax()) for x in inputs])


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_a_real_model_answers_like_its_reference(name: str, shared_data: Path, tmp_path: Path) -> None:
    source = shared_data / "mlperf-tiny" / f"{name}.onnx"
    if not source.exists():
        pytest.skip(f"{source.name} of MLPerf Tiny is not here")
    model = onnx.load(source)
    content = convert(model)
    reference = source.with_name(f"{name}_fp32.tflite").read_bytes()

    for x in _inputs(name, 20):
        mine = run_tflite(content, [x], tmp_path)[0]
        np.testing.assert_allclose(mine, run_onnx(model, [x])[0], rtol=1e-3, atol=1e-4)
        np.testing.assert_allclose(mine, run_tflite(reference, [x], tmp_path)[0], rtol=1e-3, atol=1e-4)
    (tmp_path / "model.tflite").write_bytes(content)
    assert read(tmp_path / "model.tflite").macs == read(source).macs
    assert _plain(read(tmp_path / "model.tflite").signature.inputs) == _plain(read(source).signature.inputs)


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_a_real_model_in_int8_agrees_as_often_as_its_reference(name: str, shared_data: Path, tmp_path: Path) -> None:
    source = shared_data / "mlperf-tiny" / f"{name}.onnx"
    if not source.exists():
        pytest.skip(f"{source.name} of MLPerf Tiny is not here")
    inputs = _inputs(name, 1100)
    calibration, evaluation = inputs[:100], inputs[100:]
    (tmp_path / "mine.tflite").write_bytes(convert_int8(onnx.load(source), [[x] for x in calibration]))

    truth = _labels(source.with_name(f"{name}_fp32.tflite"), evaluation)
    mine = float((_labels(tmp_path / "mine.tflite", evaluation) == truth).mean())
    reference = float((_labels(source.with_name(f"{name}_int8.tflite"), evaluation) == truth).mean())

    sys.stdout.write(f"{name}: top-1 agreement with float32: ours {mine:.3f}, reference {reference:.3f}\n")
    assert mine >= reference - 0.01
