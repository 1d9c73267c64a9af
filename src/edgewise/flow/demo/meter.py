"""The meter reader: trained, exported as ONNX, and written down with its `edge.yaml`.

A small convolutional network that reads one digit. It is trained here, in plain numpy, so that the demo
needs no download and no deep-learning framework; the same seed on the same machine gives the same bytes.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from threadpoolctl import threadpool_limits

from edgewise.flow.demo.camera import PIXELS, Digits, photograph, split
from edgewise.flow.demo.layers import (
    Adam,
    Array,
    BatchNorm,
    Conv,
    Dense,
    GlobalAveragePool,
    Layer,
    Network,
    Relu,
    folded,
)
from edgewise.progress import SILENT, Progress

CLASSES = 10
HELD_OUT = 600
EPOCHS = 10
_BATCH = 32
_STATISTICS = 400  # pictures that batch normalisation is folded with
_RATE = 1e-2
# Filters and stride of each convolution: 32x32 -> 32x32 -> 16x16 -> 8x8 -> 8x8 pixels, 4.9 million MACs.
_CONVOLUTIONS = ((16, 1), (32, 2), (64, 2), (64, 1))
_OPSET, _IR_VERSION = 17, 8

EDGE_YAML = """\
# Edgewise's answer is only as good as this file. Try: edgewise plan, edgewise explain.
apiVersion: edgewise/v1
model:
  name: meter-reader
  file: model.onnx        # the trained model, as it came out of training
  data: eval.npz          # arrays x and y that training never saw: for calibration and evaluation
  metric: accuracy
sites:
  meter-cabinet:
    node: device          # a machine of its own; microshift and openshift are the other two
    machines: [this]      # candidates to choose among; "this" is the machine at hand
    budget:               # what the site can afford: every line must hold
      latency_p99: 10ms   # 99 of 100 inferences are at least this fast
      memory: 64MiB
      accuracy_drop: 0.01 # at most one point below the model as given
    link: {bandwidth: 2Mbit/s, updates_per_month: 4}
    strategy: auto        # how to pack it: embedded, external, modelcar, or let Edgewise choose
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainedMeter:
    """A trained meter reader with the images that it was not trained on.

    Attributes:
        onnx: the model file: `image` float32 [batch, 1, 32, 32] -> `logits` float32 [batch, 10].
        images: float32 [n, 1, 32, 32] from 0 to 1, held out.
        labels: int64 [n], the digit in each of `images`.
        accuracy: share of `images` that the model reads correctly.
    """

    onnx: bytes
    images: NDArray[np.float32]
    labels: NDArray[np.int64]
    accuracy: float


def train(progress: Progress = SILENT, *, seed: int = 0) -> TrainedMeter:
    """Train the meter reader; ten seconds or so on one fast core.

    Reports one stage with a step for each epoch.
    """
    return train_for(EPOCHS, progress, seed=seed)


def train_for(epochs: int, progress: Progress = SILENT, *, seed: int = 0) -> TrainedMeter:
    """`train`, cut short or prolonged to `epochs`."""
    random = np.random.default_rng(seed)
    training, evaluation = split(HELD_OUT, random)
    images = photograph(evaluation.images, random)
    network = build(random)
    progress.stage("training the meter reader", epochs)
    # These products are small: more threads gain little, spin for long on a busy machine and, by adding up
    # in another order, would make the bytes depend on the number of cores.
    with threadpool_limits(limits=1, user_api="blas"):
        for epoch, loss in enumerate(_fit(network, training, epochs, random), start=1):
            progress.step(f"epoch {epoch} of {epochs}: loss {loss:.3f}")
        network = folded(network, photograph(training.images[:_STATISTICS], random))
        predicted = network.predict(images).argmax(axis=1)
    return TrainedMeter(
        onnx=to_onnx(network),
        images=np.ascontiguousarray(images.transpose(0, 3, 1, 2)),
        labels=evaluation.labels,
        accuracy=float((predicted == evaluation.labels).mean()),
    )


def build(random: np.random.Generator) -> Network:
    """The untrained network."""
    layers: list[Layer] = []
    channels = 1
    for filters, stride in _CONVOLUTIONS:
        layers += [Conv.random(channels, filters, stride, random), BatchNorm.of(filters), Relu()]
        channels = filters
    return Network((*layers, GlobalAveragePool(), Dense.random(channels, CLASSES, random)))


def _fit(network: Network, digits: Digits, epochs: int, random: np.random.Generator) -> Iterator[float]:
    """Train in place; yields the mean loss of each epoch. Every epoch takes new pictures of the digits."""
    optimiser = Adam(network.parameters)
    batches = len(digits.labels) // _BATCH
    for epoch in range(epochs):
        images = photograph(digits.images, random)
        order = random.permutation(len(images))
        losses = []
        for index in range(batches):
            # Half a cosine from the full rate to zero (Loshchilov and Hutter, "SGDR", 2017).
            done = (epoch + index / batches) / epochs
            batch = order[index * _BATCH : (index + 1) * _BATCH]
            loss, gradients = network.gradients(images[batch], digits.labels[batch])
            optimiser.step(gradients, _RATE * 0.5 * (1 + float(np.cos(np.pi * done))))
            losses.append(loss)
        yield float(np.mean(losses))


# --- ONNX -------------------------------------------------------------------------------------


def to_onnx(network: Network) -> bytes:
    """The network as ONNX: the same arithmetic with channels first and a dynamic batch axis."""
    nodes: list[onnx.NodeProto] = []
    weights: list[onnx.TensorProto] = []
    name = "image"
    for index, layer in enumerate(network.layers):
        last = index == len(network.layers) - 1
        output = "logits" if last else f"{type(layer).__name__.lower()}_{index}"
        match layer:
            case Conv():
                stored = [layer.weight.transpose(3, 2, 0, 1), layer.bias]
                settings = {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1], "strides": [layer.stride] * 2}
                added = [_node("Conv", name, output, _store(weights, index, stored), **settings)]
            case Dense():
                stored = [layer.weight.T, layer.bias]
                added = [_node("Gemm", name, output, _store(weights, index, stored), transB=1)]
            case GlobalAveragePool():
                pooled = f"{output}_map"
                added = [_node("GlobalAveragePool", name, pooled), _node("Flatten", pooled, output)]
            case Relu():
                added = [_node("Relu", name, output)]
            case _:
                raise TypeError(f"no ONNX for {type(layer).__name__}")
        nodes += added
        name = output
    return _model(nodes, weights)


def _node(
    operator: str, source: str, output: str, weights: list[str] | None = None, **settings: object
) -> onnx.NodeProto:
    return helper.make_node(operator, [source, *(weights or [])], [output], name=f"{output}/{operator}", **settings)


def _store(weights: list[onnx.TensorProto], index: int, arrays: list[Array]) -> list[str]:
    """Append `arrays` (weight, bias) to the initializers; returns their names."""
    names = [f"layer_{index}.{kind}" for kind in ("weight", "bias")]
    weights += [
        numpy_helper.from_array(np.ascontiguousarray(array), name) for array, name in zip(arrays, names, strict=True)
    ]
    return names


def _model(nodes: list[onnx.NodeProto], weights: list[onnx.TensorProto]) -> bytes:
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 1, PIXELS, PIXELS])
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", CLASSES])
    graph = helper.make_graph(nodes, "meter-reader", [image], [logits], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)], producer_name="edgewise demo")
    model.ir_version = _IR_VERSION
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString(deterministic=True))


# --- Files ------------------------------------------------------------------------------------


def write(folder: Path, trained: TrainedMeter) -> Path:
    """Write model.onnx, eval.npz (arrays x and y) and edge.yaml into `folder`; returns edge.yaml's path.

    `folder` is made where it is missing; files of the same names are replaced.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.onnx").write_bytes(trained.onnx)
    np.savez(folder / "eval.npz", x=trained.images, y=trained.labels)
    path = folder / "edge.yaml"
    path.write_text(EDGE_YAML, encoding="utf-8")
    return path
