"""The demo's meter reader: its mathematics, what it learns, and the files it leaves."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import yaml

from edgewise.flow.demo import camera, layers, meter

RANDOM_SEED = 7


def rng() -> np.random.Generator:
    return np.random.default_rng(RANDOM_SEED)


def run(model: bytes, images: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    return session.run(["logits"], {"image": images})[0]


def network_of_all_layers(random: np.random.Generator) -> layers.Network:
    """Float64, so that finite differences are exact to many digits. Odd sizes meet the stride's border."""
    network = layers.Network(
        (
            layers.Conv.random(2, 3, 1, random),
            layers.BatchNorm.of(3),
            layers.Relu(),
            layers.Conv.random(3, 4, 2, random),
            layers.BatchNorm.of(4),
            layers.Relu(),
            layers.GlobalAveragePool(),
            layers.Dense.random(4, 5, random),
        )
    )
    wide = []
    for layer in network.layers:
        match layer:
            case layers.Conv():
                bias = random.standard_normal(layer.bias.shape)
                wide.append(layers.Conv(layer.weight.astype(np.float64), bias, layer.stride))
            case layers.BatchNorm():
                scale = random.uniform(0.5, 2, layer.scale.shape)
                wide.append(layers.BatchNorm(scale, random.standard_normal(layer.offset.shape)))
            case layers.Dense():
                wide.append(layers.Dense(layer.weight.astype(np.float64), layer.bias.astype(np.float64)))
            case _:
                wide.append(layer)
    return layers.Network(tuple(wide))


@pytest.mark.parametrize("size", [6, 7])
def test_gradients_agree_with_finite_differences(size: int) -> None:
    random = rng()
    network = network_of_all_layers(random)
    x = random.standard_normal((3, size, size, 2))
    labels = np.array([0, 3, 4])
    _, gradients = network.gradients(x, labels)
    step = 1e-6
    for parameter, gradient in zip(network.parameters, gradients, strict=True):
        assert gradient.shape == parameter.shape
        for position in random.choice(parameter.size, min(6, parameter.size), replace=False):
            flat = parameter.reshape(-1)
            kept = flat[position]
            losses = []
            for moved in (kept + step, kept - step):
                flat[position] = moved
                losses.append(network.gradients(x, labels)[0])
            flat[position] = kept
            assert gradient.reshape(-1)[position] == pytest.approx(
                (losses[0] - losses[1]) / (2 * step), rel=1e-4, abs=1e-7
            )


@pytest.mark.parametrize(
    "layer",
    [
        layers.Conv.random(2, 3, 1, rng()),
        layers.Conv.random(2, 3, 2, rng()),
        layers.BatchNorm.of(2),
        layers.Relu(),
        layers.GlobalAveragePool(),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_gradients_by_the_input_agree_with_finite_differences(layer: layers.Layer) -> None:
    random = rng()
    x = random.standard_normal((2, 5, 5, 2))
    output, saved = layer.forward(x)
    towards = random.standard_normal(output.shape)
    by_input, _ = layer.backward(saved, towards)
    assert by_input.shape == x.shape
    direction = random.standard_normal(x.shape)
    step = 1e-6
    ahead, behind = (layer.forward(x + sign * step * direction)[0] for sign in (1, -1))
    assert np.vdot(by_input, direction) == pytest.approx(np.vdot(ahead - behind, towards) / (2 * step), rel=1e-5)


def test_folding_leaves_the_same_function_without_batch_norm() -> None:
    random = rng()
    network = network_of_all_layers(random)
    x = random.standard_normal((4, 6, 6, 2))
    plain = layers.folded(network, x)
    assert not any(isinstance(layer, layers.BatchNorm) for layer in plain.layers)
    np.testing.assert_allclose(plain.predict(x), network.predict(x), rtol=1e-9, atol=1e-9)


def test_adam_finds_the_bottom_of_a_bowl() -> None:
    place = np.array([3.0, -2.0], dtype=np.float32)
    optimiser = layers.Adam([place])
    for _ in range(400):
        optimiser.step([2 * place], rate=0.05)
    np.testing.assert_allclose(place, 0, atol=1e-2)


def test_the_loss_of_a_uniform_guess_is_the_logarithm_of_the_classes() -> None:
    loss, gradient = layers.softmax_cross_entropy(np.zeros((4, 10), np.float32), np.arange(4))
    assert loss == pytest.approx(np.log(10))
    np.testing.assert_allclose(gradient.sum(axis=1), 0, atol=1e-7)


def test_no_digit_is_on_both_sides() -> None:
    training, evaluation = camera.split(meter.HELD_OUT, rng())
    assert len(training.labels) + len(evaluation.labels) == 1797
    assert len(evaluation.labels) == meter.HELD_OUT
    seen = {image.tobytes() for image in training.images}
    assert not any(image.tobytes() in seen for image in evaluation.images)
    assert set(evaluation.labels) == set(range(10))


def test_pictures_look_like_their_digit() -> None:
    digits = camera.split(0, rng())[0].images[:50]
    pictures = camera.photograph(digits, rng())
    assert pictures.shape == (50, camera.PIXELS, camera.PIXELS, 1)
    assert pictures.dtype == np.float32
    assert pictures.min() >= 0
    assert pictures.max() <= 1
    block = camera.PIXELS // 8
    small = pictures.reshape(50, 8, block, 8, block).mean(axis=(2, 4))
    likeness = [np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in zip(small, digits, strict=True)]
    assert np.median(likeness) > 0.7


@pytest.fixture(scope="module")
def short() -> meter.TrainedMeter:
    return meter.train_for(2, seed=3)


def test_a_short_training_learns(short: meter.TrainedMeter) -> None:
    assert short.accuracy > 0.3  # ten digits: guessing gives 0.1


def test_the_same_seed_gives_the_same_bytes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    split = camera.split

    def few(held_out: int, random: np.random.Generator) -> tuple[camera.Digits, camera.Digits]:
        training, evaluation = split(held_out, random)
        return camera.Digits(images=training.images[:96], labels=training.labels[:96]), evaluation

    monkeypatch.setattr(meter, "split", few)
    first, second, other = (meter.train_for(1, seed=seed) for seed in (1, 1, 2))
    assert first.onnx == second.onnx
    assert first.onnx != other.onnx
    np.testing.assert_array_equal(first.images, second.images)
    for folder, trained in (("a", first), ("b", second)):
        meter.write(tmp_path / folder, trained)
    for name in ("model.onnx", "eval.npz", "edge.yaml"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_onnx_computes_what_numpy_computes() -> None:
    random = rng()
    images = random.random((5, camera.PIXELS, camera.PIXELS, 1), dtype=np.float32)
    network = layers.folded(meter.build(random), images)
    logits = run(meter.to_onnx(network), np.ascontiguousarray(images.transpose(0, 3, 1, 2)))
    np.testing.assert_allclose(logits, network.predict(images), rtol=1e-3, atol=1e-5)


def test_the_accuracy_is_that_of_the_model_file(short: meter.TrainedMeter) -> None:
    predicted = run(short.onnx, short.images).argmax(axis=1)
    assert (predicted == short.labels).mean() == pytest.approx(short.accuracy, abs=0.005)


def test_the_model_has_the_promised_signature(short: meter.TrainedMeter) -> None:
    model = onnx.load_model_from_string(short.onnx)
    (image,), (logits,) = model.graph.input, model.graph.output
    assert (image.name, logits.name) == ("image", "logits")
    assert [axis.dim_param or axis.dim_value for axis in image.type.tensor_type.shape.dim] == ["batch", 1, 32, 32]
    assert len(short.onnx) < 400_000


def test_progress_has_a_step_for_each_epoch() -> None:
    class Listener:
        def __init__(self) -> None:
            self.stages: list[tuple[str, int | None]] = []
            self.steps = 0

        def stage(self, name: str, total: int | None) -> None:
            self.stages.append((name, total))

        def step(self, note: str = "", *, amount: int = 1) -> None:
            self.steps += amount

    listener = Listener()
    meter.train_for(1, listener)
    assert listener.stages == [("training the meter reader", 1)]
    assert listener.steps == 1


def test_the_files_belong_together(short: meter.TrainedMeter, tmp_path: Path) -> None:
    path = meter.write(tmp_path / "demo", short)
    assert path == tmp_path / "demo" / "edge.yaml"
    document = yaml.safe_load(path.read_text())
    assert document["model"] == {
        "name": "meter-reader", "file": "model.onnx", "data": "eval.npz", "metric": "accuracy"
    }  # fmt: skip
    site = document["sites"]["meter-cabinet"]
    assert site["budget"] == {"latency_p99": "10ms", "memory": "64MiB", "accuracy_drop": 0.01}
    assert (site["node"], site["machines"], site["strategy"]) == ("device", ["this"], "auto")
    assert site["link"] == {"bandwidth": "2Mbit/s", "updates_per_month": 4}
    with np.load(path.parent / document["model"]["data"]) as data:
        assert data["x"].shape == (meter.HELD_OUT, 1, 32, 32)
        assert data["x"].dtype == np.float32
        assert data["y"].dtype == np.int64
    onnx.checker.check_model(str(path.parent / document["model"]["file"]))


@pytest.mark.slow
def test_the_full_training_reads_meters() -> None:
    assert meter.train().accuracy >= 0.96
