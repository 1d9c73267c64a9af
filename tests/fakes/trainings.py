"""A project whose model is trained: a copy of tests/fakes/training with data, and what shall go wrong in it."""

import json
import shutil
from pathlib import Path

import numpy as np

from edgewise.flow import edgefile
from edgewise.flow.edgefile import Project
from edgewise.flow.structures import Search

SOURCE = Path(__file__).parent / "training"
BUDGET = "{latency_p99: 50ms, accuracy_drop: 0.02}"


def project(folder: Path, *, structure: str = "", budget: str = BUDGET, machines: str = "[{name: this, threads: 1}]",
            **settings: object) -> Project:  # fmt: skip
    """The project in `folder`.

    Args:
        structure: source of other ranges than the fake's own.
        settings: go into settings.json beside the noise: `accidents`, `diary`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for file in (*SOURCE.glob("*.py"), SOURCE / "settings.json"):
        shutil.copy(file, folder / file.name)
    (folder / "settings.json").write_text(json.dumps({"noise": 0.8} | settings))
    if structure:
        with (folder / "train.py").open("a") as file:
            file.write(f"\nSTRUCTURE = {structure}\n")
    np.savez(folder / "eval.npz", **held_out(400))
    (folder / "edge.yaml").write_text(
        "apiVersion: edgewise/v1\n"
        "model: {name: bands, train: train.py, data: eval.npz}\n"
        f"sites:\n  here: {{machines: {machines}, budget: {budget}}}\n"
    )
    return edgefile.load(folder / "edge.yaml")


def held_out(n: int) -> dict[str, np.ndarray]:
    """Waves as the fake's waves.py makes them, from another seed than its training."""
    random = np.random.default_rng(9)
    y = random.integers(0, 3, n)
    frequency = 1.0 + 2.2 * y + random.uniform(0, 1.2, n)
    time = np.linspace(0, 1, 32)
    x = np.sin(2 * np.pi * (frequency[:, None] * time + random.uniform(0, 1, (n, 1))))
    return {"x": (x + 0.8 * random.standard_normal((n, 32))).astype(np.float32), "y": y}


def diary(path: Path) -> list[dict[str, object]]:
    """The trainings that were done, in the order in which they ended."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def without_labels(folder: Path) -> None:
    """Take the labels out of the project's data."""
    np.savez(folder / "eval.npz", x=held_out(400)["x"])


def results(found: Search) -> dict[str, tuple[object, ...]]:
    """What a search found, without what a clock said: the same on every run and every engine."""
    return {
        each.label: (
            each.name,
            each.stage,
            each.failure,
            each.metric.value if each.metric else None,
            each.variant.files[0].digest if each.variant else None,
        )
        for each in found.tries.known.values()
    }
