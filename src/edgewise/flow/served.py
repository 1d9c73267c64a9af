"""From the last plan of a site to what a server takes: model.json, the model's files, and a golden.

The files are those of the chosen design, out of the store; the golden's rows are evaluation data, and its answers are
what that design gave on this machine, in a process of its own (`design.evaluate`), with the tolerances of
`design.golden`. Predictions that the plan made are not made again. Same plan, same bytes: model.json names the files
by digest and holds no time.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from edgewise.design import data as design_data
from edgewise.design import evaluate, golden
from edgewise.design.data import Data
from edgewise.errors import BadData, NoFeasibleDesign, NotServable
from edgewise.flow import plan as planning
from edgewise.flow.edgefile import Project
from edgewise.flow.naming import FIRST_VERSION
from edgewise.flow.pipeline import piped
from edgewise.hardware.probe import identity, probe
from edgewise.nouns import (
    Budget,
    Design,
    Golden,
    ModelFile,
    Plan,
    Quantity,
    RuntimeConfiguration,
    ServedModel,
    Signature,
    Site,
    Tensor,
    Variant,
)
from edgewise.runtimes import protocol
from edgewise.runtimes import served as served_models
from edgewise.runtimes.samples import Array
from edgewise.store import atomic
from edgewise.store.blobs import digest_of
from edgewise.store.steps import Store

GOLDEN = "golden.npz"
LATENCIES = (Quantity.LATENCY_P50, Quantity.LATENCY_P90, Quantity.LATENCY_P99)


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A model as a server takes it, its files in the store.

    Attributes:
        document: the bytes of model.json.
        plan: that it comes from.
    """

    model: ServedModel
    document: bytes
    plan: Plan

    @property
    def digest(self) -> str:
        """Of model.json: it names the model with everything that is served."""
        return digest_of(self.document)

    @property
    def files(self) -> tuple[ModelFile, ...]:
        """All that belongs to the model beside model.json."""
        return (*self.model.files, *((self.model.golden.file,) if self.model.golden else ()))


def served(project: Project, site: Site, store: Store, *, version: str = FIRST_VERSION) -> Served:
    """What the last plan chose for `site`, as a server takes it.

    Args:
        version: as the Open Inference Protocol names versions of a model.

    Raises:
        NotFound: there is no plan, or no data.
        NoFeasibleDesign: the plan has no choice.
        NotServable: the chosen design runs in no server.
        BadData: the data is not that of the plan.
        ChildFailed: the design does not run here.
    """
    made = planning.last(project, site, folder=store.folder)
    design, variant = _chosen(made, project)
    data = _data(project, made)
    configuration = _configuration(design)
    answers = evaluate.predict(variant, configuration, data, store, machine=identity(probe(bandwidth=False)))
    proof, inputs = _golden(design, configuration, made, data, answers.outputs, store)
    model = ServedModel(
        name=project.name,
        version=version,
        design=design.name,
        configuration=configuration,
        files=variant.files,
        signature=_signature(made.model.signature, inputs, answers.outputs),
        golden=proof,
        delay_bound_ms=delay_bound_ms(site.budget, design),
    )
    if project.steps:
        model = piped(model, project.steps, project.path.resolve().parent, store)
    return Served(model=model, document=served_models.written(model), plan=made)


def delay_bound_ms(budget: Budget, design: Design) -> float:
    """How long a request may wait for others to run with it: half of what the budget leaves above what was measured.

    The other half is for the batch, which takes longer than one. 0 where the budget says nothing of latency.
    """
    left = [
        limit.value - design.figures[limit.quantity].high
        for limit in budget.limits
        if limit.quantity in LATENCIES and limit.quantity in design.figures
    ]
    return round(max(0.0, min(left)) / 2, 3) if left else 0.0


def lay_out(given: Served, folder: Path, store: Store) -> Path:
    """Write the model folder: model.json and every file beside it; the folder.

    Raises:
        StoreCorrupt: a file is missing in the store.
        StoreFull, StoreUnusable: the folder cannot be written.
    """
    for file in given.files:
        target = folder / file.name
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise atomic.explain(error, target) from error
        atomic.write(target, store.blobs.get(file.digest))
    atomic.write(folder / served_models.NAME, given.document)  # last: a folder with it is whole
    return folder


def _chosen(made: Plan, project: Project) -> tuple[Design, Variant]:
    if made.choice is None:
        raise NoFeasibleDesign(
            f"the plan of {made.site.name} has no choice, and so nothing to serve",
            plan=made,
            hint="relax a limit: edgewise plan says which",
        )
    design = made.verdict(made.choice).design
    if design.variant is None or design.configuration.runtime not in protocol.PACKAGES:
        raise NotServable(
            f"{design.name} runs by {design.configuration.runtime}, which no server of Edgewise has",
            hint=f"servers run {', '.join(protocol.PACKAGES)}: name machines that these suit in {project.path}",
        )
    return design, design.variant


def _data(project: Project, made: Plan) -> Data:
    """The plan's own data.

    Raises:
        BadData: it has changed since.
    """
    data = design_data.load(project.data, made.model, seed=made.data.seed, folder=project.path.resolve().parent)
    if data.summary.digest != made.data.digest:
        raise BadData("the data is not what the last plan was made with", hint=f"edgewise plan {project.path}")
    return data


def _configuration(design: Design) -> RuntimeConfiguration:
    """As it was measured; a machine that is not here has the version of the runtime that stands in for it here."""
    if design.configuration.version:
        return design.configuration
    runtime = design.configuration.runtime
    return replace(design.configuration, version=protocol.versions().get(runtime, ""))


def _golden(
    design: Design,
    configuration: RuntimeConfiguration,
    made: Plan,
    data: Data,
    outputs: Sequence[Array],
    store: Store,
) -> tuple[Golden, list[Array]]:
    """The golden, and its inputs."""
    picked = golden.rows(len(data.evaluation), data.batch)
    inputs = [array[picked] for array in data.evaluation.inputs]
    arrays = {f"x{index}": array for index, array in enumerate(inputs)}
    arrays |= {f"y{index}": array[picked] for index, array in enumerate(outputs)}
    content = io.BytesIO()
    np.savez(content, **arrays)  # type: ignore[arg-type]  # numpy's stub takes allow_pickle among the arrays
    digest = store.blobs.put(content.getvalue())
    near = golden.tolerance(made.model.layers, design.recipe, configuration, outputs)
    file = ModelFile(name=GOLDEN, digest=digest, size_bytes=len(content.getvalue()))
    return Golden(file=file, absolute=near.absolute, relative=near.relative), inputs


def _signature(given: Signature, inputs: Sequence[Array], outputs: Sequence[Array]) -> Signature:
    """The model's, with the dtypes that sessions take and give: where a file quantises, a session gives reals."""
    return Signature(inputs=_as_run(given.inputs, inputs), outputs=_as_run(given.outputs, outputs))


def _as_run(tensors: Sequence[Tensor], arrays: Sequence[Array]) -> tuple[Tensor, ...]:
    return tuple(
        replace(tensor, dtype=array.dtype.name, quantised=False) if tensor.quantised else tensor
        for tensor, array in zip(tensors, arrays, strict=True)
    )
