"""The contract that every runtime keeps: the same samples in, the model's own answers out, times and memory."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from edgewise.errors import ChildFailed
from edgewise.nouns import ModelFormat, RuntimeName
from edgewise.runtimes import protocol, worker
from edgewise.runtimes.child import Child
from edgewise.runtimes.samples import read_arrays, write_arrays
from fakes import linear, models
from fakes.needed import missing

SECONDS = 60.0
FORMAT = {
    RuntimeName.ONNXRUNTIME: ModelFormat.ONNX,
    RuntimeName.OPENVINO: ModelFormat.ONNX,
    RuntimeName.LITERT: ModelFormat.TFLITE,
}
MODULE = {
    RuntimeName.ONNXRUNTIME: "onnxruntime",
    RuntimeName.OPENVINO: "openvino",
    RuntimeName.LITERT: "ai_edge_litert",
}
Array = NDArray[Any]
SHAPES: list[tuple[linear.Kind, bool, int]] = [
    ("dynamic", True, 1),
    ("dynamic", True, 5),
    ("four", True, 4),
    ("plain", False, 1),
]


@dataclass(frozen=True)
class Bench:
    """A worker for one runtime, and a folder for what goes in and out."""

    runtime: RuntimeName
    child: Child
    folder: Path
    format: ModelFormat = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "format", FORMAT[self.runtime])

    def load(
        self, model: Path, inputs: Sequence[Array], *,
        batched: bool = True, batch: int = 1, threads: int = 1, limit: int | None = None, **options: str,
    ) -> dict[str, float]:  # fmt: skip
        write_arrays(self.folder / "inputs.npz", inputs)
        answer: dict[str, float] = self.child.call(
            "load", timeout_s=SECONDS, runtime=self.runtime.value, path=str(model), threads=threads, options=options,
            inputs=str(self.folder / "inputs.npz"), batched=batched, batch=batch, limit=limit,
        )  # fmt: skip
        return answer

    def predict(self) -> list[Array]:
        self.child.call("predict", timeout_s=SECONDS, outputs=str(self.folder / "outputs.npz"))
        return read_arrays(self.folder / "outputs.npz")

    def burst(self, calls: int) -> dict[str, Any]:
        answer: dict[str, Any] = self.child.call("burst", timeout_s=SECONDS, calls=calls)
        return answer

    def peak_rss_bytes(self) -> int:
        return int(self.child.call("memory", timeout_s=SECONDS)["peak_rss_bytes"])


@pytest.fixture(scope="module", params=list(protocol.PACKAGES), ids=str)
def runtime(request: pytest.FixtureRequest) -> RuntimeName:
    name: RuntimeName = request.param
    if find_spec(MODULE[name]) is None:
        missing(MODULE[name])
    return name


@pytest.fixture(scope="module")
def child(runtime: RuntimeName) -> Iterator[Child]:
    with Child("edgewise.runtimes.worker", name=f"the worker for {runtime}") as started:
        started.call("prepare", timeout_s=SECONDS, runtime=runtime.value)
        yield started


@pytest.fixture
def bench(runtime: RuntimeName, child: Child, tmp_path: Path) -> Bench:
    return Bench(runtime=runtime, child=child, folder=tmp_path)


@pytest.fixture
def rows() -> linear.Floats:
    return np.random.default_rng(1).standard_normal((20, linear.FEATURES)).astype(np.float32)


def directly(runtime: RuntimeName, model: Path, sample: Array) -> Array:
    """The first output for one inference, by the runtime's own plainest call."""
    match runtime:
        case RuntimeName.ONNXRUNTIME:
            import onnxruntime

            session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
            return np.asarray(session.run(None, {session.get_inputs()[0].name: sample})[0])
        case RuntimeName.OPENVINO:
            import openvino

            precise = {"INFERENCE_PRECISION_HINT": "f32"}
            return np.asarray(openvino.compile_model(model, "CPU", precise)([sample])[0])
        case RuntimeName.LITERT:
            from ai_edge_litert.interpreter import Interpreter

            interpreter = Interpreter(model_path=str(model))
            interpreter.resize_tensor_input(interpreter.get_input_details()[0]["index"], list(sample.shape))
            interpreter.allocate_tensors()
            interpreter.set_tensor(interpreter.get_input_details()[0]["index"], sample)
            interpreter.invoke()
            return np.asarray(interpreter.get_tensor(interpreter.get_output_details()[0]["index"]))


class TestPredictions:
    @pytest.mark.parametrize(("kind", "batched", "batch"), SHAPES)
    def test_are_the_functions_values_in_the_order_of_the_rows(
        self, bench: Bench, rows: linear.Floats, kind: linear.Kind, batched: bool, batch: int
    ) -> None:
        bench.load(linear.write(bench.folder, bench.format, kind), [rows], batched=batched, batch=batch)
        outputs = bench.predict()
        assert len(outputs) == 1
        np.testing.assert_allclose(outputs[0], linear.expected(kind, rows), rtol=1e-4, atol=1e-5)

    @pytest.mark.parametrize(("kind", "batched", "batch"), SHAPES)
    def test_are_those_of_the_runtime_called_directly(
        self, bench: Bench, rows: linear.Floats, kind: linear.Kind, batched: bool, batch: int
    ) -> None:
        model = linear.write(bench.folder, bench.format, kind)
        bench.load(model, [rows], batched=batched, batch=batch)
        first = bench.predict()[0]
        own = directly(bench.runtime, model, rows[:batch] if batched else rows[0])
        np.testing.assert_allclose(first[:batch] if batched else first[0], own, rtol=1e-5, atol=1e-6)

    def test_leave_out_the_rows_that_fill_no_batch(self, bench: Bench, rows: linear.Floats) -> None:
        bench.load(linear.write(bench.folder, bench.format, "four"), [rows[:11]], batch=4)
        assert bench.predict()[0].shape == (8, linear.CLASSES)

    def test_stop_at_the_limit(self, bench: Bench, rows: linear.Floats) -> None:
        bench.load(linear.write(bench.folder, bench.format, "dynamic"), [rows], limit=7)
        assert bench.predict()[0].shape == (7, linear.CLASSES)

    def test_do_not_depend_on_the_threads(self, bench: Bench, rows: linear.Floats) -> None:
        model = linear.write(bench.folder, bench.format, "dynamic")
        found = []
        for threads in (1, 2):
            bench.load(model, [rows], threads=threads)
            found.append(bench.predict()[0])
        np.testing.assert_allclose(found[0], found[1], rtol=1e-5, atol=1e-6)

    def test_with_several_inputs_and_outputs_keep_the_models_order(self, bench: Bench) -> None:
        if bench.format is not ModelFormat.ONNX:
            pytest.skip("the fake with two inputs is written as ONNX only")
        random = np.random.default_rng(2)
        image = random.standard_normal((6, 1, 8, 8)).astype(np.float32)
        state = random.standard_normal((6, 4)).astype(np.float32)
        model = bench.folder / "two.onnx"
        onnx.save(models.two_inputs(), model)
        bench.load(model, [image, state], batch=2)
        score, features = bench.predict()
        assert (score.shape, features.shape) == ((6, 2), (6, 12))
        np.testing.assert_allclose(features[:, 8:], state, rtol=1e-5)


class TestErrors:
    def test_a_file_that_is_no_model_is_an_answer_and_not_the_end(self, bench: Bench, rows: linear.Floats) -> None:
        broken = bench.folder / f"broken.{bench.format.value}"
        broken.write_bytes(b"not a model" * 100)
        with pytest.raises(ChildFailed) as caught:
            bench.load(broken, [rows])
        assert caught.value.lasting
        assert caught.value.message
        bench.load(linear.write(bench.folder, bench.format, "dynamic"), [rows])
        assert bench.predict()[0].shape == (20, linear.CLASSES)

    def test_too_few_samples_for_one_batch_are_said(self, bench: Bench, rows: linear.Floats) -> None:
        with pytest.raises(ChildFailed, match="3 samples are too few for one inference of 4"):
            bench.load(linear.write(bench.folder, bench.format, "four"), [rows[:3]], batch=4)

    def test_samples_of_another_width_are_an_answer(self, bench: Bench, rows: linear.Floats) -> None:
        model = linear.write(bench.folder, bench.format, "dynamic")

        def run() -> None:
            bench.load(model, [rows[:, :4]])
            bench.predict()

        with pytest.raises(ChildFailed) as caught:
            run()
        assert caught.value.lasting


class TestFigures:
    def test_loading_takes_time(self, bench: Bench, rows: linear.Floats) -> None:
        assert 0 < bench.load(linear.write(bench.folder, bench.format, "dynamic"), [rows])["load_ms"] < 30_000

    def test_a_burst_times_every_call(self, bench: Bench, rows: linear.Floats) -> None:
        bench.load(linear.write(bench.folder, bench.format, "dynamic"), [rows])
        answer = bench.burst(50)
        assert len(answer["ns"]) == 50
        assert all(isinstance(time, int) and time > 0 for time in answer["ns"])
        assert 0 < answer["cpu_ns"] < 100 * sum(answer["ns"])

    def test_memory_counts_the_model_and_is_forgotten_with_it(self, bench: Bench, rows: linear.Floats) -> None:
        if not os.access("/proc/self/clear_refs", os.W_OK):
            missing("/proc/self/clear_refs")
        heavy = linear.write_heavy(bench.folder, bench.format)
        weights = 2500 * 2500 * 4
        bench.load(heavy, [np.ones((1, 2500), np.float32)])
        bench.burst(2)
        peak = bench.peak_rss_bytes()
        assert 0.8 * weights < peak < 8 * weights
        for _ in range(2):  # the first takes the place of the heavy one, the second starts without it
            bench.load(linear.write(bench.folder, bench.format, "dynamic"), [rows])
        bench.burst(2)
        assert bench.peak_rss_bytes() < peak / 2


class TestMemoryOfThisProcess:
    def test_the_peak_starts_again_where_it_is_reset(self) -> None:
        if not os.access("/proc/self/clear_refs", os.W_OK):
            missing("/proc/self/clear_refs")
        block = np.ones(64 << 20, np.uint8)
        assert block.sum() == 64 << 20
        high = worker._status_bytes("VmHWM")
        del block
        worker._reset_high_water_mark()
        assert worker._status_bytes("VmHWM") < high - (32 << 20)

    def test_a_field_that_the_kernel_lacks_is_zero(self) -> None:
        assert worker._status_bytes("VmNothing") == 0
        assert worker._status_bytes("VmRSS") > 1 << 20


class TestQuantisedLiteRt:
    @pytest.fixture
    def litert(self, tmp_path: Path) -> Iterator[Bench]:
        if find_spec("ai_edge_litert") is None:
            missing("ai_edge_litert")
        with Child("edgewise.runtimes.worker", name="the worker") as started:
            yield Bench(runtime=RuntimeName.LITERT, child=started, folder=tmp_path)

    def test_integer_inputs_and_outputs_are_converted_by_scale_and_zero_point(self, litert: Bench) -> None:
        x = np.random.default_rng(3).uniform(-1, 1, (16, linear.FEATURES)).astype(np.float32)
        litert.load(linear.write_int8(litert.folder), [x], batch=4)
        outputs = litert.predict()[0]
        assert outputs.dtype == np.float32
        assert np.abs(outputs - linear.expected("dynamic", x)).max() < 2 * linear.OUT_STEP
        codes = outputs / np.float32(linear.OUT_STEP)
        np.testing.assert_allclose(codes, np.rint(codes), atol=1e-4)

    def test_what_does_not_fit_the_range_saturates(self, litert: Bench) -> None:
        far = np.full((1, linear.FEATURES), 1e9, np.float32)
        edge = np.full((1, linear.FEATURES), (127 - linear.IN_ZERO) * linear.IN_STEP, np.float32)
        litert.load(linear.write_int8(litert.folder), [np.concatenate([far, edge, -far])])
        outputs = litert.predict()[0]
        assert np.isfinite(outputs).all()
        np.testing.assert_array_equal(outputs[0], outputs[1])

    def test_a_real_model_gives_what_the_interpreter_gives(self, litert: Bench, shared_data: Path) -> None:
        model = shared_data / "mlperf-tiny" / "kws01_int8.tflite"
        if not model.is_file():
            pytest.skip(f"{model.name} is not here")
        from ai_edge_litert.interpreter import Interpreter

        interpreter = Interpreter(model_path=str(model))
        interpreter.allocate_tensors()
        inputs, outputs = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
        assert inputs["dtype"] == outputs["dtype"] == np.int8
        scale, zero = inputs["quantization"]
        codes = np.random.default_rng(4).integers(-128, 128, (5, *inputs["shape"][1:])).astype(np.int8)
        wanted = []
        for code in codes:
            interpreter.set_tensor(inputs["index"], code[None])
            interpreter.invoke()
            wanted.append(interpreter.get_tensor(outputs["index"])[0].copy())
        litert.load(model, [((codes.astype(np.float32) - zero) * scale).astype(np.float32)])
        step, middle = outputs["quantization"]
        got = litert.predict()[0]
        np.testing.assert_allclose(got, (np.stack(wanted).astype(np.float32) - middle) * step, atol=1e-6)
