"""`plan` for machines that are not here: compiled by Vela, estimated from published rows, emulated where it matters."""

import time
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from edgewise.errors import UnknownMachine
from edgewise.flow import edgefile, plan
from edgewise.flow.absent.sources import REFERENCE
from edgewise.nouns import Bottleneck, Plan, ProvenanceKind, Quantity, RuntimeName, Stage
from fakes import models as fake_models

SAMPLES = 200
NPU, TPU, GATEWAY, CPUS = "alif-ensemble-e3", "coral-dev-board", "amd-embedded-plus-vpr-4616", "raspberry-pi-5"
BUDGET = "{latency_p50: 100ms, accuracy_drop: 0.2}"


def written(folder: Path, machines: str, *, budget: str = BUDGET, model: onnx.ModelProto | None = None) -> Path:
    """A project on a depthwise network with random inputs and no labels."""
    onnx.save(model or fake_models.depthwise(), folder / "model.onnx")
    session_inputs = onnx.load(folder / "model.onnx").graph.input[0].type.tensor_type.shape.dim
    shape = [axis.dim_value for axis in session_inputs][1:]
    x = np.random.default_rng(3).normal(size=(SAMPLES, *shape)).astype(np.float32)
    np.savez(folder / "eval.npz", x=x)
    (folder / "edge.yaml").write_text(
        "apiVersion: edgewise/v1\nmodel: {name: subject, file: model.onnx, data: eval.npz}\n"
        f"sites:\n  plant: {{machines: {machines}, budget: {budget}}}\n"
    )
    return folder / "edge.yaml"


def made(path: Path) -> Plan:
    project = edgefile.load(path)
    return plan.plan(project, project.sites[0], folder=path.parent / "store", wait=True)


@pytest.fixture(scope="module")
def planned(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Plan]:
    folder = tmp_path_factory.mktemp("elsewhere")
    machines = f"[{{name: this, threads: 1}}, {{name: {NPU}, price: 15USD, power: 50mW}}, {TPU}, {GATEWAY}]"
    path = written(folder, machines)
    return path, made(path)


def on(plan: Plan, machine: str) -> list:
    return [verdict for verdict in plan.verdicts if verdict.design.machine == machine]


def test_every_machine_has_designs_and_every_figure_its_origin(planned: tuple[Path, Plan]):
    _, answer = planned
    assert {machine.name for machine in answer.machines} == {"this", NPU, TPU, GATEWAY}
    for machine in ("this", NPU, TPU, GATEWAY):
        assert on(answer, machine), machine
    names = [verdict.design.name for verdict in answer.verdicts]
    assert len(set(names)) == len(names)
    kinds = {machine: set() for machine in ("this", NPU, TPU)}
    for verdict in answer.verdicts:
        latency = verdict.design.figures.get(Quantity.LATENCY_P50)
        of_npu = verdict.design.machine != NPU or verdict.design.configuration.runtime is RuntimeName.VELA
        if latency is not None and verdict.design.machine in kinds and of_npu:
            kinds[verdict.design.machine].add(latency.provenance.kind)
            assert latency.low <= latency.value <= latency.high
    assert kinds == {
        "this": {ProvenanceKind.MEASURED},
        NPU: {ProvenanceKind.COMPILER},
        TPU: {ProvenanceKind.CALIBRATED},
    }


def test_compiled_designs_are_never_worse_than_velas_default(planned: tuple[Path, Plan]):
    _, answer = planned
    compiled = [v.design for v in on(answer, NPU) if v.design.configuration.runtime is RuntimeName.VELA]
    for npu in {design.configuration.options["npu"] for design in compiled}:
        alike = [design for design in compiled if design.configuration.options["npu"] == npu]
        default = next(design for design in alike if any("own default" in caveat for caveat in design.caveats))
        sram = {design.name: design.figures[Quantity.MEMORY].value for design in alike}
        p50 = {design.name: design.figures[Quantity.LATENCY_P50].value for design in alike}
        assert min(p50.values()) <= p50[default.name]
        assert any(sram[name] <= sram[default.name] and p50[name] <= 1.021 * p50[default.name] for name in sram)


def test_accuracy_is_that_of_the_targets_arithmetic(planned: tuple[Path, Plan]):
    _, answer = planned
    for verdict in on(answer, NPU):
        if verdict.design.configuration.runtime is RuntimeName.VELA:
            assert verdict.design.figures[Quantity.METRIC].provenance.by == REFERENCE


def test_energy_follows_from_the_declared_power(planned: tuple[Path, Plan]):
    _, answer = planned
    for verdict in on(answer, NPU):
        if verdict.design.configuration.runtime is not RuntimeName.VELA:
            continue
        energy, latency = (verdict.design.figures[q] for q in (Quantity.ENERGY, Quantity.LATENCY_P50))
        assert energy.value == pytest.approx(0.05 * latency.value)
        assert energy.provenance.kind is ProvenanceKind.DECLARED


def test_fragile_recipes_are_told_for_a_cpu_without_vnni(planned: tuple[Path, Plan]):
    _, answer = planned
    told = [v for v in on(answer, GATEWAY) if "without VNNI" in v.reason]
    assert {v.design.recipe.name for v in told} == {"int8-u8s8-minmax", "int8-s8s8-minmax"}
    assert not any(v.feasible for v in told)
    fitting = [v.design for v in on(answer, GATEWAY) if v.feasible and v.design.recipe.precision == "int8"]
    for design in fitting:
        if design.configuration.runtime is RuntimeName.ONNXRUNTIME:
            settings, options = design.recipe.settings, design.configuration.options
            assert settings.get("reduced") or options.get("precise_int8") == "1", design.name


def test_what_is_taken_from_here_is_not_called_measured_there(planned: tuple[Path, Plan]):
    _, answer = planned
    carried = [v.design for machine in (TPU, GATEWAY) for v in on(answer, machine) if v.design.stage is Stage.TIMED]
    memories = [design.figures[Quantity.MEMORY] for design in carried if Quantity.MEMORY in design.figures]
    assert memories
    for memory in memories:
        assert memory.provenance.kind is ProvenanceKind.CALIBRATED
        assert memory.low < memory.value < memory.high
    for design in carried:
        for quantity in (Quantity.LATENCY_P90, Quantity.LATENCY_P99):
            assert design.figures[quantity].value >= design.figures[Quantity.LATENCY_P50].value
            assert design.figures[quantity].high >= design.figures[Quantity.LATENCY_P50].high


def test_advice_says_what_binds_the_choice(planned: tuple[Path, Plan]):
    _, answer = planned
    advice = {entry.design: entry for entry in answer.advice}
    assert answer.choice in advice
    assert advice[answer.choice].binds in Bottleneck
    assert 0 < advice[answer.choice].share <= 1


def test_machines_are_compared_in_words(planned: tuple[Path, Plan]):
    _, answer = planned
    chosen = answer.verdict(answer.choice).design.machine
    for machine in {"this", NPU, TPU} - {chosen}:
        place = "on this machine" if machine == "this" else f"on {machine}"
        assert any(sentence.startswith(place) for sentence in answer.why), machine


def test_a_second_plan_is_quick_and_the_same(planned: tuple[Path, Plan]):
    path, answer = planned
    started = time.monotonic()
    again = made(path)
    assert time.monotonic() - started < 10
    assert again.choice == answer.choice
    assert [v.design.figures for v in again.verdicts] == [v.design.figures for v in answer.verdicts]


def test_a_site_without_the_machine_at_hand_and_its_artifact(planned: tuple[Path, Plan]):
    path, _ = planned
    machines = f"[{{name: {NPU}, price: 15USD}}]"
    written(path.parent, machines)
    answer = made(path)
    chosen = answer.verdict(answer.choice).design
    assert chosen.machine == NPU
    assert [v.design.name for v in on(answer, "this")] == [answer.reference]
    assert not answer.verdict(answer.reference).feasible
    (file,) = chosen.variant.files
    stored = path.parent / "store" / "blobs" / "sha256" / file.digest.removeprefix("sha256:")
    assert stored.stat().st_size == file.size_bytes == chosen.figures[Quantity.FLASH].value


def test_what_other_work_leaves(planned: tuple[Path, Plan]):
    path, _ = planned
    free, busy = (made(written(path.parent, f"[{{name: this, threads: 1{idle}}}]")) for idle in ("", ", idle: 40%"))
    timed = [v.design for v in busy.verdicts if v.design.stage is Stage.TIMED]
    assert timed
    for design in timed:
        before = free.verdict(design.name).design.figures[Quantity.LATENCY_P50]
        after = design.figures[Quantity.LATENCY_P50]
        assert after.provenance.kind is ProvenanceKind.CALIBRATED
        assert after.high == pytest.approx(before.high / 0.4)
        assert before.value <= after.value <= after.high


def test_a_model_without_an_int8_path_says_so(tmp_path: Path):
    node = helper.make_node("Erf", ["h"], ["y"])
    weights = np.random.default_rng(0).normal(size=(8, 4)).astype(np.float32)
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["h"]), node],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 8])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 4])],
        [onnx.numpy_helper.from_array(weights, "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    answer = made(written(tmp_path, f"[{{name: this, threads: 1}}, {NPU}]", model=model))
    reasons = [v.reason for v in on(answer, NPU)] + [answer.not_planned.get(NPU, "")]
    assert any("no int8 path" in reason and "Erf" in reason for reason in reasons), reasons


def test_an_unknown_machine_offers_the_nearest(tmp_path: Path):
    path = written(tmp_path, "[coral-dev-bord]")
    with pytest.raises(UnknownMachine) as caught:
        made(path)
    assert "coral-dev-board" in caught.value.hint


def test_what_a_device_measured_recalibrates_its_estimates(tmp_path: Path):
    path = written(tmp_path, "[{name: this, threads: 1}]")
    project = edgefile.load(path)
    before = made(written(tmp_path, f"[{CPUS}]"))
    written(tmp_path, "[{name: this, threads: 1}]")
    project = edgefile.load(path)
    here = plan.plan(project, project.sites[0], folder=tmp_path / "store", wait=True, device_name=CPUS)
    after = made(written(tmp_path, f"[{CPUS}]"))
    name = f"litert/tflite-fp32@{CPUS}"
    measured = here.verdict("litert/tflite-fp32@1t").design.figures[Quantity.LATENCY_P50]
    estimate = after.verdict(name).design.figures[Quantity.LATENCY_P50]
    assert estimate.provenance.kind is ProvenanceKind.CALIBRATED
    assert measured.value / 2 < estimate.value < measured.value * 2
    old = before.verdict(name).design.figures.get(Quantity.LATENCY_P50)
    assert old is None or estimate.high / estimate.low <= 1.001 * old.high / old.low


def test_thread_counts_of_an_absent_machine_are_all_tried(planned: tuple[Path, Plan]):
    path, _ = planned
    answer = made(written(path.parent, f"[{{name: {CPUS}, threads: [1, 4]}}]"))
    names = {v.design.name for v in on(answer, CPUS)}
    assert {f"litert/tflite-fp32@1t@{CPUS}", f"litert/tflite-fp32@4t@{CPUS}"} <= names
