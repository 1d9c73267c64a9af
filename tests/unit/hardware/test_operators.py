"""Tables of operators: every one is whole, and each accelerator of the catalogue finds its own."""

from dataclasses import replace

import pytest
from onnx import defs

from edgewise.design.models import _tflite
from edgewise.hardware import catalogue, operators
from edgewise.hardware.operators import Limits
from edgewise.nouns import Accelerator, AcceleratorKind


def part(machine: str, name: str) -> Accelerator:
    return next(each for each in catalogue.find(machine).accelerators if each.name == name)


@pytest.mark.parametrize(
    ("machine", "accelerator", "table"),
    [
        ("coral-usb", "edge-tpu", "coral-edge-tpu"),
        ("coral-dev-board-mini", "edge-tpu", "coral-edge-tpu"),
        ("jetson-orin-nano-8gb", "gpu", "nvidia-tensorrt"),
        ("nvidia-h100-80gb", "gpu", "nvidia-tensorrt"),
        ("jetson-agx-orin-64gb", "dla", "nvidia-dla"),
        ("intel-core-ultra-7-155h", "npu", "intel-npu"),
        ("x86-gateway-n100", "gpu", "intel-gpu"),
        ("nxp-imx8m-plus", "npu", "nxp-vip9000"),
        ("nxp-imx95", "neutron", "nxp-neutron"),
        ("amd-embedded-plus-vpr-4616", "versal", "amd-dpu"),
    ],
)
def test_an_accelerator_finds_its_table(machine: str, accelerator: str, table: str) -> None:
    found = operators.find(part(machine, accelerator))
    assert found is not None
    assert found.name == table


@pytest.mark.parametrize(
    ("machine", "accelerator"),
    [
        ("coral-dev-board", "cpu"),
        ("intel-core-ultra-7-155h", "cpu"),
        ("amd-ryzen-ai-embedded-p132", "npu"),
        ("raspberry-pi-5-ai-hat-26", "hailo-8"),
        ("nxp-imx93", "ethos-u65"),
    ],
)
def test_what_has_no_table_finds_none(machine: str, accelerator: str) -> None:
    assert operators.find(part(machine, accelerator)) is None


def test_no_accelerator_fits_two_tables() -> None:
    parts = [each for machine in catalogue.machines().values() for each in machine.accelerators]
    for each in parts:
        if each.kind is not AcceleratorKind.CPU:
            fitting = [
                table.name
                for table in operators.tables().values()
                if set(table.compilers) & set(each.compilers)
                and each.kind in table.kinds
                and (not each.operators or each.operators in table.pages)
            ]
            assert len(fitting) <= 1, each


def test_a_page_that_is_not_the_tables_is_another_list() -> None:
    versal = part("amd-embedded-plus-vpr-4616", "versal")
    assert operators.find(replace(versal, operators="https://example.com/other")) is None


def test_a_row_of_a_machine_that_the_catalogue_lacks_goes_by_the_accelerators_name() -> None:
    found = operators.find("dpu-b4096")
    assert found is not None
    assert found.name == "amd-dpu"
    assert operators.find("gpu") is None


def test_only_the_edge_tpu_compiler_maps_one_stretch() -> None:
    assert {name for name, table in operators.tables().items() if table.mapping == "prefix"} == {"coral-edge-tpu"}


def test_every_table_says_where_it_is_from() -> None:
    for name, table in operators.tables().items():
        assert table.name == name
        assert table.date >= "2020-01-01"
        assert all(source.startswith("https://") for source in table.sources)
        assert set(table.limits) <= set(table.operators)


@pytest.mark.parametrize("name", ["coral-edge-tpu", "nxp-vip9000", "nxp-neutron"])
def test_tflite_tables_speak_of_operators_that_the_schema_has(name: str) -> None:
    known = {each for each in dir(_tflite.schema.BuiltinOperator) if each.isupper()}
    assert set(operators.tables()[name].operators) <= known


@pytest.mark.parametrize("name", ["nvidia-tensorrt", "nvidia-dla", "intel-npu", "intel-gpu", "amd-dpu"])
def test_onnx_tables_speak_of_operators_that_onnx_has_or_had(name: str) -> None:
    known = {schema.name for schema in defs.get_all_schemas_with_history()}
    others = {"ImageScaler", "ParametricSoftplus", "ScaledTanh"}  # experimental operators of ONNX before 1.5
    others |= {"IsFinite"}  # only OpenVINO's list has it
    assert set(operators.tables()[name].operators) - others <= known


def test_conditions_are_told_in_words_and_in_numbers() -> None:
    edge = operators.tables()["coral-edge-tpu"]
    assert edge.operators["RELU"] == ""
    assert "16,000" in edge.operators["SOFTMAX"]
    assert edge.limits["SOFTMAX"] == Limits(elements_max=16_000)
    assert edge.limits["MAX_POOL_2D"].fused_activation is False
    assert operators.tables()["nvidia-tensorrt"].limits["Conv"].dtypes == ("float32", "float16", "int8")
    assert operators.tables()["amd-dpu"].limits["Conv"] == Limits(kernel_max=16, stride_max=8)
