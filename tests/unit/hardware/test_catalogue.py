"""The built-in catalogue keeps its promises, and a user's files are read with all their faults told."""

import re
from collections.abc import Iterator
from dataclasses import fields
from importlib import resources
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from edgewise import units
from edgewise.errors import BadDocument, UnknownMachine
from edgewise.hardware.catalogue import find, machines
from edgewise.nouns import AcceleratorKind, Machine, Measurement, ProvenanceKind

REQUIRED = {
    "jetson-orin-nano-8gb",
    "jetson-orin-nx-16gb",
    "jetson-agx-orin-64gb",
    "jetson-thor-t5000",
    "coral-usb",
    "coral-dev-board",
    "coral-dev-board-mini",
    "amd-embedded-plus-vpr-4616",
    "amd-ryzen-ai-embedded-p132",
    "nxp-imx8m-plus",
    "nxp-imx93",
    "nxp-imx95",
    "alif-ensemble-e3",
    "alif-ensemble-e7",
    "raspberry-pi-5",
    "raspberry-pi-5-ai-hat-13",
    "raspberry-pi-5-ai-hat-26",
    "x86-gateway-n100",
    "nvidia-a2",
    "nvidia-l4",
    "nvidia-a100-80gb",
    "nvidia-h100-80gb",
    "nvidia-h200",
}

GATEWAY = """\
sources:
  wattmeter:
    title: our wattmeter at the wall
    date: 2026-05-04
  datasheet:
    title: Datasheet of the board
    url: https://example.com/board.pdf
    date: 2025-11

machines:
  press-line-gateway:
    title: Gateway of the press line
    vendor: Acme
    architecture: x86_64
    memory: {value: 4GiB, source: datasheet}
    power:
      idle: {value: 4500mW, source: wattmeter}
      loaded: {value: 11W, source: wattmeter}
    accelerators:
      cpu:
        kind: cpu
        title: 4 cores
        cores: 4
        dtypes: [float32, int8]
"""


def figures(machine: Machine) -> Iterator[Measurement]:
    for name in (field.name for field in fields(Machine)):
        if isinstance(figure := getattr(machine, name), Measurement):
            yield figure
    for part in machine.accelerators:
        yield from part.peak_rate.values()


def write(folder: Path, text: str, name: str = "mine.yaml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


class TestBuiltIn:
    def test_there_are_enough_and_the_required_ones(self) -> None:
        known = machines()
        assert len(known) >= 24
        assert known.keys() >= REQUIRED

    def test_core_ultra_has_cpu_gpu_and_npu(self) -> None:
        ultra = [machine for name, machine in machines().items() if name.startswith("intel-core-ultra")]
        kinds = [{part.kind for part in machine.accelerators} for machine in ultra]
        assert kinds
        assert all(kind == {AcceleratorKind.CPU, AcceleratorKind.GPU, AcceleratorKind.NPU} for kind in kinds)

    @pytest.mark.parametrize("machine", machines().values(), ids=machines().keys())
    def test_every_figure_is_published_at_an_address_on_a_date(self, machine: Machine) -> None:
        for figure in figures(machine):
            assert figure.provenance.kind is ProvenanceKind.PUBLISHED
            assert figure.provenance.by.startswith("https://")
            assert re.fullmatch(r"20\d\d-\d\d(-\d\d)?", figure.provenance.date)
            assert 0 < figure.low == figure.value == figure.high
            assert figure.n == 1

    @pytest.mark.parametrize("machine", machines().values(), ids=machines().keys())
    def test_every_machine_is_whole(self, machine: Machine) -> None:
        assert machine == find(machine.name)
        assert machine.cpu.kind is AcceleratorKind.CPU
        names = [part.name for part in machine.accelerators]
        assert len(set(names)) == len(names)
        for part in machine.accelerators:
            assert part.dtypes
            assert set(part.peak_rate) <= set(part.dtypes)
            assert all(rate.unit == units.COMPUTE.base for rate in part.peak_rate.values())
            if part.kind is not AcceleratorKind.CPU:
                assert part.compilers, "what is not a CPU needs a compiler"
                assert not part.operators or part.operators.startswith("https://")

    def test_narrower_dtypes_are_never_slower(self) -> None:
        widths = ("float32", "float16", "float8", "float4")
        for machine in machines().values():
            for part in machine.accelerators:
                rates = [part.peak_rate[width].value for width in widths if width in part.peak_rate]
                assert rates == sorted(rates), machine.name

    def test_names_are_unique_over_all_files_and_no_source_is_idle(self) -> None:
        seen: list[str] = []
        for path in resources.files("edgewise.hardware.catalogue").iterdir():
            if path.name.endswith(".yaml"):
                text = path.read_text(encoding="utf-8")
                document = yaml.safe_load(text)
                seen += document["machines"]
                for key in document["sources"]:
                    assert re.search(rf"source: {re.escape(key)}\b(?!-)", text), f"{path.name}: {key}"
        assert len(seen) == len(set(seen)) == len(machines())

    def test_dense_rates_are_half_of_published_sparse_ones(self) -> None:
        gpu = find("nvidia-l4").accelerators[1]
        assert gpu.peak_rate["int8"].value == 485e12 / 2
        assert find("jetson-orin-nano-8gb").accelerators[1].peak_rate["int8"].value == 67e12 / 2

    def test_configurations_are_carried(self) -> None:
        assert find("arm-corstone-300-u55").accelerators[1].configurations["macs"] == ("32", "64", "128", "256")
        assert "7g.141gb" in find("nvidia-h200").accelerators[1].configurations["mig"]


class TestFind:
    @pytest.mark.parametrize(
        ("asked", "offered"),
        [
            ("raspbery-pi-5", "raspberry-pi-5"),
            ("orin-nano", "jetson-orin-nano-8gb"),
            ("nvidia_l4", "nvidia-l4"),
            ("Coral-USB", "coral-usb"),
        ],
    )
    def test_offers_the_nearest_names(self, asked: str, offered: str) -> None:
        with pytest.raises(UnknownMachine) as caught:
            find(asked)
        assert caught.value.exit_code == 16
        assert offered in caught.value.hint

    def test_lists_the_catalogue_where_nothing_is_near(self) -> None:
        with pytest.raises(UnknownMachine) as caught:
            find("zzzz")
        assert "nvidia-h200" in caught.value.hint

    @given(st.text(max_size=200))
    def test_never_fails_otherwise(self, name: str) -> None:
        if name not in machines():
            with pytest.raises(UnknownMachine):
                find(name)


class TestUserFolder:
    def test_adds_machines(self, tmp_path: Path) -> None:
        write(tmp_path, GATEWAY)
        machine = find("press-line-gateway", [tmp_path])
        assert machine.memory is not None
        assert machine.memory.value == 4 * 2**30
        assert machine.memory.provenance.kind is ProvenanceKind.PUBLISHED
        assert machine.memory.provenance.date == "2025-11"
        assert machine.power_idle is not None
        assert machine.power_idle.value == pytest.approx(4.5)
        assert machine.power_idle.provenance.kind is ProvenanceKind.DECLARED
        assert machine.power_idle.provenance.by == "our wattmeter at the wall"
        assert machine.price is None
        assert set(machines([tmp_path])) == set(machines()) | {"press-line-gateway"}

    def test_overrides_built_in_and_earlier_folders_by_name(self, tmp_path: Path) -> None:
        for folder, vendor in (("a", "First"), ("b", "Second")):
            (tmp_path / folder).mkdir()
            text = GATEWAY.replace("press-line-gateway", "nvidia-l4").replace("Acme", vendor)
            write(tmp_path / folder, text)
        assert find("nvidia-l4", [tmp_path / "a", tmp_path / "b"]).vendor == "Second"
        assert find("nvidia-l4", [tmp_path / "b", tmp_path / "a"]).vendor == "First"
        assert find("nvidia-l4").vendor == "NVIDIA"

    def test_a_folder_that_is_not_there_adds_nothing(self, tmp_path: Path) -> None:
        assert machines([tmp_path / "none"]) == machines()

    def test_a_broken_file_tells_every_fault_at_once(self, tmp_path: Path) -> None:
        path = write(
            tmp_path,
            """\
sources:
  datasheet:
    title: Datasheet
    url: ftp://example.com
    date: last spring
machines:
  this:
    title: Board
    vendor: Acme
    architecture: x86
    memory: {value: 4GiBs, source: datashet}
    power:
      loaded: {value: 12, source: datasheet}
      idle: {value: 0W, source: datasheet}
    colour: green
    accelerators:
      gpu:
        kind: gpus
        title: GPU
        dtypes: [float32, flaot16]
""",
        )
        with pytest.raises(BadDocument) as caught:
            machines([tmp_path])
        faults = {fault.line: str(fault) for fault in caught.value.faults}
        assert all(fault.startswith(f"{path}:{line}:") for line, fault in faults.items())
        assert "https://" in faults[4]
        assert "2024-12-17" in faults[5]
        assert "machine at hand" in faults[7]
        assert "x86_64" in faults[10]
        assert "without a unit" in faults[13]
        assert "never zero" in faults[14]
        assert "unknown key" in faults[15]
        assert "did you mean gpu" in faults[18]
        assert "did you mean float16" in faults[20]
        on_line_11 = [fault.problem for fault in caught.value.faults if fault.line == 11]
        assert any("did you mean GiB" in problem for problem in on_line_11)
        assert any("did you mean datasheet" in problem for problem in on_line_11)

    @pytest.mark.parametrize(
        ("old", "new", "told"),
        [
            ("kind: cpu", "kind: npu", "every machine has one"),
            ("[float32, int8]", "[int8]\n        peak_rate: {float32: {value: 1TOPS, source: datasheet}}", "float32"),
            ("[float32, int8]", "[]", "dtypes"),
            ("cores: 4", "cores: 0", "cores"),
            ("cores: 4", 'cores: "4"', "cores"),
            ("press-line-gateway", "Press Line", "lower-case"),
        ],
    )
    def test_refuses_what_is_not_a_machine(self, tmp_path: Path, old: str, new: str, told: str) -> None:
        write(tmp_path, GATEWAY.replace(old, new))
        with pytest.raises(BadDocument) as caught:
            machines([tmp_path])
        assert told in " ".join(str(fault) for fault in caught.value.faults)

    @pytest.mark.parametrize("text", ["", "[]", "machines: 3", "sources: []\nmachines: {a: {b: {source: x}}}", "a: [b"])
    def test_refuses_what_is_not_a_catalogue_file(self, tmp_path: Path, text: str) -> None:
        write(tmp_path, text)
        with pytest.raises(BadDocument) as caught:
            machines([tmp_path])
        assert caught.value.faults

    @given(
        value=st.integers(1, 10**6),
        unit=st.sampled_from(["B", "kB", "MB", "GB", "KiB", "MiB", "GiB"]),
    )
    def test_sizes_survive_the_way_through_a_file(
        self, tmp_path_factory: pytest.TempPathFactory, value: int, unit: str
    ) -> None:
        folder = tmp_path_factory.mktemp("catalogue")
        write(folder, GATEWAY.replace("4GiB", f"{value}{unit}"))
        memory = find("press-line-gateway", [folder]).memory
        assert memory is not None
        assert memory.value == units.parse(f"{value}{unit}", units.SIZE)


class TestReference:
    def test_the_example_in_the_reference_is_a_valid_file(self, tmp_path: Path) -> None:
        page = Path(__file__).parents[3] / "docs/reference/catalogue.md"
        blocks = re.findall(r"```yaml\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
        write(tmp_path, blocks[0])
        assert find("press-line-gateway", [tmp_path]).accelerators[1].kind is AcceleratorKind.TPU
