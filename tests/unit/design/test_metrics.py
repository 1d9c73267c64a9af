"""Metrics: against scikit-learn, in the right direction, and with a sentence for whatever does not fit."""

import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sklearn

from edgewise.design import metrics
from edgewise.design.metrics import Judge
from edgewise.errors import BadData, UnknownMetric

Array = npt.NDArray[np.generic]
HERE = Path(__file__).parent

seeds = st.integers(0, 10_000)


def judge(name: str, *, labelled: bool = True, folder: Path = HERE) -> Judge:
    return metrics.find(name, labelled=labelled, folder=folder)


def classification(seed: int, classes: int, n: int = 120) -> tuple[Array, Array]:
    """Labels and scores that know something of them."""
    random = np.random.default_rng(seed)
    y = random.integers(0, classes, n)
    scores = random.normal(size=(n, classes)).astype(np.float32)
    scores[np.arange(n), y] += 1
    return y, scores


class TestAgainstScikitLearn:
    @given(seeds, st.integers(2, 6))
    @settings(max_examples=30)
    def test_accuracy(self, seed: int, classes: int) -> None:
        y, scores = classification(seed, classes)
        expected = sklearn.accuracy_score(y, scores.argmax(axis=1))
        assert judge("accuracy").judge(y, [scores]).value == pytest.approx(expected)

    @given(seeds)
    @settings(max_examples=20)
    def test_auc_of_two_columns_and_of_one(self, seed: int) -> None:
        y, scores = classification(seed, 2)
        margin = scores[:, 1] - scores[:, 0]
        expected = sklearn.roc_auc_score(y, margin)
        assert judge("auc").score(y, [scores]) == pytest.approx(expected)
        assert judge("auc").score(y, [margin]) == pytest.approx(expected)
        assert judge("auc").score(y, [margin[:, None]]) == pytest.approx(expected)

    @given(seeds)
    @settings(max_examples=20)
    def test_auc_counts_ties_as_halves(self, seed: int) -> None:
        y, scores = classification(seed, 2)
        rough = np.round(scores[:, 1])
        assert judge("auc").score(y, [rough]) == pytest.approx(sklearn.roc_auc_score(y, rough))

    @given(seeds)
    @settings(max_examples=20)
    def test_f1_of_two_classes_is_that_of_class_1(self, seed: int) -> None:
        y, scores = classification(seed, 2)
        assert judge("f1").score(y, [scores]) == pytest.approx(sklearn.f1_score(y, scores.argmax(axis=1)))
        probability = 1 / (1 + np.exp(scores[:, 0] - scores[:, 1]))
        assert judge("f1").score(y, [probability]) == pytest.approx(sklearn.f1_score(y, probability > 0.5))

    @given(seeds, st.integers(3, 6))
    @settings(max_examples=20)
    def test_f1_of_more_is_the_mean_over_the_labels_classes(self, seed: int, classes: int) -> None:
        y, scores = classification(seed, classes)
        expected = sklearn.f1_score(y, scores.argmax(axis=1), labels=np.unique(y), average="macro")
        assert judge("f1").score(y, [scores]) == pytest.approx(expected)

    def test_f1_of_many_classes_does_not_change_its_meaning_where_the_labels_hold_only_two(self) -> None:
        y = np.array([0, 1, 0, 1, 1, 0])
        scores = np.eye(5)[[0, 1, 2, 1, 0, 0]]
        expected = sklearn.f1_score(y, scores.argmax(axis=1), labels=[0, 1], average="macro")
        assert judge("f1").score(y, [scores]) == pytest.approx(expected)

    @given(seeds, st.integers(1, 4))
    @settings(max_examples=20)
    def test_mae_and_rmse(self, seed: int, width: int) -> None:
        random = np.random.default_rng(seed)
        y, output = random.normal(size=(50, width)), random.normal(size=(50, width)).astype(np.float32)
        assert judge("mae").score(y, [output]) == pytest.approx(sklearn.mean_absolute_error(y, output))
        expected = np.sqrt(sklearn.mean_squared_error(y, output))
        assert judge("rmse").score(y, [output]) == pytest.approx(expected)

    @pytest.mark.parametrize("name", ["accuracy", "f1"])
    def test_one_hot_labels_mean_the_same_as_class_numbers(self, name: str) -> None:
        y, scores = classification(3, 4)
        assert judge(name).score(np.eye(4)[y], [scores]) == judge(name).score(y, [scores])

    def test_labels_in_a_column_mean_the_same(self) -> None:
        y, scores = classification(4, 4)
        assert judge("accuracy").score(y[:, None], [scores]) == judge("accuracy").score(y, [scores])

    def test_a_single_column_is_cut_at_one_half(self) -> None:
        y, output = np.array([0, 0, 1, 1]), np.array([[0.2], [0.6], [0.5], [0.9]])
        assert judge("accuracy").judge(y, [output]).value == 0.5

    @pytest.mark.parametrize("name", ["mae", "rmse"])
    def test_unsigned_labels_do_not_wrap_around(self, name: str) -> None:
        y, output = np.array([1, 2, 3], np.uint8), np.array([2.0, 3.0, 4.0], np.float32)
        assert judge(name).score(y, [output]) == pytest.approx(1.0)


class TestDrop:
    @pytest.mark.parametrize("name", ["accuracy", "f1", "auc"])
    def test_worse_classes_are_a_positive_drop(self, name: str) -> None:
        y, scores = classification(1, 2, n=200)
        noise = np.random.default_rng(2).normal(size=scores.shape) * 3
        found = judge(name).drop(y, [scores + noise], [scores])
        assert found.value > 0
        assert found.p is not None
        assert found.p < 0.05
        assert found.low <= found.value <= found.high

    @pytest.mark.parametrize("name", ["mae", "rmse"])
    def test_a_larger_error_is_a_positive_drop(self, name: str) -> None:
        y = np.random.default_rng(3).normal(size=100)
        found = judge(name).drop(y, [y + 0.5], [y + 0.1])
        assert not judge(name).metric.higher_is_better
        assert found.value == pytest.approx(0.4)

    @pytest.mark.parametrize("name", ["accuracy", "auc", "f1", "mae", "rmse"])
    def test_identical_answers_do_not_drop(self, name: str) -> None:
        y, scores = classification(5, 2)
        outputs = [scores] if judge(name).metric.higher_is_better else [scores[:, 1]]
        found = judge(name).drop(y, outputs, outputs)
        assert (found.value, found.p) == (0.0, 1.0)

    @pytest.mark.parametrize("name", ["accuracy", "auc", "mae"])
    def test_swapping_the_sides_flips_the_sign(self, name: str) -> None:
        y, scores = classification(6, 2)
        one, other = [scores[:, 1]], [scores[:, 1] + np.random.default_rng(1).normal(size=len(y))]
        assert judge(name).drop(y, one, other).value == pytest.approx(-judge(name).drop(y, other, one).value)

    def test_accuracy_has_its_exact_interval(self) -> None:
        y = np.zeros(40, np.int64)
        outputs = [np.tile([1.0, 0.0], (40, 1))]
        found = judge("accuracy").judge(y, outputs)
        assert (found.value, found.high, found.n) == (1.0, 1.0, 40)
        assert found.low == pytest.approx(0.025 ** (1 / 40))


class TestNames:
    @pytest.mark.parametrize(
        ("wrong", "near"), [("acuracy", "accuracy"), ("AUC", ""), ("rsme", "rmse"), ("banana", "")]
    )
    def test_an_unknown_name_offers_the_nearest_or_all(self, wrong: str, near: str) -> None:
        with pytest.raises(UnknownMetric) as caught:
            judge(wrong)
        assert caught.value.exit_code == 14
        assert wrong in caught.value.message
        assert (f"did you mean {near}?" if near else "accuracy, auc, f1, mae, rmse") in caught.value.hint

    def test_auc_without_labels_is_refused(self) -> None:
        with pytest.raises(UnknownMetric, match="auc needs labels"):
            judge("auc", labelled=False)

    @pytest.mark.parametrize(("labelled", "against"), [(True, "labels"), (False, "reference")])
    def test_the_metric_says_what_it_is_judged_against(self, labelled: bool, against: str) -> None:
        assert judge("mae", labelled=labelled).metric.against == against


class TestOwnFunction:
    @pytest.fixture(autouse=True)
    def _python_path(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sys, "path", list(sys.path))

    def write(self, folder: Path, body: str, name: str = "scoring.py") -> None:
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(body)

    def test_a_file_beside_edge_yaml(self, tmp_path: Path) -> None:
        self.write(tmp_path, "def hits(y, output):\n    return (output[:, 0] > 0).mean()\n")
        found = judge("scoring.py:hits", folder=tmp_path)
        assert found.metric.name == "scoring.py:hits"
        assert found.metric.higher_is_better
        assert found.judge(np.zeros(4), [np.array([[1.0], [1.0], [1.0], [-1.0]])]).value == 0.75

    def test_a_package_beside_edge_yaml(self, tmp_path: Path) -> None:
        self.write(tmp_path, "", "edgewise_test_plant/__init__.py")
        body = "def cost(y, output):\n    return abs(y - output).sum()\n\n\ncost.higher_is_better = False\n"
        self.write(tmp_path, body, "edgewise_test_plant/scores.py")
        found = judge("edgewise_test_plant.scores:cost", folder=tmp_path)
        assert not found.metric.higher_is_better
        assert found.drop(np.zeros(5), [np.full(5, 2.0)], [np.ones(5)]).value == 5.0

    def test_a_file_may_use_its_neighbours_and_dataclasses(self, tmp_path: Path) -> None:
        self.write(tmp_path, "WEIGHT = 3\n", "edgewise_test_weights.py")
        self.write(
            tmp_path,
            "from __future__ import annotations\nfrom dataclasses import dataclass\n"
            "from edgewise_test_weights import WEIGHT\n\n\n@dataclass\nclass Scale:\n    by: float = WEIGHT\n\n\n"
            "def scaled(y, output):\n    return Scale().by\n",
        )
        assert judge("scoring.py:scaled", folder=tmp_path).score(np.zeros(2), [np.zeros(2)]) == 3.0

    def test_several_outputs_come_as_a_list(self, tmp_path: Path) -> None:
        self.write(tmp_path, "def count(y, outputs):\n    assert isinstance(outputs, list)\n    return len(outputs)\n")
        assert judge("scoring.py:count", folder=tmp_path).score(np.zeros(2), [np.zeros(2), np.zeros(2)]) == 2.0

    @pytest.mark.parametrize(
        ("name", "said"),
        [
            ("nowhere.py:f", "nowhere.py:f cannot be imported"),
            ("edgewise_test_no_such_module:f", "No module named"),
            ("scoring.py:missing", "missing"),
            ("scoring.py:NUMBER", "is not a function"),
            ("scoring.py:", "cannot be imported"),
            ("broken.py:f", "SyntaxError"),
            ("leaving.py:f", "SystemExit"),
        ],
    )
    def test_what_cannot_be_imported_is_said(self, tmp_path: Path, name: str, said: str) -> None:
        self.write(tmp_path, "NUMBER = 3\n")
        self.write(tmp_path, "def f(:\n", "broken.py")
        self.write(tmp_path, "raise SystemExit(3)\n", "leaving.py")
        with pytest.raises(UnknownMetric) as caught:
            judge(name, folder=tmp_path)
        assert said in caught.value.message
        assert caught.value.hint

    def test_one_that_raises_is_named_with_its_words(self, tmp_path: Path) -> None:
        self.write(tmp_path, "def f(y, output):\n    raise KeyError('station')\n")
        with pytest.raises(UnknownMetric, match=r"scoring\.py:f failed: KeyError: 'station'"):
            metrics.check(judge("scoring.py:f", folder=tmp_path), np.zeros(3), [np.zeros((3, 1))])

    @pytest.mark.parametrize("answer", ["'good'", "None", "float('nan')", "float('inf')", "[1, 2]", "output"])
    def test_one_that_returns_no_finite_number_is_refused(self, tmp_path: Path, answer: str) -> None:
        self.write(tmp_path, f"def f(y, output):\n    return {answer}\n")
        with pytest.raises(UnknownMetric) as caught:
            metrics.check(judge("scoring.py:f", folder=tmp_path), np.zeros(3), [np.zeros((3, 2))])
        assert "scoring.py:f" in caught.value.message
        assert "number" in caught.value.hint

    def test_one_that_gives_nan_for_a_variant_alone_is_refused_too(self, tmp_path: Path) -> None:
        self.write(tmp_path, "def f(y, output):\n    return float('nan') if output.sum() > 3 else 1.0\n")
        found = judge("scoring.py:f", folder=tmp_path)
        metrics.check(found, np.zeros(3), [np.zeros((3, 2))])
        with pytest.raises(UnknownMetric, match="gives nan"):
            found.drop(np.zeros(3), [np.ones((3, 2))], [np.zeros((3, 2))])


class TestCheck:
    def refused(self, name: str, y: Array, output: Array) -> BadData:
        with pytest.raises(BadData) as caught:
            metrics.check(judge(name), y, [output])
        assert caught.value.exit_code == 12
        assert caught.value.hint
        return caught.value

    @pytest.mark.parametrize(
        ("label", "said"), [(4, "names class 4"), (-1, "names class -1"), (255, "names class 255")]
    )
    def test_a_label_outside_the_classes(self, label: int, said: str) -> None:
        y = np.array([0, 1, 2, label])
        assert f"{said}, and the model has classes 0 to 3" in self.refused("accuracy", y, np.zeros((4, 4))).message

    @pytest.mark.parametrize("value", [0.5, 1e300, -1e300])
    def test_values_where_class_numbers_are_needed(self, value: float) -> None:
        error = self.refused("f1", np.array([0.0, 1.0, value]), np.zeros((3, 4)))
        assert "float64 values, and f1 needs class numbers" in error.message
        assert "mae or rmse" in error.hint

    def test_class_numbers_kept_as_floats_are_taken(self) -> None:
        y, scores = classification(1, 3)
        metrics.check(judge("accuracy"), y.astype(np.float32), [scores])
        assert judge("accuracy").score(y.astype(np.float32), [scores]) == judge("accuracy").score(y, [scores])

    def test_one_hot_rows_of_another_width(self) -> None:
        error = self.refused("accuracy", np.eye(3), np.zeros((3, 5)))
        assert "y has 3 columns and the model tells 5 classes apart" in error.message

    @pytest.mark.parametrize("label", [0, 1])
    def test_one_class_says_nothing_about_auc(self, label: int) -> None:
        error = self.refused("auc", np.full(5, label), np.zeros((5, 2)))
        assert "one class only" in error.message

    def test_auc_of_more_than_two_classes(self) -> None:
        error = self.refused("auc", np.array([0, 1, 1]), np.zeros((3, 10)))
        assert "auc is for two classes, and the model gives 10 values" in error.message

    def test_a_third_class_for_auc(self) -> None:
        assert "names class 2" in self.refused("auc", np.array([0, 1, 2]), np.zeros((3, 1))).message

    @pytest.mark.parametrize("name", ["mae", "rmse"])
    def test_targets_of_another_width(self, name: str) -> None:
        error = self.refused(name, np.zeros((4, 2)), np.zeros((4, 3)))
        assert "y has 2 values a sample and the model gives 3" in error.message

    @pytest.mark.parametrize(
        ("name", "y", "output"),
        [
            ("accuracy", np.array([True, False, True]), np.zeros((3, 1))),
            ("accuracy", np.array([0, 1, 1], np.uint8), np.zeros((3, 2))),
            ("accuracy", np.eye(2)[[0, 1, 1]], np.zeros((3, 1))),
            ("auc", np.array([0, 1, 1]), np.zeros((3, 1))),
            ("mae", np.zeros(3), np.zeros((3, 1))),
            ("rmse", np.zeros((3, 2, 2)), np.zeros((3, 4))),
        ],
    )
    def test_what_fits_passes(self, name: str, y: Array, output: Array) -> None:
        assert metrics.check(judge(name), y, [output]) is None
