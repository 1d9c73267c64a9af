"""The first edge.yaml: always valid, the metric as the outputs suggest, nothing pasted into YAML."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from edgewise.flow import edgefile, starter
from edgewise.nouns import Model, ModelFile, ModelFormat, Signature, Tensor

Shape = tuple[int | str, ...]


def _model(output: Shape, dtype: str = "float32", given: Shape = ("n", 640)) -> Model:
    return Model(
        name="m",
        format=ModelFormat.ONNX,
        files=(ModelFile(name="m.onnx", digest="sha256:0", size_bytes=1),),
        opset=17,
        signature=Signature(
            inputs=(Tensor(name="x", dtype="float32", shape=given),),
            outputs=(Tensor(name="y", dtype=dtype, shape=output),),
        ),
        layers=(),
        parameters_by_dtype={},
    )


@pytest.mark.parametrize(
    ("model", "labels", "metric", "sure"),
    [
        (_model(("n", 10)), None, "accuracy", True),
        (_model((1, 2)), None, "accuracy", True),
        (_model(("n",), "int64"), None, "accuracy", True),
        (_model(("n", 640)), None, "mae", True),
        (_model(("n", 3, 8, 8), given=("batch", 3, 8, 8)), None, "mae", True),
        (_model(("n", 1)), [0, 1, 1], "auc", True),
        (_model(("n",)), [0.5, 17.0], "mae", True),
        (_model(("n", 1)), None, "mae", False),
        (_model(("n", 100, 85)), None, "mae", False),
        (_model(()), None, "mae", False),
    ],
)
def test_metric_as_the_outputs_suggest(
    tmp_path: Path, model: Model, labels: list[float] | None, metric: str, sure: bool
) -> None:
    data = None
    if labels is not None:
        data = tmp_path / "eval.npz"
        np.savez(data, y=np.array(labels))
    assert starter.guess_metric(model, data) == (metric, sure)
    text = starter.draft(model, tmp_path / "m.onnx", data, tmp_path)
    assert ("A guess" in text) is not sure


def _objects(path: Path) -> None:
    np.savez(path, y=np.array([{}], dtype=object))


def _text(path: Path) -> None:
    path.write_text("not a zip")


def _without_labels(path: Path) -> None:
    np.savez(path, x=np.zeros(3))


@pytest.mark.parametrize("write", [_objects, _text, _without_labels, Path.mkdir])
def test_odd_data_says_nothing_about_the_labels(tmp_path: Path, write: Any) -> None:
    write(tmp_path / "eval.npz")
    assert starter.labels_are_binary(tmp_path / "eval.npz") is None


names = st.text(st.characters(exclude_characters="/\0", exclude_categories=("Cs",)), min_size=1, max_size=60).filter(
    lambda name: name not in (".", "..")
)


@settings(max_examples=80, deadline=None)
@given(model=names, data=st.none() | names.filter(lambda name: ":" not in name), classes=st.sampled_from([1, 10, 640]))
def test_any_file_name_gives_a_file_that_loads(
    tmp_path_factory: pytest.TempPathFactory, model: str, data: str | None, classes: int
) -> None:
    folder = tmp_path_factory.mktemp("starter")
    data_path = None if data is None else folder / data
    text = starter.draft(_model(("n", classes)), folder / model, data_path, folder)
    path = folder / "edge.yaml"
    path.write_text(text, encoding="utf-8")
    project = edgefile.load(path)
    assert [path.resolve() for path in project.model_paths] == [(folder / model).resolve()]
    assert str(Path(project.data).resolve()) == str((folder / (data or starter.PLACEHOLDER)).resolve())
    assert [site.name for site in project.sites] == ["first-site"]


def test_every_comment_stands_above_its_key(tmp_path: Path) -> None:
    text = starter.draft(_model(("n", 10)), tmp_path / "m.onnx", tmp_path / "eval.npz", tmp_path)
    lines = text.splitlines()
    assert lines[:2] == starter.HEADER.splitlines()
    for keys, comment in starter.COMMENTS.items():
        last = comment.splitlines()[-1]
        above = next(number for number, line in enumerate(lines) if line.strip() == f"# {last}")
        assert lines[above + 1].strip().startswith(keys[-1])
    assert max(map(len, lines)) <= 120


def test_budget_line_only_for_metrics_in_points(tmp_path: Path) -> None:
    def budget(classes: int) -> object:
        text = starter.draft(_model(("n", classes)), tmp_path / "m.onnx", None, tmp_path)
        return yaml.safe_load(text)["sites"]["first-site"]["budget"]

    assert budget(10) == {"accuracy_drop": 0.01}
    assert budget(640) == {}
