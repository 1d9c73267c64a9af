"""How good predictions are, with an interval, and how much worse than the reference, tested in pairs.

A metric is a function of labels and outputs. Accuracy has exact statistics of its own; the others are
bootstrapped on the same resamples for both sides, so that the comparison stays paired.
"""

import importlib
import importlib.util
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

from edgewise.design import statistics
from edgewise.design.statistics import Estimate, Indices
from edgewise.errors import BadData, UnknownMetric
from edgewise.nouns import Metric

Array = npt.NDArray[Any]
Score = Callable[[Array, Sequence[Array]], float]

ONE_CLASS = "the labels hold one class only, so {name} says nothing"


def _classes(output: Array) -> Array:
    """Class of every sample, int [n]: the largest column, or 0.5 as the threshold of a single one."""
    scores = output.reshape(len(output), -1)
    if scores.shape[1] == 1:
        return (scores[:, 0] > 0.5).astype(np.int64)
    classes: Array = scores.argmax(axis=1)
    return classes


def _columns(output: Array) -> int:
    """Values that the model gives for one sample."""
    return output.reshape(len(output), -1).shape[1]


def _labels(y: Array) -> Array:
    """Class of every label, int [n], from ids or from one-hot rows."""
    flat = y.reshape(len(y), -1)
    return flat[:, 0].astype(np.int64) if flat.shape[1] == 1 else flat.argmax(axis=1)


def _positive(output: Array) -> Array:
    """Score of the positive class: the only column, or the second less the first."""
    scores = output.reshape(len(output), -1).astype(np.float64)
    return scores[:, 0] if scores.shape[1] == 1 else scores[:, 1] - scores[:, 0]


def hits(y: Array, outputs: Sequence[Array]) -> npt.NDArray[np.bool_]:
    """Whether the first of `outputs` names the class of each label, [n]."""
    return np.asarray(_classes(outputs[0]) == _labels(y))


def _accuracy(y: Array, outputs: Sequence[Array]) -> float:
    return float(hits(y, outputs).mean())


def _auc(y: Array, outputs: Sequence[Array]) -> float:
    """Area under the ROC curve as the Mann-Whitney statistic (Hanley and McNeil, 1982)."""
    truth = _labels(y) > 0
    positives = int(truth.sum())
    negatives = len(truth) - positives
    if not positives or not negatives:
        return float("nan")
    ranks = rankdata(_positive(outputs[0]))
    return float((ranks[truth].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def _f1(y: Array, outputs: Sequence[Array]) -> float:
    """F1 of class 1 where the model tells two classes apart, else the unweighted mean over the labels' classes."""
    truth, guess = _labels(y), _classes(outputs[0])
    scores = []
    for label in np.unique(truth) if _columns(outputs[0]) > 2 else [1]:
        both = np.sum((truth == label) & (guess == label))
        total = np.sum(truth == label) + np.sum(guess == label)
        scores.append(2 * both / total if total else 0.0)
    return float(np.mean(scores))


def _errors(y: Array, outputs: Sequence[Array]) -> Array:
    """Difference of output and truth, float64 [n, k]."""
    return outputs[0].reshape(len(y), -1).astype(np.float64) - y.reshape(len(y), -1)


def _mae(y: Array, outputs: Sequence[Array]) -> float:
    return float(np.abs(_errors(y, outputs)).mean())


def _rmse(y: Array, outputs: Sequence[Array]) -> float:
    return float(np.sqrt(np.square(_errors(y, outputs)).mean()))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Named:
    score: Score
    higher_is_better: bool
    kind: Literal["classes", "binary", "values"]


_NAMED: Mapping[str, _Named] = {
    "accuracy": _Named(score=_accuracy, higher_is_better=True, kind="classes"),
    "auc": _Named(score=_auc, higher_is_better=True, kind="binary"),
    "f1": _Named(score=_f1, higher_is_better=True, kind="classes"),
    "mae": _Named(score=_mae, higher_is_better=False, kind="values"),
    "rmse": _Named(score=_rmse, higher_is_better=False, kind="values"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Judge:
    """A metric ready to judge: `score` takes y [n, …] and the outputs, each [n, …]."""

    metric: Metric
    score: Score

    def judge(self, y: Array, outputs: Sequence[Array]) -> Estimate:
        """The metric with its 95 % interval."""
        if self.metric.name == "accuracy":
            right = hits(y, outputs)
            return statistics.share(int(right.sum()), len(right))
        return self._told(statistics.bootstrap(lambda i: self.score(y[i], [part[i] for part in outputs]), len(y)))

    def drop(self, y: Array, outputs: Sequence[Array], reference: Sequence[Array]) -> Estimate:
        """How much worse `outputs` are than `reference`, on the same samples; positive is worse."""
        if self.metric.name == "accuracy":
            return statistics.paired_shares(hits(y, reference), hits(y, outputs))
        sign = 1 if self.metric.higher_is_better else -1

        def worse(i: Indices) -> float:
            before = self.score(y[i], [part[i] for part in reference])
            return sign * (before - self.score(y[i], [part[i] for part in outputs]))

        return self._told(statistics.bootstrap(worse, len(y)))

    def _told(self, estimate: Estimate) -> Estimate:
        if not np.isfinite(estimate.value):
            raise UnknownMetric(
                f"the metric {self.metric.name} gives {estimate.value} for the evaluation data",
                hint="it must return a finite number",
            )
        return estimate


def find(name: str, *, labelled: bool, folder: Path) -> Judge:
    """The judge called `name`.

    Args:
        name: accuracy, auc, f1, mae, rmse, or package.module:function taking (y, outputs), where outputs
            is the array of the only output, or a list of arrays.
        labelled: whether the data has labels; without them agreement with the model as given is judged.
        folder: where a named module may lie, beside the Python path.

    Raises:
        UnknownMetric: no such metric, or the function cannot be imported.
    """
    against: Literal["labels", "reference"] = "labels" if labelled else "reference"
    if name in _NAMED:
        named = _NAMED[name]
        if not labelled and named.kind == "binary":
            raise UnknownMetric(f"{name} needs labels, and the data has no y", hint="add y, or use accuracy or mae")
        metric = Metric(name=name, higher_is_better=named.higher_is_better, against=against)
        return Judge(metric=metric, score=named.score)
    module, colon, function = name.partition(":")
    if not colon:
        near = get_close_matches(name, _NAMED, n=1)
        raise UnknownMetric(
            f"there is no metric {name!r}",
            hint=f"did you mean {near[0]}?" if near else f"allowed are {', '.join(_NAMED)}, or package.module:function",
        )
    called = imported(module, function, folder, UnknownMetric)
    better = bool(getattr(called, "higher_is_better", True))
    return Judge(metric=Metric(name=name, higher_is_better=better, against=against), score=_own(name, called))


def _own(name: str, function: Callable[..., Any]) -> Score:
    def score(y: Array, outputs: Sequence[Array]) -> float:
        try:
            return float(function(y, outputs[0] if len(outputs) == 1 else list(outputs)))
        except Exception as error:
            raise UnknownMetric(
                f"the metric {name} failed: {type(error).__name__}: {error}",
                hint="it is called as function(y, outputs) with arrays of n samples and must return a number",
            ) from error

    return score


def imported(
    module: str, function: str, folder: Path, error_type: type[BadData] | type[UnknownMetric]
) -> Callable[..., Any]:
    """The function `function` of `module`: a dotted name, or a path that ends in .py."""
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
    try:
        if module.endswith(".py"):
            path = folder / module
            spec = importlib.util.spec_from_file_location(f"_edgewise_{path.stem}", path)
            assert spec is not None
            assert spec.loader is not None
            loaded = importlib.util.module_from_spec(spec)
            sys.modules[spec.name] = loaded  # dataclasses and pickle look there
            spec.loader.exec_module(loaded)
        else:
            loaded = importlib.import_module(module)
        found = getattr(loaded, function)
    except (Exception, SystemExit) as error:
        raise error_type(
            f"{module}:{function} cannot be imported: {type(error).__name__}: {error}",
            hint="name it as package.module:function, importable from the folder of edge.yaml",
        ) from error
    if not callable(found):
        raise error_type(f"{module}:{function} is not a function", hint="name a function that can be called")
    typed: Callable[..., Any] = found
    return typed


def check(judge: Judge, y: Array, outputs: Sequence[Array]) -> None:
    """See that labels and the reference's outputs fit the metric before anything is built.

    Raises:
        BadData: labels that the metric cannot use, with what was found and what it takes.
    """
    named = _NAMED.get(judge.metric.name)
    if named is None:
        judge.judge(y, outputs)
        return
    columns = _columns(outputs[0])
    if named.kind == "values":
        width = y.reshape(len(y), -1).shape[1]
        if width != columns:
            raise BadData(
                f"y has {width} values a sample and the model gives {columns}",
                hint="y must look like the output",
            )
        return
    if named.kind == "binary" and columns > 2:
        raise BadData(
            f"{judge.metric.name} is for two classes, and the model gives {columns} values a sample",
            hint="use accuracy or f1, or a function of your own: package.module:function",
        )
    _check_classes(judge.metric.name, y, classes=max(columns, 2), binary=named.kind == "binary")


def _check_classes(name: str, y: Array, *, classes: int, binary: bool) -> None:
    width = y.reshape(len(y), -1).shape[1]
    if width not in (1, classes):
        raise BadData(
            f"y has {width} columns and the model tells {classes} classes apart",
            hint=f"give class numbers, [n], or one-hot rows, [n, {classes}]",
        )
    if width == 1 and y.dtype.kind == "f" and not (np.array_equal(y, np.rint(y)) and np.abs(y).max() < 2**31):
        raise BadData(f"y holds {y.dtype} values, and {name} needs class numbers", hint="use mae or rmse for values")
    labels = _labels(y)
    if labels.min() < 0 or labels.max() >= classes:
        wrong = int(labels.min() if labels.min() < 0 else labels.max())
        raise BadData(
            f"y names class {wrong}, and the model has classes 0 to {classes - 1}",
            hint="class numbers start at 0; check the order of the classes",
        )
    if binary and len(np.unique(labels > 0)) < 2:
        raise BadData(ONE_CLASS.format(name=name), hint="add samples of the other class")
