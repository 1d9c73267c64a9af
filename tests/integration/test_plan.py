"""`plan` end to end: real models, real toolchains, real timing."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import jsonschema
import numpy as np
import onnx
import onnxruntime as ort
import pytest

from edgewise.design import report
from edgewise.errors import NotFound
from edgewise.flow import edgefile, plan
from edgewise.nouns import Finding, Plan, Quantity, Rejection, Stage
from fakes import models as fake_models

SAMPLES = 400
BUDGET = "{latency_p99: 500ms, memory: 512MiB, accuracy_drop: 0.05}"


@dataclass(frozen=True)
class Place:
    """A project in a folder, with a store beside it."""

    folder: Path

    @property
    def project(self) -> edgefile.Project:
        return edgefile.load(self.folder / "edge.yaml")

    @property
    def store(self) -> Path:
        return self.folder / "store"

    def plan(self, **options: bool) -> Plan:
        return plan.plan(self.project, self.project.sites[0], folder=self.store, wait=True, **options)

    def write(self, *, budget: str = BUDGET, metric: str = "accuracy", machines: str = "[{name: this, threads: 1}]"):
        (self.folder / "edge.yaml").write_text(
            f"apiVersion: edgewise/v1\n"
            f"model: {{name: subject, file: model.onnx, data: eval.npz, metric: {metric}}}\n"
            f"sites:\n  here: {{machines: {machines}, budget: {budget}}}\n"
        )


def place(folder: Path, model: onnx.ModelProto, *, metric: str = "accuracy", labelled: bool = True, **arrays) -> Place:
    """A project on `model`, with random inputs and, as labels, what the model says of them, some of it wrong."""
    onnx.save(model, folder / "model.onnx")
    session = ort.InferenceSession(str(folder / "model.onnx"), providers=["CPUExecutionProvider"])
    random = np.random.default_rng(1)
    inputs = {}
    for tensor in session.get_inputs():
        shape = [size if isinstance(size, int) else 1 for size in tensor.shape][1:]
        inputs[tensor.name] = random.normal(size=(SAMPLES, *shape)).astype(np.float32)
    outputs = np.concatenate(
        [session.run(None, {name: x[i : i + 1] for name, x in inputs.items()})[0] for i in range(SAMPLES)]
    ).reshape(SAMPLES, -1)
    y = outputs.argmax(axis=1) if metric == "accuracy" else outputs
    if metric == "accuracy":
        flipped = random.random(SAMPLES) < 0.05
        y = np.where(flipped, (y + 1) % outputs.shape[1], y)
    if len(inputs) == 1:
        inputs = {"x": next(iter(inputs.values()))}
    np.savez(folder / "eval.npz", **inputs, **({"y": y} if labelled else {}), **arrays)
    made = Place(folder)
    made.write(metric=metric, budget=BUDGET if metric == "accuracy" else "{latency_p99: 500ms}")
    return made


def test_the_choice_is_feasible_timed_and_first(planned: tuple[Place, Plan]):
    _, made = planned
    assert made.choice is not None
    best = made.verdicts[0]
    assert best.design.name == made.choice
    assert best.feasible
    assert best.design.stage is Stage.TIMED
    assert all(finding.finding in (Finding.FITS, Finding.UNPROVEN) for finding in best.findings)


def test_every_design_has_a_reason_and_every_figure_an_origin(planned: tuple[Place, Plan]):
    _, made = planned
    assert len({verdict.design.name for verdict in made.verdicts}) == len(made.verdicts)
    for verdict in made.verdicts:
        assert verdict.reason
        assert verdict.feasible or verdict.design.failure or verdict.findings
        for figure in verdict.design.figures.values():
            assert figure.low <= figure.value <= figure.high
            assert figure.provenance.by


def test_fragile_int8_is_evaluated_and_never_chosen(planned: tuple[Place, Plan]):
    _, made = planned
    if made.conditions.isa and not any("avx" in flag for flag in made.conditions.isa):
        pytest.skip("this CPU is no x86")
    fragile = made.verdict("onnxruntime/int8-s8s8-minmax@1t")
    assert not fragile.feasible
    assert "depend on the CPU" in fragile.reason
    if {"avx_vnni", "avx512_vnni"} & set(made.conditions.isa):
        assert "(emulated, n = 200)" in fragile.reason
    assert Quantity.METRIC in fragile.design.figures


def test_a_second_plan_takes_seconds_and_says_the_same(planned: tuple[Place, Plan]):
    here, made = planned
    started = time.monotonic()
    again = here.plan()
    assert time.monotonic() - started < 10
    assert [verdict.design.figures for verdict in again.verdicts] == [v.design.figures for v in made.verdicts]
    assert again.choice == made.choice


def test_the_document_keeps_to_its_schema_and_the_plan_can_be_read_back(planned: tuple[Place, Plan]):
    here, made = planned
    document = json.loads(json.dumps(plan.document(made), allow_nan=False))
    jsonschema.Draft202012Validator(plan.schema()).validate(document)
    read = plan.last(here.project, here.project.sites[0], folder=here.store)
    assert read.verdicts == made.verdicts


def test_the_report_shows_every_design(planned: tuple[Place, Plan]):
    here, made = planned
    page = report.render([made], plan.logs(made, folder=here.store))
    for verdict in made.verdicts:
        assert verdict.design.name in page
    assert len(page.encode()) < 300_000


def test_nothing_fits_and_the_relaxation_is_true(planned: tuple[Place, Plan]):
    here, _ = planned
    here.write(budget="{latency_p50: 500ms, flash: 1kB}")
    try:
        refused = here.plan()
        assert refused.choice is None
        flash = next(r for r in refused.relaxations if r.limit.quantity is Quantity.FLASH)
        here.write(budget=f"{{latency_p50: 500ms, flash: {flash.needed:.0f}B}}")
        assert here.plan().choice == flash.design
    finally:
        here.write()


def test_declared_power_gives_energy_marked_as_declared(planned: tuple[Place, Plan]):
    here, _ = planned
    here.write(machines="[{name: this, threads: 1, power: 12W, price: 90USD}]", budget="{energy: 1J, price: 100USD}")
    try:
        made = here.plan()
        figures = made.verdicts[0].design.figures
        assert figures[Quantity.ENERGY].value > 0
        assert figures[Quantity.PRICE].provenance.kind == "declared"
    finally:
        here.write()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "metric", "labelled"),
    [
        (fake_models.two_inputs, "accuracy", True),
        (fake_models.transformer_block, "rmse", True),
        (fake_models.autoencoder, "mae", True),
        (fake_models.dynamic_batch, "accuracy", False),
    ],
)
def test_models_of_other_kinds_are_planned_too(tmp_path: Path, model, metric: str, labelled: bool):
    here = place(tmp_path, model(), metric=metric, labelled=labelled)
    if metric != "accuracy":
        here.write(metric=metric, budget="{latency_p99: 500ms, accuracy_drop: 0.5}")
    made = here.plan()
    assert made.choice is not None, [verdict.reason for verdict in made.verdicts]
    assert made.metric.against == ("labels" if labelled else "reference")
    timed = {v.design.configuration.runtime.value for v in made.verdicts if v.design.stage is Stage.TIMED}
    assert timed >= {"onnxruntime", "openvino"}
    litert = made.verdict("litert/tflite-fp32@1t")
    assert litert.design.stage is Stage.TIMED or litert.design.rejection is Rejection.NOT_APPLICABLE


def test_no_plan_yet(tmp_path: Path):
    here = place(tmp_path, fake_models.mlp())
    with pytest.raises(NotFound):
        plan.last(here.project, here.project.sites[0], folder=here.store)


# --- Bad input, through the command -----------------------------------------------------------


def command(here: Place, *more: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "edgewise", "plan", str(here.folder / "edge.yaml"), *more],
        env=os.environ | {"EDGEWISE_STORE": str(here.store)} | environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def refused(ran: subprocess.CompletedProcess[str], code: int, *words: str) -> None:
    assert ran.returncode == code, ran.stderr
    assert ran.stdout == ""
    assert "Traceback" not in ran.stderr
    assert "error:" in ran.stderr
    assert "hint:" in ran.stderr
    for word in words:
        assert word in ran.stderr


def arrays(here: Place, **changed: object) -> None:
    with np.load(here.folder / "eval.npz") as archive:
        kept = dict(archive)
    kept |= changed
    np.savez(here.folder / "eval.npz", **{name: array for name, array in kept.items() if array is not None})


@pytest.fixture
def here(tmp_path: Path) -> Place:
    return place(tmp_path, fake_models.mlp())


def test_a_model_that_does_not_load(here: Place):
    (here.folder / "model.onnx").write_bytes(b"<html>Not found</html>")
    refused(command(here), 11)


def test_data_of_the_wrong_shape(here: Place):
    arrays(here, x=np.zeros((SAMPLES, 7), np.float32))
    refused(command(here), 12, "takes [n, 16]")


def test_labels_that_do_not_fit(here: Place):
    arrays(here, y=np.full(SAMPLES, 9))
    refused(command(here), 12, "class 9")


def test_nan_in_the_data(here: Place):
    x = np.zeros((SAMPLES, 16), np.float32)
    x[3, 2] = np.nan
    arrays(here, x=x)
    refused(command(here), 13, "NaN", "sample 3")


def test_a_metric_that_does_not_exist(here: Place):
    here.write(metric="acuracy")
    refused(command(here), 14, "accuracy")


def test_a_budget_that_contradicts_itself(here: Place):
    here.write(budget="{latency_p50: 20ms, latency_p99: 10ms}")
    refused(command(here), 15, "latency_p50")


def test_an_unknown_machine(here: Place):
    here.write(machines="[this, corral-dev-board]")
    refused(command(here), 16, "coral-dev-board")


def test_an_operator_that_no_runtime_has(here: Place):
    model = onnx.load(here.folder / "model.onnx")
    model.graph.node[0].op_type = "Frobnicate"
    model.graph.node[0].domain = "com.example"
    model.opset_import.append(onnx.helper.make_opsetid("com.example", 1))
    onnx.save(model, here.folder / "model.onnx")
    refused(command(here), 21, "Frobnicate")


def test_a_full_disk(here: Place, tmp_path_factory: pytest.TempPathFactory):
    small = tmp_path_factory.mktemp("small")
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=96k", "none", str(small)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("mounting a small tmpfs needs root")
    try:
        refused(command(here, EDGEWISE_STORE=str(small)), 40, "no space left")
        assert not list(small.rglob(".tmp-*"))
        for record in small.glob("steps/*.json"):
            json.loads(record.read_text())
    finally:
        subprocess.run(["umount", str(small)], check=True)


def test_a_second_plan_at_the_same_time(here: Place):
    first = subprocess.Popen(
        [sys.executable, "-m", "edgewise", "plan", str(here.folder / "edge.yaml"), "--progress", "json"],
        env=os.environ | {"EDGEWISE_STORE": str(here.store)},
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert first.stderr is not None
        first.stderr.readline()
        refused(command(here), 43, str(first.pid))
    finally:
        first.send_signal(signal.SIGINT)
        assert first.wait(timeout=60) == 130
        first.stderr.close()


def living_children_of(here: Place) -> list[str]:
    """Command lines of processes that still work for a plan in this place's store."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if str(here.store).encode() in (process / "environ").read_bytes():
                found.append((process / "cmdline").read_text())
        except OSError:
            continue
    return found


def test_ctrl_c_leaves_a_usable_store(here: Place):
    process = subprocess.Popen(
        [sys.executable, "-m", "edgewise", "plan", str(here.folder / "edge.yaml"), "--progress", "json"],
        env=os.environ | {"EDGEWISE_STORE": str(here.store)},
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    assert process.stderr is not None
    for line in process.stderr:
        if '"done": 6' in line:
            break
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=60) == 130
    process.stderr.close()
    assert living_children_of(here) == []
    kept = {path.name for path in (here.store / "steps").iterdir()}
    assert kept
    made = here.plan()
    assert made.choice is not None
    assert kept <= {path.name for path in (here.store / "steps").iterdir()}


def test_a_candidate_that_crashes_takes_only_itself_down(here: Place, monkeypatch: pytest.MonkeyPatch):
    """The worker of one runtime aborts; the others are planned as if nothing were."""
    broken = here.folder / "broken"
    (broken / "openvino").mkdir(parents=True)
    (broken / "openvino" / "__init__.py").write_text("import os\nos.abort()\n")
    monkeypatch.setenv("PYTHONPATH", str(broken))
    made = here.plan()
    assert made.choice is not None
    assert made.choice.startswith(("onnxruntime/", "litert/"))
    crashed = [v for v in made.verdicts if v.design.name.startswith("openvino/fp32")]
    assert crashed
    assert all("SIGABRT" in verdict.reason for verdict in crashed)
