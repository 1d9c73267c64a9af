"""The two models that every server gets: made in code, seeded, with a batch axis; and the folder Edgewise takes."""

import hashlib
import itertools
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

from edgewise.design import tflite
from edgewise.nouns import ModelFile, RuntimeConfiguration, RuntimeName, ServedModel, Signature, Tensor
from edgewise.runtimes import served

Floats = npt.NDArray[np.float32]
SEED = 20
WIDTHS = (640, 256, 128, 256, 640)
CHANNELS = (48, 96, 128)
IMAGE = (3, 32, 32)


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A model file, one input for it, and what it must answer.

    Attributes:
        alone_us: median time of a run with one row and one thread, in this process.
    """

    name: str
    path: Path
    x: Floats
    y: Floats
    alone_us: float


def mlp(folder: Path) -> Subject:
    """640 floats in, 640 out, as an autoencoder for machine sounds has them."""
    rng = np.random.default_rng(SEED)
    nodes, weights, last = [], [], "x"
    for number, (before, after) in enumerate(itertools.pairwise(WIDTHS)):
        weights += [
            _named(f"w{number}", rng.standard_normal((before, after)) / np.sqrt(before)),
            _named(f"b{number}", rng.standard_normal(after) * 0.1),
        ]
        inner = number < len(WIDTHS) - 2
        made = f"h{number}" if inner else "y"
        nodes.append(helper.make_node("Gemm", [last, f"w{number}", f"b{number}"], [f"g{number}" if inner else "y"]))
        if inner:
            nodes.append(helper.make_node("Relu", [f"g{number}"], [made]))
        last = made
    return _subject("mlp", folder, nodes, weights, (WIDTHS[0],), (WIDTHS[-1],), rng)


def cnn(folder: Path) -> Subject:
    """A picture of 32 by 32 in, ten scores out."""
    rng = np.random.default_rng(SEED)
    nodes, weights, last, before = [], [], "x", IMAGE[0]
    for number, after in enumerate(CHANNELS):
        weights += [
            _named(f"w{number}", rng.standard_normal((after, before, 3, 3)) / np.sqrt(9 * before)),
            _named(f"b{number}", rng.standard_normal(after) * 0.1),
        ]
        nodes += [
            helper.make_node(
                "Conv", [last, f"w{number}", f"b{number}"], [f"c{number}"], pads=[1] * 4, strides=[1 + (number > 0)] * 2
            ),
            helper.make_node("Relu", [f"c{number}"], [f"h{number}"]),
        ]
        last, before = f"h{number}", after
    weights += [_named("w", rng.standard_normal((before, 10)) * 0.1), _named("b", np.zeros(10))]
    nodes += [
        helper.make_node("GlobalAveragePool", [last], ["p"]),
        helper.make_node("Flatten", ["p"], ["f"]),
        helper.make_node("Gemm", ["f", "w", "b"], ["y"]),
    ]
    return _subject("cnn", folder, nodes, weights, IMAGE, (10,), rng)


def _named(name: str, values: npt.NDArray[np.float64]) -> onnx.TensorProto:
    return numpy_helper.from_array(values.astype(np.float32), name)


def _subject(
    name: str,
    folder: Path,
    nodes: list[onnx.NodeProto],
    weights: list[onnx.TensorProto],
    shape_in: tuple[int, ...],
    shape_out: tuple[int, ...],
    rng: np.random.Generator,
) -> Subject:
    graph = helper.make_graph(
        nodes,
        name,
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", *shape_in])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", *shape_out])],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.onnx"
    path.write_bytes(model.SerializeToString())
    x = rng.standard_normal((1, *shape_in)).astype(np.float32)
    y, alone_us = _alone(path, x)
    return Subject(name=name, path=path, x=x, y=y, alone_us=alone_us)


def _alone(path: Path, x: Floats) -> tuple[Floats, float]:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    took = []
    for _ in range(500):
        started = time.thread_time()
        (y,) = session.run(None, {"x": x})
        took.append(time.thread_time() - started)
    return y, float(np.median(took[100:])) * 1e6


def model_folder(subject: Subject, folder: Path, runtime: RuntimeName = RuntimeName.ONNXRUNTIME) -> Path:
    """`subject` as `python -m edgewise.edge.serve` takes it; converted to TFLite where `runtime` is LiteRT."""
    folder.mkdir(parents=True, exist_ok=True)
    rows: int | str
    if runtime is RuntimeName.LITERT:
        name, content, rows = "model.tflite", _converted(subject), 1
    else:
        name, content, rows = "model.onnx", subject.path.read_bytes(), "batch"
    (folder / name).write_bytes(content)
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    document = ServedModel(
        name=subject.name,
        version="1",
        design="as given",
        configuration=RuntimeConfiguration(runtime=runtime, version="", threads=1),
        files=(ModelFile(name=name, digest=digest, size_bytes=len(content)),),
        signature=Signature(
            inputs=(Tensor(name="x", dtype="float32", shape=(rows, *subject.x.shape[1:])),),
            outputs=(Tensor(name="y", dtype="float32", shape=(rows, *subject.y.shape[1:])),),
        ),
    )
    (folder / served.NAME).write_bytes(served.written(document))
    return folder


def _converted(subject: Subject) -> bytes:
    model = onnx.load(subject.path)
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_value = 1
    return tflite.convert(model)
