"""A first edge.yaml, written by looking at the model; pure but for a look into the data's labels.

The document is a value that PyYAML serialises; comments that teach are put above its keys afterwards, so
that no name or path is ever pasted into YAML.
"""

import os
import re
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal

import numpy as np
import yaml

from edgewise.nouns import Model, Tensor

Keys = tuple[str, ...]
Metric = Literal["accuracy", "auc", "mae"]

PLACEHOLDER = "eval.npz"
LONGEST_NAME = 63
HEADER = """\
# What Edgewise works from. Every key: docs/reference/edge-yaml.md, or edgewise schema edge.
# Next: edgewise plan
"""
COMMENTS: Mapping[Keys, str] = {
    ("model", "file"): "The model as trained; it is the reference that every variant is compared with.",
    ("model", "seed"): "Splits the data into a part for calibration and a part for evaluation.",
    ("sites",): "Where the model must run. Add a site for every kind of place; rename this one.",
    ("sites", "first-site", "node"): "What runs there: device, microshift or openshift.",
    ("sites", "first-site", "machines"): (
        "The machine, or candidates to choose among: edgewise get machines. `this` is the one at hand."
    ),
    ("sites", "first-site", "budget"): (
        "What the site can afford. Each line may be left out; numbers need their unit. More lines:\n"
        "latency_p99: 10ms, throughput: 50/s, memory: 64MiB, flash: 8MiB, load_time: 2s,\n"
        "power: 3W, energy: 5mJ, price: 150USD"
    ),
}
METRIC_COMMENTS: Mapping[Metric, str] = {
    "accuracy": "The output has a column a class: accuracy. Others: f1, auc, or package.module:function.",
    "auc": "The output is one column and the labels are 0 and 1: auc. For a regression: mae or rmse.",
    "mae": "Taken for a regression or a reconstruction: mae; rmse weighs large errors more. Two classes: auc.",
}
GUESS = "A guess, for the outputs do not say what they mean; package.module:function judges as you like."
DROP = "How much worse than the model as trained the metric may get: 0.01 is one point."
ERROR_DROP = (
    "accuracy_drop: how much larger than with the model as trained the error may get, in its own unit.\n"
    "Left out: no increase that a paired test can see."
)
DATA = "Arrays x and y (or one array an input, by the input's name, and y), never seen in training."
NO_DATA = (
    "There is no such file yet. Save some labelled samples that training never saw:\n"
    "numpy.savez('eval.npz', x=inputs, y=labels); without y, agreement with the model is judged."
)


def draft(model: Model, model_path: Path, data_path: Path | None, folder: Path) -> str:
    """Text of an edge.yaml in `folder` for `model`, which `flow.edgefile.load` accepts.

    Args:
        data_path: the .npz with the data; None writes a name to be filled in.
    """
    metric, sure = guess_metric(model, data_path)
    budget: dict[str, object] = {} if metric == "mae" else {"accuracy_drop": 0.01}
    document = {
        "apiVersion": "edgewise/v1",
        "model": {
            "name": name_for(model_path),
            "file": _relative(model_path, folder),
            "data": PLACEHOLDER if data_path is None else _relative(data_path, folder),
            "metric": metric,
            "seed": 0,
        },
        "sites": {"first-site": {"node": "device", "machines": ["this"], "budget": budget}},
    }
    budget_key = ("sites", "first-site", "budget")
    comments = dict(COMMENTS)
    comments["model", "data"] = NO_DATA if data_path is None else DATA
    comments["model", "metric"] = METRIC_COMMENTS[metric] if sure else f"{GUESS}\n{METRIC_COMMENTS[metric]}"
    if budget:
        comments[*budget_key, "accuracy_drop"] = DROP
    else:
        comments[budget_key] = f"{comments[budget_key]}\n{ERROR_DROP}"
    return HEADER + _commented(_serialised(document), comments)


def guess_metric(model: Model, data_path: Path | None) -> tuple[Metric, bool]:
    """The metric that suits the outputs, and False where they say too little.

    [n, classes] is accuracy, the shape of the input is a reconstruction, one column is auc where the labels
    are 0 and 1, else a regression; whole numbers are classes.
    """
    output = model.signature.outputs[0]
    axes = output.shape[1:]
    if not output.dtype.startswith("float"):
        return "accuracy", len(axes) == 0
    if any(_alike(output, tensor) for tensor in model.signature.inputs):
        return "mae", True
    if axes in ((), (1,)):
        binary = labels_are_binary(data_path)
        return ("auc" if binary else "mae"), binary is not None
    return ("accuracy", True) if len(axes) == 1 else ("mae", False)


def labels_are_binary(data_path: Path | None) -> bool | None:
    """True where y of the .npz holds 0 and 1 alone; None where there is no y to look at."""
    if data_path is None:
        return None
    try:
        with np.load(data_path, allow_pickle=False) as arrays:
            labels = arrays.get("y")
    except (OSError, ValueError, zipfile.BadZipFile, EOFError):
        return None
    return None if labels is None else bool(np.isin(labels, (0, 1)).all())


def name_for(model_path: Path) -> str:
    """Name of the model after its file: lower case letters, digits, dots and dashes."""
    name = re.sub(r"[^a-z0-9.]+", "-", model_path.stem.lower())[:LONGEST_NAME].strip("-.")
    return name or "model"


def _alike(output: Tensor, given: Tensor) -> bool:
    return len(output.shape) > 1 and output.shape[1:] == given.shape[1:] and output.dtype == given.dtype


def _relative(path: Path, folder: Path) -> str:
    return Path(os.path.relpath(path.resolve(), folder.resolve())).as_posix()


def _serialised(document: object) -> str:
    """Every value on one line. Signs that are no print (PyYAML would break lines at some) are escaped."""
    text = yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=10_000)
    if text.replace("\n", "").isprintable():
        return text
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=False, width=10_000)


def _commented(text: str, comments: Mapping[Keys, str]) -> str:
    """`text` with each comment above the line of its key, indented as the key is."""
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    assert root is not None
    above = {line: (column, comments[keys]) for keys, line, column in _places(root, ()) if keys in comments}
    lines = []
    for number, line in enumerate(text.splitlines()):
        if number in above:
            column, comment = above[number]
            lines += [f"{' ' * column}# {sentence}" for sentence in comment.splitlines()]
        lines.append(line)
    return "\n".join(lines) + "\n"


def _places(node: yaml.Node, keys: Keys) -> Iterator[tuple[Keys, int, int]]:
    """Line and column of every key below `node`."""
    if isinstance(node, yaml.MappingNode):
        for key, content in node.value:
            yield (*keys, key.value), key.start_mark.line, key.start_mark.column
            yield from _places(content, (*keys, key.value))
