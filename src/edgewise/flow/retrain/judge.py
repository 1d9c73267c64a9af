"""Whether a new model may take the place of the old one: the same data, metric and paired test that `plan` uses.

The cases that it has learnt from are no part of that data. A new model is refused where the paired test finds it worse;
one that is neither better nor worse is taken, for it knows what people said.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from edgewise.design import evaluate, metrics, models
from edgewise.design.statistics import ALPHA, Estimate
from edgewise.design.variants.recipes import GIVEN
from edgewise.errors import BadData, BadModel
from edgewise.flow import ground
from edgewise.flow.edgefile import Project
from edgewise.hardware.probe import identity
from edgewise.nouns import ModelFile, Signature, Variant
from edgewise.runtimes.samples import Array
from edgewise.store.steps import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """The new model beside the old one.

    Attributes:
        metric: its name.
        old, new: the metric of each, with its interval.
        drop: how much worse the new one is, on the same samples; less than zero where it is better.
    """

    metric: str
    old: Estimate
    new: Estimate
    drop: Estimate

    @property
    def worse(self) -> bool:
        """Whether the paired test says so."""
        return self.drop.value > 0 and self.drop.p is not None and self.drop.p < ALPHA


def judge(project: Project, new: Path, store: Store) -> Judgement:
    """Compare the model at `new` with the project's own.

    Raises:
        BadModel: it is no model, is in several files, or takes or gives something else than the old one.
        BadData: there are no labels to judge by.
        ChildFailed: a model does not run here.
    """
    ours, theirs = models.read(project.model_paths[0]), models.read(new)
    if len(theirs.files) > 1:
        raise BadModel("the new model keeps its weights in files of their own", hint="write one file, below 2 GiB")
    if _shape(ours.signature) != _shape(theirs.signature):
        raise BadModel(
            "the new model takes or gives something else than the old one", hint="who asks it would have to change too"
        )
    outputs = [_outputs(one, store) for one in (project, replace(project, model_paths=(new,)))]
    data = ground.read(project, project.sites[0]).data
    y = data.evaluation.y
    if y is None:
        raise BadData("a new model is judged by labels, and the data has no y", hint="add y to model.data")
    judged_by = metrics.find(project.metric, labelled=True, folder=project.path.resolve().parent)
    return Judgement(
        metric=judged_by.metric.name,
        old=judged_by.judge(y, outputs[0]),
        new=judged_by.judge(y, outputs[1]),
        drop=judged_by.drop(y, outputs[1], outputs[0]),
    )


def _outputs(project: Project, store: Store) -> Sequence[Array]:
    """What the project's model says of the evaluation data, as given."""
    base = ground.read(project, project.sites[0])
    design = next(one for one in base.designs if one.recipe.method == GIVEN and not one.failure)
    folder = project.model_paths[0].parent
    files = tuple(
        ModelFile(name=file.name, digest=store.blobs.put_file(folder / file.name), size_bytes=file.size_bytes)
        for file in base.models[0].files
    )
    variant = Variant(recipe=design.recipe, files=files)
    return evaluate.predict(variant, design.configuration, base.data, store, machine=identity(base.here)).outputs


def _shape(signature: Signature) -> object:
    return [
        [(one.name, one.dtype, len(one.shape), [axis for axis in one.shape if isinstance(axis, int)]) for one in side]
        for side in (signature.inputs, signature.outputs)
    ]
