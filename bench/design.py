"""Does the chosen design beat the recipe that people reach for first, and is it never slower than fp32?

For each model of MLCommons Tiny in ../shared/data: plan it from nothing, then time in one interleaved session
the choice, ONNX Runtime's standard static int8 recipe (QDQ, s8s8, per channel, minmax) and every other design
that was timed, the float model in every runtime among them. Ratios only: these machines are noisy. Also: how
long a first and a second plan take, what the standard recipe predicts on an emulated x86 CPU without VNNI, and
the CPU time of --help.

    python bench/design.py [--models FOLDER] [--keep FOLDER]
"""

import argparse
import datetime
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
from rich.console import Console
from rich.table import Table

from edgewise.design import data as design_data
from edgewise.design import models
from edgewise.design.evaluate import predict
from edgewise.design.measure import Contestant, ratio, time_designs
from edgewise.flow import edgefile, plan
from edgewise.hardware.probe import identity, probe
from edgewise.nouns import (
    Budget,
    Design,
    ModelFile,
    ModelFormat,
    Recipe,
    RuntimeConfiguration,
    RuntimeName,
    Stage,
    Variant,
)
from edgewise.runtimes.protocol import versions
from edgewise.store.steps import Store
from representative import Domain, samples

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data" / "mlperf-tiny"
WITHOUT_VNNI = ("qemu-x86_64", "-cpu", "Haswell")
MARK = "<!-- written by bench/design.py --write -->"
STANDARD = "ONNX Runtime, standard static int8"


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A model, what its inputs look like, and the accuracy that is published for it."""

    name: str
    domain: Domain
    accuracy: float


SUBJECTS = (
    Subject(
        name="ic01",
        domain=Domain(shape=(32, 32, 3), low=0.0, high=255.0, middle=120.0, spread=50.0),
        accuracy=0.87,
    ),
    Subject(
        name="kws01",
        domain=Domain(shape=(49, 10, 1), low=-300.0, high=300.0, middle=0.0, spread=40.0),
        accuracy=0.90,
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What one subject showed: how many times each rival takes as long as the choice, and accuracies."""

    subject: str
    choice: str
    ratios: dict[str, tuple[float, float, float]]
    accuracies: dict[str, str]
    first_s: float
    second_s: float
    reason: str


def main() -> None:
    """Run all subjects and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=Path, default=SHARED, help="folder with ic01.onnx, kws01.onnx and .tflite")
    parser.add_argument("--keep", type=Path, help="work here and keep data and store, instead of a temporary folder")
    parser.add_argument("--write", action="store_true", help="put the figures into bench/README.md")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.keep or Path(temporary)
        outcomes = [run(subject, arguments.models, folder / subject.name) for subject in SUBJECTS]
    report(outcomes)
    if arguments.write:
        page = Path(__file__).with_name("README.md")
        head, mark, _ = page.read_text().partition(MARK)
        page.write_text(f"{head}{mark}\n\n{markdown(outcomes)}")


def run(subject: Subject, source: Path, folder: Path) -> Outcome:
    """Plan `subject` from nothing in `folder`, then time the choice beside its rivals."""
    project = prepare(subject, source, folder)
    store = Store(folder / "store")
    shutil.rmtree(store.folder, ignore_errors=True)
    started = time.monotonic()
    made = plan.plan(project, project.sites[0], folder=store.folder)
    first_s = time.monotonic() - started
    started = time.monotonic()
    plan.plan(project, project.sites[0], folder=store.folder)
    second_s = time.monotonic() - started
    assert made.choice is not None
    chosen = made.verdict(made.choice).design
    standard = standard_recipe(project, store, folder)
    timed = [verdict.design for verdict in made.verdicts if verdict.design.stage is Stage.TIMED]
    ratios = beside(chosen, timed, standard, project, store)
    reason = next(
        (v.reason for v in made.verdicts if v.design.name.startswith("onnxruntime/int8-s8s8-minmax@")), "not tried"
    )
    return Outcome(
        subject=subject.name,
        choice=made.choice,
        ratios=ratios,
        accuracies=accuracies(chosen, standard, project, store),
        first_s=first_s,
        second_s=second_s,
        reason=reason,
    )


def prepare(subject: Subject, source: Path, folder: Path) -> edgefile.Project:
    """Model, data and edge.yaml of `subject` in `folder`; data made before is used again."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(source / f"{subject.name}.onnx", folder / "model.onnx")
    shutil.copy(source / f"{subject.name}_fp32.tflite", folder / "float.tflite")
    if not (folder / "eval.npz").exists():
        session, name = scores_of(folder / "model.onnx")
        x, y = samples(
            lambda inputs: session.run(None, {name: inputs})[0],
            int(session.get_outputs()[0].shape[1]),
            subject.domain,
            accuracy=subject.accuracy,
            count=1200,
        )
        np.savez(folder / "eval.npz", x=x, y=y)
    (folder / "edge.yaml").write_text(
        f"apiVersion: edgewise/v1\nmodel: {{name: {subject.name}, file: [model.onnx, float.tflite], data: eval.npz}}\n"
        "sites: {bench: {machines: [{name: this, threads: 1}]}}\n"
    )
    return edgefile.load(folder / "edge.yaml")


def scores_of(path: Path) -> tuple[ort.InferenceSession, str]:
    """A session that answers with the scores before the final softmax."""
    model = onnx.shape_inference.infer_shapes(onnx.load(path))
    last = model.graph.node[-1]
    if last.op_type == "Softmax":
        before = next(value for value in model.graph.value_info if value.name == last.input[0])
        del model.graph.output[:]
        model.graph.output.append(before)
    options = ort.SessionOptions()
    options.log_severity_level = 3
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session, session.get_inputs()[0].name


def standard_recipe(project: edgefile.Project, store: Store, folder: Path) -> Design:
    """The recipe of ONNX Runtime's own guide, made here without Edgewise's builder."""
    made = folder / "standard.onnx"
    data = load_data(project)
    session = ort.InferenceSession(str(project.model_paths[0]), providers=["CPUExecutionProvider"])
    quantise_as_documented(project.model_paths[0], made, session.get_inputs()[0].name, data.calibration.inputs[0])
    recipe = Recipe(name="standard", method="standard", format=ModelFormat.ONNX, precision="int8")
    file = ModelFile(name=made.name, digest=store.blobs.put_file(made), size_bytes=made.stat().st_size)
    runtime = RuntimeName.ONNXRUNTIME
    return Design(
        name=STANDARD,
        machine="this",
        recipe=recipe,
        configuration=RuntimeConfiguration(runtime=runtime, version=versions()[runtime], threads=1),
        stage=Stage.BUILT,
        variant=Variant(recipe=recipe, files=(file,)),
    )


def quantise_as_documented(source: Path, target: Path, name: str, calibration: Any) -> None:
    """ONNX Runtime's static quantisation with QDQ, s8s8, per channel and minmax."""
    from onnxruntime import quantization as q  # noqa: PLC0415 - an import of seconds, for this peer alone

    class Reader(q.CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self._rows = iter(calibration)

        def get_next(self) -> dict[str, Any] | None:
            row = next(self._rows, None)
            return None if row is None else {name: row[None]}

    q.quantize_static(
        str(source),
        str(target),
        Reader(),
        quant_format=q.QuantFormat.QDQ,
        per_channel=True,
        activation_type=q.QuantType.QInt8,
        weight_type=q.QuantType.QInt8,
    )


def load_data(project: edgefile.Project) -> design_data.Data:
    """The project's data, split as `plan` splits it."""
    return design_data.load(
        project.data, models.read(project.model_paths[0]), seed=project.seed, folder=project.path.parent
    )


def beside(
    chosen: Design, others: Sequence[Design], standard: Design, project: edgefile.Project, store: Store
) -> dict[str, tuple[float, float, float]]:
    """How many times each rival takes as long as `chosen`, with the interval, from one session."""
    rivals = {design.name: design for design in (chosen, *others, standard)}
    contestants = [
        Contestant(name=name, variant=design.variant, configuration=design.configuration, quality=0.0)
        for name, design in rivals.items()
        if design.variant is not None
    ]
    timings = time_designs(
        contestants, load_data(project), store, budget=Budget(), machine=identity(probe(bandwidth=False)), fresh=True
    )
    found = {}
    for name in rivals:
        estimate = ratio(timings[name], timings[chosen.name])
        if estimate is not None and name != chosen.name:
            found[name] = (estimate.value, estimate.low, estimate.high)
    return found


def accuracies(chosen: Design, standard: Design, project: edgefile.Project, store: Store) -> dict[str, str]:
    """Accuracy of the choice and of the standard recipe, here and on an emulated x86 CPU without VNNI."""
    places: dict[str, tuple[str, ...]] = {"here": ()}
    if shutil.which(WITHOUT_VNNI[0]):
        places["without VNNI (emulated)"] = WITHOUT_VNNI
    found = {}
    data = load_data(project)
    labels = data.evaluation.y
    assert labels is not None
    for label, design in (("choice", chosen), ("standard int8", standard)):
        for place, prefix in places.items():
            assert design.variant is not None
            answers = predict(design.variant, design.configuration, data, store, machine=place, prefix=prefix)
            hits = answers.outputs[0].reshape(len(labels), -1).argmax(axis=1) == labels
            found[f"{label}, {place}"] = f"{100 * hits.mean():.1f} %"
    return found


def is_float(design: str) -> bool:
    """True for the float model, as given or simplified, in any runtime."""
    return design.partition("/")[2].startswith(("given", "fp32", "tflite-fp32")) and "+" not in design


def help_cpu_s() -> float:
    """CPU seconds of `edgewise --help`, the least of five."""
    spent = []
    for _ in range(5):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-m", "edgewise", "--help"], check=True, stdout=subprocess.DEVNULL)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(spent)


def gain(outcomes: Sequence[Outcome]) -> float:
    """How many times the standard int8 recipe takes as long as the choice, geometric mean over models."""
    return float(np.exp(np.mean([np.log(outcome.ratios[STANDARD][0]) for outcome in outcomes])))


def over_floats(outcomes: Sequence[Outcome]) -> float:
    """The least ratio of any float model in any runtime to the choice."""
    return min(value for o in outcomes for rival, (value, _, _) in o.ratios.items() if is_float(rival))


def rows(outcomes: Sequence[Outcome]) -> list[tuple[str, str, str, str]]:
    """Model, rival, ratio, interval; the fastest rival first."""
    return [
        (outcome.subject, rival, f"{value:.2f}", f"{low:.2f} to {high:.2f}")
        for outcome in outcomes
        for rival, (value, low, high) in sorted(outcome.ratios.items(), key=lambda item: item[1][0])
    ]


HEADINGS = ("model", "rival", "takes ... times as long as the choice", "95 % interval")


def report(outcomes: Sequence[Outcome]) -> None:
    """Print what was found."""
    console = Console(width=120)
    table = Table(*HEADINGS)
    for row in rows(outcomes):
        table.add_row(*row)
    console.print(table)
    console.print(f"against the standard int8 recipe: {gain(outcomes):.2f} times (geometric mean)")
    console.print(f"against the best fp32 runtime: {over_floats(outcomes):.2f} times at least")
    for outcome in outcomes:
        console.print(f"\n{outcome.subject}: chose {outcome.choice}")
        for name, value in outcome.accuracies.items():
            console.print(f"  accuracy of the {name}: {value}")
        console.print(f"  first plan {outcome.first_s:.0f} s, second {outcome.second_s:.1f} s")
        console.print(f"  s8s8: {outcome.reason}")
    console.print(f"\nedgewise --help: {help_cpu_s():.2f} s of CPU")


def markdown(outcomes: Sequence[Outcome]) -> str:
    """The same for README.md, with what was asked for beside what came out."""
    machine = probe(bandwidth=False)
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    lines = [
        f"{machine.cpu.title}, {machine.cpu.cores} cores, {', '.join(machine.cpu.isa)}; load {load};"
        f" {datetime.date.today().isoformat()}; {', '.join(f'{k} {v}' for k, v in sorted(versions().items()))}.",
        "",
        "| figure | asked for | came out |",
        "|---|---|---|",
        f"| standard static int8 over the choice, geometric mean | at least 1.3 | {gain(outcomes):.2f} |",
        f"| best fp32 runtime over the choice, worst case | at least 1 | {over_floats(outcomes):.2f} |",
        f"| first plan, slowest | at most 60 s | {max(o.first_s for o in outcomes):.0f} s |",
        f"| second plan, slowest | at most 3 s | {max(o.second_s for o in outcomes):.1f} s |",
        f"| `edgewise --help`, CPU | at most 0.3 s | {help_cpu_s():.2f} s |",
        "",
        f"| {' | '.join(HEADINGS)} |",
        "|---|---|---|---|",
        *(f"| {' | '.join(row)} |" for row in rows(outcomes)),
        "",
        "| model | choice | accuracy of | |",
        "|---|---|---|---|",
        *(f"| {o.subject} | {o.choice} | {name} | {value} |" for o in outcomes for name, value in o.accuracies.items()),
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
