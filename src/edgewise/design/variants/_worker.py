"""The child that makes variants. Toolchains crash and leak; here they take down only themselves."""

from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from edgewise.design.variants.made import Made, Material, Settings
from edgewise.errors import RecipeNotApplicable
from edgewise.runtimes.answer import serve
from edgewise.runtimes.samples import read_samples

METHODS: Mapping[str, str] = {
    "simplify": "simplify:simplify",
    "half": "half:half",
    "static-int8": "onnx_int8:static",
    "dynamic-int8": "onnx_int8:dynamic",
    "mixed-int8": "mixed:mixed",
    "tflite": "litert_tflite:float32",
    "tflite-int8": "litert_tflite:int8",
    "openvino": "openvino_ir:convert",
    "nncf-int8": "openvino_ir:post_training",
    "nncf-int8-controlled": "openvino_ir:accuracy_controlled",
}
"""Method of a recipe: the module beside this one and the function in it."""

Transform = Callable[[Path, Path, Settings, Material], Made]


class _Builder:
    def __init__(self) -> None:
        self._material: Material | None = None

    def learn(
        self, *, inputs: str, labels: str | None, batched: bool, batch: int, metric: str, project: str, scratch: str
    ) -> dict[str, int]:
        """Read the calibration split; what all recipes of this child learn from."""
        self._material = Material(
            samples=read_samples(Path(inputs), batched=batched, batch=batch),
            y=None if labels is None else np.load(labels, allow_pickle=False),
            metric=metric,
            project=Path(project),
            scratch=Path(scratch),
        )
        return {"samples": len(self._material.samples)}

    def make(self, *, method: str, source: str, folder: str, settings: Settings) -> dict[str, Any]:
        """Make one variant in `folder`; {"files", "notes"}, or {"reason"} where the recipe does not apply."""
        assert self._material is not None
        module, _, function = METHODS[method].partition(":")
        transform: Transform = getattr(import_module(f"edgewise.design.variants.{module}"), function)
        try:
            made = transform(Path(source), Path(folder), settings, self._material)
        except RecipeNotApplicable as refusal:
            return {"reason": refusal.message}
        return {"files": [str(path) for path in made.files], "notes": list(made.notes)}


def main() -> None:
    """Answer the parent until it closes our input."""
    builder = _Builder()
    serve({"learn": builder.learn, "make": builder.make})


if __name__ == "__main__":
    main()
