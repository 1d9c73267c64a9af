"""Data: what fits is split without overlap, what does not is refused in a sentence that helps."""

import io
import struct
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgewise.design import data
from edgewise.design.data import Data
from edgewise.errors import BadData, DataNotFinite, EdgewiseError, NotFound
from edgewise.nouns import Model, ModelFormat, Signature, Tensor

Array = npt.NDArray[np.generic]
Axis = int | str


def model(*shapes: tuple[Axis, ...], dtype: str = "float32", names: tuple[str, ...] = ()) -> Model:
    """A model that takes inputs of `shapes`; nothing else of it matters here."""
    called = names or tuple(f"in{index}" for index in range(len(shapes)))
    inputs = tuple(Tensor(name=name, dtype=dtype, shape=shape) for name, shape in zip(called, shapes, strict=True))
    return Model(
        name="m", format=ModelFormat.ONNX, files=(), opset=17, layers=(), parameters_by_dtype={},
        signature=Signature(inputs=inputs, outputs=(Tensor(name="y", dtype="float32", shape=("batch", 2)),)),
    )  # fmt: skip


FLAT = model(("batch", 4))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(sys, "path", list(sys.path))
    return tmp_path


def load(folder: Path, wanted: Model, *, seed: int = 0, **arrays: Array) -> Data:
    np.savez(folder / "eval.npz", **arrays)
    return data.load(str(folder / "eval.npz"), wanted, seed=seed, folder=folder)


def refused(folder: Path, wanted: Model, **arrays: Array) -> BadData:
    with pytest.raises(BadData) as caught:
        load(folder, wanted, **arrays)
    assert caught.value.exit_code == 12
    assert caught.value.hint
    return caught.value


def x(n: int = 40, *shape: int) -> Array:
    return np.random.default_rng(n).normal(size=(n, *(shape or (4,)))).astype(np.float32)


class TestSplit:
    @given(n=st.integers(20, 400), seed=st.integers(0, 2**31), batch=st.sampled_from(["batch", 1, 2, 5]))
    @settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
    def test_parts_never_overlap_and_never_invent(self, folder: Path, n: int, seed: int, batch: Axis) -> None:
        step = batch if isinstance(batch, int) else 1
        if n < 20 * step:
            return
        numbered = np.arange(n, dtype=np.float32)[:, None]
        found = load(folder, model((batch, 1)), seed=seed, x=numbered, y=np.arange(n))
        picked = [part.inputs[0][:, 0].astype(int).tolist() for part in (found.calibration, found.evaluation)]
        assert not set(picked[0]) & set(picked[1])
        assert set(picked[0]) | set(picked[1]) <= set(range(n))
        assert len(set(picked[0])) == len(picked[0]) == found.summary.calibration
        assert len(set(picked[1])) == len(picked[1]) == found.summary.evaluation
        assert found.summary.calibration + found.summary.evaluation <= found.summary.samples == n
        assert found.summary.calibration % step == found.summary.evaluation % step == 0
        assert min(picked[0], default=-1) >= 0
        for part, rows in zip((found.calibration, found.evaluation), picked, strict=True):
            assert part.y is not None
            assert part.y.tolist() == rows

    def test_the_seed_and_nothing_else_decides(self, folder: Path) -> None:
        arrays = {"x": x(60), "y": np.arange(60) % 2}
        first, again, other = (load(folder, FLAT, seed=seed, **arrays) for seed in (3, 3, 4))
        assert np.array_equal(first.evaluation.inputs[0], again.evaluation.inputs[0])
        assert first.summary == again.summary
        assert not np.array_equal(first.evaluation.inputs[0], other.evaluation.inputs[0])
        assert first.summary.digest == other.summary.digest

    def test_the_digest_tells_other_values_labels_and_shapes_apart(self, folder: Path) -> None:
        values, y = x(40), np.arange(40) % 2
        cases: list[Mapping[str, Array]] = [
            {"x": values}, {"x": values, "y": y}, {"x": values, "y": 1 - y}, {"x": values + 1}, {"x": values[:39]}
        ]  # fmt: skip
        assert len({load(folder, FLAT, **case).summary.digest for case in cases}) == len(cases)

    def test_calibration_is_a_quarter_and_never_more_than_it_needs(self, folder: Path) -> None:
        assert load(folder, FLAT, x=x(20)).summary.calibration == 5
        assert load(folder, FLAT, x=x(4000)).summary.calibration == data.MAX_CALIBRATION

    def test_without_labels_there_are_none(self, folder: Path) -> None:
        found = load(folder, FLAT, x=x())
        assert found.calibration.y is None
        assert found.evaluation.y is None


class TestBatching:
    @pytest.mark.parametrize(
        ("shape", "given", "batched", "batch", "one_inference"),
        [
            (("batch", 4), (200, 4), True, 1, (1, 4)),
            ((1, 4), (200, 4), True, 1, (1, 4)),
            ((5, 4), (200, 4), True, 5, (5, 4)),
            ((4,), (200, 4), False, 1, (4,)),
            ((1, 4), (200, 1, 4), False, 1, (1, 4)),
            (("...",), (200, 8, 3), True, 1, (1, 8, 3)),
            (("unk__7", "height", "width", 3), (200, 8, 6, 3), True, 1, (1, 8, 6, 3)),
        ],
    )
    def test_the_first_axis_is_the_batch_or_there_is_none(
        self, folder: Path, shape: tuple[Axis, ...], given: tuple[int, ...], batched: bool, batch: int,
        one_inference: tuple[int, ...],
    ) -> None:  # fmt: skip
        found = load(folder, model(shape), x=x(*given))
        assert (found.batched, found.batch, found.sample_shapes) == (batched, batch, (one_inference,))

    @pytest.mark.parametrize(
        ("shapes", "axes"),
        [
            ((("n", "width", 3), ("n", 4)), {"n": 1, "width": 6}),
            ((("n", "size", "size"), ("n", 4)), {"n": 1}),
            ((("?", "?", 3), ("n", 4)), {"n": 1}),
            ((("...",), ("n", 4)), {"n": 1}),
        ],
    )
    def test_a_dynamic_axis_has_a_size_where_its_name_has_one(
        self, folder: Path, shapes: tuple[tuple[Axis, ...], ...], axes: dict[str, int]
    ) -> None:
        assert load(folder, model(*shapes), in0=x(40, 6, 3), in1=x()).axes == axes

    def test_a_fixed_batch_leaves_out_what_does_not_fill_one(self, folder: Path) -> None:
        found = load(folder, model((8, 4)), x=x(333))
        assert found.summary.calibration % 8 == found.summary.evaluation % 8 == 0
        assert found.summary.evaluation == (333 - found.summary.calibration) // 8 * 8

    def test_a_fixed_batch_larger_than_the_calibration_set_still_gets_one(self, folder: Path) -> None:
        found = load(folder, model((256, 1)), x=x(256 * 20, 1))
        assert found.summary.calibration == 256

    def test_inputs_that_disagree_about_the_batch(self, folder: Path) -> None:
        error = refused(folder, model((2, 4), (4, 4)), in0=x(), in1=x())
        assert "their batches differ" in error.message

    def test_two_inputs_come_in_the_models_order(self, folder: Path) -> None:
        wanted = model(("n", 4), ("n", 2, 2), names=("image", "state"))
        found = load(folder, wanted, state=x(40, 2, 2), image=x(40, 4))
        assert [part.shape[1:] for part in found.evaluation.inputs] == [(4,), (2, 2)]


class TestCast:
    @pytest.mark.parametrize("given", [np.float64, np.float16, np.uint8, np.int64, np.bool_])
    def test_numbers_become_the_models_floats(self, folder: Path, given: type[np.generic]) -> None:
        found = load(folder, FLAT, x=(x() * 3).astype(given))
        assert found.evaluation.inputs[0].dtype == np.float32
        assert found.evaluation.inputs[0].flags.c_contiguous

    def test_fractions_do_not_become_integers(self, folder: Path) -> None:
        error = refused(folder, model(("n", 4), dtype="int64"), x=x())
        assert "takes int64, and the data is float32" in error.message
        assert "astype" not in error.hint
        whole = refused(folder, model(("n", 4), dtype="int64"), x=np.rint(x()))
        assert "x.astype('int64')" in whole.hint

    @pytest.mark.parametrize("value", [-1, 256])
    def test_integers_that_do_not_fit(self, folder: Path, value: int) -> None:
        error = refused(folder, model(("n", 4), dtype="uint8"), x=np.full((40, 4), value))
        assert "does not fit uint8" in error.message
        assert "0 to 255" in error.hint

    @pytest.mark.parametrize("values", [np.full((40, 4), "a"), np.full((40, 4), 1j)])
    def test_what_is_no_number(self, folder: Path, values: Array) -> None:
        assert "takes float32, and the data is" in refused(folder, FLAT, x=values).message

    @pytest.mark.parametrize("dtype", ["bfloat16", "string"])
    def test_a_model_that_takes_what_arrays_cannot_hold(self, folder: Path, dtype: str) -> None:
        assert f"takes {dtype}" in refused(folder, model(("n", 4), dtype=dtype), x=x()).message

    def test_too_large_for_float32_is_infinite_there(self, folder: Path) -> None:
        values = x().astype(np.float64)
        values[7, 2] = 1e300
        with pytest.raises(DataNotFinite, match="as float32 holds infinity in 1 of 40 samples, the first is sample 7"):
            load(folder, FLAT, x=values)


class TestNotFinite:
    @pytest.mark.parametrize(("value", "word"), [(np.nan, "NaN"), (np.inf, "infinity"), (-np.inf, "infinity")])
    def test_of_an_input_it_is_said_where(self, folder: Path, value: float, word: str) -> None:
        values = x()
        values[[3, 9], 1] = value
        with pytest.raises(DataNotFinite) as caught:
            load(folder, FLAT, x=values)
        assert caught.value.exit_code == 13
        assert f"input in0 holds {word} in 2 of 40 samples, the first is sample 3" in caught.value.message

    def test_of_the_labels(self, folder: Path) -> None:
        y = np.zeros(40)
        y[5] = np.nan
        with pytest.raises(DataNotFinite, match="y holds NaN in 1 of 40 samples, the first is sample 5"):
            load(folder, FLAT, x=x(), y=y)


class TestMisfits:
    def test_axes_in_another_order_are_to_be_transposed(self, folder: Path) -> None:
        error = refused(folder, model(("n", 3, 8, 6)), x=x(40, 8, 6, 3))
        assert "takes [n, 3, 8, 6], and the data is [40, 8, 6, 3]" in error.message
        assert "transpose" in error.hint

    @pytest.mark.parametrize("shape", [(5,), (2, 2), (4, 1)])
    def test_another_shape_is_to_be_reshaped(self, folder: Path, shape: tuple[int, ...]) -> None:
        error = refused(folder, FLAT, x=x(40, *shape))
        assert "takes [n, 4], and the data is [40" in error.message
        assert "reshape" in error.hint

    @pytest.mark.parametrize(("batch", "n"), [("n", 0), ("n", 19), (4, 79)])
    def test_too_few_samples(self, folder: Path, batch: Axis, n: int) -> None:
        error = refused(folder, model((batch, 4)), x=np.zeros((n, 4), np.float32))
        assert f"has {n} samples, too few to judge by" in error.message

    def test_a_second_input_that_is_missing_is_named(self, folder: Path) -> None:
        wanted = model(("n", 4), ("n", 2), names=("image", "state"))
        error = refused(folder, wanted, image=x(), y=np.zeros(40))
        assert "the data has the arrays image, y, and the model also takes state" in error.message
        assert "image, state" in error.hint

    def test_an_input_that_is_missing(self, folder: Path) -> None:
        error = refused(folder, FLAT, images=x())
        assert "the data has the arrays images, and x is needed for the model's input in0" in error.message

    def test_an_empty_archive(self, folder: Path) -> None:
        assert "the data has no arrays" in refused(folder, FLAT).message

    def test_the_models_own_name_for_its_input_serves_too(self, folder: Path) -> None:
        assert load(folder, FLAT, in0=x()).summary.samples == 40

    @pytest.mark.parametrize("y", [np.zeros(39), np.zeros((41, 2)), np.array(3)])
    def test_different_lengths(self, folder: Path, y: Array) -> None:
        error = refused(folder, FLAT, x=x(), y=y)
        assert "differ in their number of samples: x 40, y" in error.message

    def test_a_single_number_is_no_input(self, folder: Path) -> None:
        assert "one number only" in refused(folder, FLAT, x=np.array(1.0)).message

    def test_names_as_labels(self, folder: Path) -> None:
        assert "class numbers" in refused(folder, FLAT, x=x(), y=np.full(40, "cat")).hint


class TestFile:
    def test_one_that_is_not_there(self, folder: Path) -> None:
        with pytest.raises(NotFound) as caught:
            data.load(str(folder / "no.npz"), FLAT, seed=0, folder=folder)
        assert caught.value.exit_code == 18

    @pytest.mark.parametrize("content", [b"", b"hello", b"PK\x03\x04 not really", b"\x93NUMPY\x01\x00"])
    def test_one_that_is_no_archive(self, folder: Path, content: bytes) -> None:
        (folder / "eval.npz").write_bytes(content)
        self.assert_refused(folder, "is not an .npz")

    def test_a_folder(self, folder: Path) -> None:
        (folder / "eval.npz").mkdir()
        self.assert_refused(folder, "is not an .npz")

    def test_pickled_objects_are_never_unpickled(self, folder: Path) -> None:
        fired = folder / "fired"

        class Bomb:
            def __reduce__(self) -> tuple[object, tuple[str, str]]:
                return open, (str(fired), "w")

        np.savez(folder / "eval.npz", x=np.array([Bomb()] * 40, dtype=object))
        self.assert_refused(folder, "Object arrays cannot be loaded")
        assert not fired.exists()

    def test_a_bomb_is_refused_by_the_size_that_it_declares(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        np.savez_compressed(folder / "eval.npz", x=np.zeros((4000, 4), np.float32))
        monkeypatch.setattr(data, "MAX_BYTES", 60_000)
        assert (folder / "eval.npz").stat().st_size < 1000
        self.assert_refused(folder, "unpacks to 62.6 KiB, more than 58.6 KiB")

    def test_a_header_that_promises_more_than_there_is(self, folder: Path) -> None:
        header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (100000000000000, 4), }"
        member = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + b"\x00" * 64
        with zipfile.ZipFile(folder / "eval.npz", "w") as archive:
            archive.writestr("x.npy", member)
        self.assert_refused(folder, "cannot be read")

    def test_a_member_that_is_no_array_is_not_taken_for_one(self, folder: Path) -> None:
        with zipfile.ZipFile(folder / "eval.npz", "w") as archive:
            archive.writestr("x", b"not an array")
        self.assert_refused(folder, "the data has no arrays")

    def test_a_truncated_file(self, folder: Path) -> None:
        np.savez(folder / "eval.npz", x=x(100))
        whole = (folder / "eval.npz").read_bytes()
        (folder / "eval.npz").write_bytes(whole[: len(whole) // 2])
        self.assert_refused(folder, "is not an .npz")

    @given(drawn=st.data())
    @settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
    @pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
    @pytest.mark.filterwarnings("ignore:Reading `.npy`:UserWarning")
    def test_damage_never_ends_in_a_traceback(self, folder: Path, save: object, drawn: st.DataObject) -> None:
        assert callable(save)
        stream = io.BytesIO()
        save(stream, x=np.arange(88, dtype=np.float32).reshape(22, 4), y=np.arange(22) % 2)
        damaged = bytearray(stream.getvalue())
        for _ in range(drawn.draw(st.integers(1, 4))):
            damaged[drawn.draw(st.integers(0, len(damaged) - 1))] = drawn.draw(st.integers(0, 255))
        (folder / "eval.npz").write_bytes(damaged)
        outcome: Data | EdgewiseError
        try:
            outcome = load_as_is(folder)
        except EdgewiseError as error:
            outcome = error
        if isinstance(outcome, EdgewiseError):
            assert outcome.exit_code in (12, 13)
            assert outcome.message
        else:
            assert np.isfinite(outcome.evaluation.inputs[0]).all()

    def assert_refused(self, folder: Path, said: str) -> None:
        with pytest.raises(BadData) as caught:
            load_as_is(folder)
        assert said in caught.value.message
        assert caught.value.hint


def load_as_is(folder: Path) -> Data:
    return data.load(str(folder / "eval.npz"), FLAT, seed=0, folder=folder)


class TestFunction:
    def load(self, folder: Path, body: str, source: str = "given.py:samples") -> Data:
        (folder / "given.py").write_text(f"import numpy as np\n\n\n{body}\n")
        return data.load(source, FLAT, seed=0, folder=folder)

    def test_its_mapping_is_taken_like_a_file(self, folder: Path) -> None:
        found = self.load(folder, "def samples():\n    return {'x': np.ones((30, 4)), 'y': [0, 1] * 15}")
        assert found.summary.samples == 30
        assert found.evaluation.y is not None

    @pytest.mark.parametrize(
        "body",
        [
            "def samples():\n    raise OSError('no such bucket')",
            "def samples():\n    return np.ones((30, 4))",
            "def samples():\n    return None",
            "def samples():\n    return {'x': [[1, 2], [3]]}",
            "def samples(folder):\n    return {}",
            "def other():\n    return {}",
            "samples = 3",
        ],
    )
    def test_one_that_fails_is_named(self, folder: Path, body: str) -> None:
        with pytest.raises(BadData) as caught:
            self.load(folder, body)
        assert "given.py:samples" in caught.value.message
        assert caught.value.hint

    def test_neither_file_nor_function(self, folder: Path) -> None:
        with pytest.raises(BadData, match=r"eval\.csv is neither an \.npz nor a function"):
            data.load("eval.csv", FLAT, seed=0, folder=folder)
