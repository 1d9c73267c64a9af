"""Whether a machine reproduces the golden: the comparison, and reading a file from elsewhere."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgewise.errors import BadModel, GoldenMissed
from edgewise.nouns import Golden, ModelFile, Signature, Tensor
from edgewise.runtimes import golden
from edgewise.runtimes.samples import Array

NAN, INF = float("nan"), float("inf")
FILE = ModelFile(name="golden.npz", digest="sha256:" + "0" * 64, size_bytes=1)


def compared(
    got: list[float], expected: list[float], absolute: float = 0.1, relative: float = 0.0
) -> golden.Miss | None:
    return golden.compare(
        [np.array(got, np.float32)], [np.array(expected, np.float32)], absolute=absolute, relative=relative
    )


class TestCompare:
    def test_within_tolerance_is_reproduced(self) -> None:
        assert compared([1.05, 2.0], [1.0, 2.0]) is None
        assert compared([110.0], [100.0], absolute=0.0, relative=0.1) is None

    def test_the_first_value_beyond_it_is_named(self) -> None:
        miss = compared([1.0, 2.5, 9.0], [1.0, 2.0, 3.0])
        assert miss is not None
        assert (miss.index, miss.expected, miss.got, miss.count, miss.total) == ((1,), 2.0, 2.5, 2, 3)
        assert miss.allowed == pytest.approx(0.1)

    @pytest.mark.parametrize(
        ("got", "expected", "same"),
        [
            (NAN, NAN, True), (NAN, 1.0, False), (1.0, NAN, False), (INF, INF, True), (-INF, INF, False),
            (INF, 1.0, False), (1.0, INF, False), (NAN, INF, False), (INF, NAN, False),
        ],
    )  # fmt: skip
    def test_what_is_no_number_is_reproduced_by_the_same_only(self, got: float, expected: float, same: bool) -> None:
        assert (compared([got], [expected], absolute=1e9, relative=1e9) is None) is same

    def test_integers_do_not_wrap_around(self) -> None:
        low, high = np.array([-128], np.int8), np.array([127], np.int8)
        assert golden.compare([low], [high], absolute=1.0, relative=0.0) is not None

    def test_text_is_equal_or_not(self) -> None:
        words = np.array([b"a", b"b"], object)
        assert golden.compare([words], [words.copy()], absolute=1.0, relative=1.0) is None
        assert golden.compare([words], [words[::-1]], absolute=1.0, relative=1.0) is not None

    def test_another_shape_or_number_of_outputs_is_said(self) -> None:
        with pytest.raises(ValueError, match=r"the shape \[2\], and the golden has \[1\]"):
            compared([1.0, 2.0], [1.0])
        with pytest.raises(ValueError, match="gives 0 outputs, and the golden has 1"):
            golden.compare([], [np.zeros(1)], absolute=0, relative=0)

    @given(
        st.lists(st.tuples(st.floats(allow_nan=True), st.floats(allow_nan=True)), min_size=1, max_size=20),
        st.floats(0, 1e3), st.floats(0, 1),
    )  # fmt: skip
    def test_agrees_with_the_definition_value_by_value(
        self, pairs: list[tuple[float, float]], absolute: float, relative: float
    ) -> None:
        def near(got: float, expected: float) -> bool:
            if not np.isfinite(expected):
                return got == expected or (got != got and expected != expected)
            return bool(abs(got - expected) <= absolute + relative * abs(expected))

        got, expected = (np.array(column) for column in zip(*pairs, strict=True))
        with np.errstate(all="ignore"):
            far = [i for i, pair in enumerate(pairs) if not near(*map(np.float64, pair))]
        miss = golden.compare([got], [expected], absolute=absolute, relative=relative)
        assert (miss.index[0] if miss else None) == (far[0] if far else None)
        assert (miss.count if miss else 0) == len(far)


class TestProve:
    SIGNATURE = Signature(
        inputs=(Tensor(name="x", dtype="float32", shape=("batch", 2)),),
        outputs=(Tensor(name="sum", dtype="float32", shape=("batch", 1)),),
    )
    GOLDEN = Golden(file=FILE, absolute=1e-3, relative=0.0)

    def examples(self, *inputs: Array) -> golden.Examples:
        return golden.Examples(inputs=inputs, outputs=(inputs[0].sum(axis=-1, keepdims=True),))

    def test_runs_each_row_as_an_inference_of_its_own(self) -> None:
        seen: list[tuple[int, ...]] = []

        def run(inputs: list[Array]) -> list[Array]:
            seen.append(inputs[0].shape)
            return [inputs[0].sum(axis=-1, keepdims=True)]

        golden.prove(run, self.examples(np.ones((5, 2), np.float32)), self.GOLDEN, self.SIGNATURE)  # type: ignore[arg-type]
        assert seen == [(1, 2)] * 5

    def test_the_sentence_has_example_output_expected_got_and_tolerance(self) -> None:
        with pytest.raises(GoldenMissed) as caught:
            golden.prove(
                lambda inputs: [inputs[0].sum(axis=-1, keepdims=True) + (inputs[0][0, 0] == 2)],
                self.examples(np.array([[1, 1], [2, 2]], np.float32)), self.GOLDEN, self.SIGNATURE,
            )  # fmt: skip
        assert caught.value.message == (
            "the golden is not reproduced: example 1, output sum at [0, 0]: expected 4, got 5, allowed is a difference"
            " of 0.001; 1 of 1 values are beyond their tolerance"
        )
        assert caught.value.exit_code == 62

    def test_a_fixed_batch_and_none_are_cut_as_the_model_takes_them(self) -> None:
        four = Signature(inputs=(Tensor(name="x", dtype="float32", shape=(4, 2)),), outputs=self.SIGNATURE.outputs)
        assert [row for row, _, _ in golden.single(self.examples(np.ones((9, 2))), four)] == [0, 4]
        bare = Signature(inputs=(Tensor(name="x", dtype="float32", shape=(2,)),), outputs=self.SIGNATURE.outputs)
        shapes = [inputs[0].shape for _, inputs, _ in golden.single(self.examples(np.ones((3, 2))), bare)]
        assert shapes == [(2,)] * 3


class TestRead:
    def written(self, **arrays: Array) -> io.BytesIO:
        content = io.BytesIO()
        np.savez(content, **arrays)  # type: ignore[arg-type]
        content.seek(0)
        return content

    def test_arrays_come_in_the_models_order(self, tmp_path: Path) -> None:
        many = {f"x{i}": np.full((2, 1), i) for i in range(12)} | {"y0": np.zeros((2, 3)), "y1": np.ones((2,))}
        path = tmp_path / "golden.npz"
        path.write_bytes(self.written(**many).getvalue())
        found = golden.read(path)
        assert [int(array[0, 0]) for array in found.inputs] == list(range(12))
        assert len(found) == 2
        assert len(found.outputs) == 2

    @pytest.mark.parametrize(
        ("arrays", "words"),
        [
            ({"x0": np.zeros(2)}, "it has no outputs"),
            ({"y0": np.zeros(2)}, "it has no inputs"),
            ({"x1": np.zeros(2), "y0": np.zeros(2)}, "x0"),
            ({"x0": np.zeros(2), "y0": np.zeros(3)}, "its arrays have 2 and 3 rows"),
            ({"x0": np.zeros(2), "y0": np.zeros(2), "z": np.zeros(2)}, "is neither x0.npy"),
            ({"x0": np.array([{"a": 1}] * 2), "y0": np.zeros(2)}, "allow_pickle"),
        ],
    )
    def test_what_is_no_golden_is_refused(self, arrays: dict[str, Array], words: str) -> None:
        with pytest.raises(BadModel, match=words):
            golden.read(self.written(**arrays))

    def test_a_bomb_is_refused_before_it_is_unpacked(self) -> None:
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("x0.npy", b"\0" * (golden.LIMIT_BYTES + 1))
        content.seek(0)
        with pytest.raises(BadModel, match="unpacks to"):
            golden.read(content)

    @pytest.mark.parametrize("content", [b"", b"PK\3\4 no zip", b"\x93NUMPY"])
    def test_rubbish_is_refused(self, content: bytes, tmp_path: Path) -> None:
        path = tmp_path / "golden.npz"
        path.write_bytes(content)
        with pytest.raises(BadModel, match="the golden cannot be read"):
            golden.read(path)
