"""From recipes to variants, each in a child process, each kept in the store.

Recipes of one toolchain share a child (and its calibration); a child that dies is replaced for the next
recipe, so that a crash takes down one candidate and no more.
"""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from edgewise.design.data import Data
from edgewise.errors import ChildFailed, RecipeNotApplicable
from edgewise.nouns import ModelFile, Recipe, Variant
from edgewise.runtimes.child import Child
from edgewise.runtimes.samples import write_arrays
from edgewise.store import steps
from edgewise.store.steps import Store

TIMEOUT_S = 900.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """A variant with the log of making it (a digest, "" where there is none)."""

    variant: Variant
    log: str


class Builder:
    """Makes variants of one model from one calibration split; a context manager.

    Args:
        store: where variants are kept.
        versions: of the toolchains, part of the cache's key.
        project: folder of the edge.yaml.
    """

    def __init__(self, store: Store, data: Data, *, metric: str, project: Path, versions: Mapping[str, str]) -> None:
        self._store = store
        self._data = data
        self._metric = metric
        self._project = project
        self._versions = dict(versions)
        self._folder = store.scratch()
        self._child: Child | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end_child()
        self._folder.cleanup()

    def build(self, recipe: Recipe, source: Path, source_digest: str) -> Built:
        """The variant that `recipe` makes of the model at `source`.

        Raises:
            RecipeNotApplicable: with the reason; it is remembered.
            ChildFailed: the toolchain failed (remembered) or crashed (not remembered, so that it is tried again).
        """
        key = steps.key(
            "variant",
            source=source_digest,
            data=self._data.summary.digest,
            seed=self._data.summary.seed,
            method=recipe.method,
            settings=dict(recipe.settings),
            metric=self._metric,
            versions=self._versions,
        )
        known = self._store.recall(key)
        if known is None:
            known = self._make(recipe, source, key)
        if "reason" in known:
            raise RecipeNotApplicable(known["reason"])
        if "failure" in known:
            raise ChildFailed(known["failure"], log=self._store.blobs.get(known["log"]).decode(), lasting=True)
        files = tuple(ModelFile(**file) for file in known["files"])
        return Built(variant=Variant(recipe=recipe, files=files, notes=tuple(known["notes"])), log=known["log"])

    def _make(self, recipe: Recipe, source: Path, key: str) -> dict[str, Any]:
        with tempfile.TemporaryDirectory(prefix="variant-", dir=self._folder.name) as folder:
            child = self._ready_child()
            try:
                answer = child.call(
                    "make",
                    timeout_s=TIMEOUT_S,
                    method=recipe.method,
                    source=str(source),
                    folder=folder,
                    settings=dict(recipe.settings),
                )
            except ChildFailed as error:
                if not error.lasting:
                    self._end_child()
                    raise
                answer = {"failure": error.message}
            log = self._store.blobs.put(child.log().encode())
            if "files" not in answer:
                record: dict[str, Any] = answer | {"log": log}
                self._store.record(key, record, blobs=(log,))
                return record
            files = [self._keep(Path(path)) for path in answer["files"]]
            record = {"files": files, "notes": answer["notes"], "log": log}
            self._store.record(key, record, blobs=(log, *(str(file["digest"]) for file in files)))
            return record

    def _keep(self, path: Path) -> dict[str, str | int]:
        return {"name": path.name, "digest": self._store.blobs.put_file(path), "size_bytes": path.stat().st_size}

    def _ready_child(self) -> Child:
        if self._child is None:
            folder = Path(self._folder.name)
            inputs, labels = folder / "inputs.npz", folder / "labels.npy"
            write_arrays(inputs, self._data.calibration.inputs)
            if self._data.calibration.y is not None:
                np.save(labels, self._data.calibration.y, allow_pickle=False)
            child = Child("edgewise.design.variants._worker", name="the toolchain")
            try:
                child.call(
                    "learn",
                    timeout_s=TIMEOUT_S,
                    inputs=str(inputs),
                    labels=None if self._data.calibration.y is None else str(labels),
                    batched=self._data.batched,
                    batch=self._data.batch,
                    metric=self._metric,
                    project=str(self._project),
                    scratch=tempfile.mkdtemp(dir=folder),
                )
            except BaseException:
                child.close()
                raise
            self._child = child
        return self._child

    def _end_child(self) -> None:
        if self._child is not None:
            self._child.close()
            self._child = None
