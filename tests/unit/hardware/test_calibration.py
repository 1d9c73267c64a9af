"""Published rows keep their promises; networks add up to what is published; a faulty file is told whole."""

import csv
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgewise import units
from edgewise.design import models
from edgewise.errors import BadDocument, NotFound
from edgewise.hardware import calibration, catalogue
from edgewise.nouns import Layer

ROOT = Path(__file__).resolve().parents[3]

HEADS = "machine,accelerator,runtime,network,precision,batch,threads,latency [ms],energy [uJ],power [W],source,date"
ROW = "press-line,cpu,litert,mobilenet-v1-1.0-224,int8,1,4,12.5,,,our stopwatch,2026-05-04"

BILLION_OPERATIONS = {
    # Vitis AI's model zoo states them in the names of its models; a multiply-accumulate counts as two.
    "inception-v1-224": 3.0,
    "googlenet-224": 3.16,
    "inception-v3-299": 11.45,
    "inception-v4-299": 24.55,
    "inception-resnet-v2-299": 26.35,
    "mobilenet-v1-0.25-128": 0.02715,
    "mobilenet-v1-0.5-160": 0.15007,
    "mobilenet-v1-1.0-224": 1.14,
    "mobilenet-v2-1.0-224": 0.59,
    "mobilenet-v2-1.4-224": 1.16,
    "resnet-18-224": 3.65,
    "resnet-50-224": 7.76,
    "resnet-50-v1.5-224": 8.19,
    "resnet-50-v1-slim-224": 6.97,
    "resnet-101-v1-slim-224": 14.4,
    "resnet-152-v1-slim-224": 21.83,
    "resnet-50-v2-299": 13.1,
    "resnet-101-v2-299": 26.78,
    "resnet-152-v2-299": 40.47,
    "vgg16-224": 30.96,
    "vgg19-224": 39.28,
    "squeezenet-1.1-227": 0.76,
    "ssd-mobilenet-v1-300": 2.47,
    "ssd-mobilenet-v2-300": 3.75,
    "ssdlite-mobilenet-v2-300": 1.5,
    "efficientnet-edgetpu-s-224": 4.72,
    "efficientnet-edgetpu-m-240": 7.34,
    "efficientnet-edgetpu-l-300": 19.36,
}

MILLION_PARAMETERS = {
    # Hailo's model zoo, column Params (M); the last seven are what Keras 3 counts in its own models.
    "efficientnet-edgetpu-l-300": 10.55,
    "efficientnet-edgetpu-m-240": 6.87,
    "efficientnet-edgetpu-s-224": 5.41,
    "efficientnet-lite0-224": 4.63,
    "efficientnet-lite1-240": 5.39,
    "efficientnet-lite2-260": 6.06,
    "efficientnet-lite3-280": 8.16,
    "efficientnet-lite4-300": 12.95,
    "inception-v1-224": 6.62,
    "mobilenet-v1-1.0-224": 4.22,
    "mobilenet-v2-1.0-224": 3.49,
    "mobilenet-v2-1.4-224": 6.09,
    "resnet-18-224": 11.68,
    "resnet-34-224": 21.79,
    "resnet-50-v1-slim-224": 25.53,
    "squeezenet-1.1-224": 1.24,
    "vgg16-224": 138.358,
    "vgg19-224": 143.667,
    "densenet-121-224": 8.062,
    "inception-v3-299": 23.852,
    "inception-resnet-v2-299": 55.874,
    "resnet-50-224": 25.637,
    "resnet-152-v2-299": 60.381,
}


def the_file(folder: Path, *lines: str, name: str = "ours.csv") -> Path:
    path = folder / name
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def faults(folder: Path) -> list[str]:
    with pytest.raises(BadDocument) as caught:
        calibration.rows([folder])
    assert "docs/reference/calibration.md" in caught.value.hint
    return [str(fault).removeprefix(f"{folder}/") for fault in caught.value.faults]


class TestPublished:
    def test_there_are_rows_of_every_sort_of_machine(self) -> None:
        found = {(row.machine, row.accelerator) for row in calibration.rows()}
        assert found >= {
            ("coral-usb", "edge-tpu"),
            ("coral-dev-board", "edge-tpu"),
            ("coral-dev-board", "cpu"),
            ("jetson-agx-orin-64gb", "gpu"),
            ("nucleo-l4r5zi", "cpu"),
            ("amd-kria-kv260", "dpu-b4096"),
        }

    def test_every_row_says_where_it_is_from(self) -> None:
        for row in calibration.rows():
            assert row.source.startswith("https://"), row
            assert row.latency_ms is not None or row.energy_uj is not None

    def test_every_network_that_is_spoken_of_has_its_layers(self) -> None:
        known = calibration.networks()
        assert {row.network for row in calibration.rows()} <= set(known)

    def test_an_accelerator_of_a_machine_that_the_catalogue_has_is_one_of_its_own(self) -> None:
        machines = catalogue.machines()
        for row in calibration.rows():
            if row.machine in machines:
                names = {part.name for part in machines[row.machine].accelerators}
                assert row.accelerator in names, row

    def test_energy_comes_from_mlperf_tiny(self) -> None:
        with_energy = [row for row in calibration.rows() if row.energy_uj is not None]
        assert {row.network for row in with_energy} == {
            f"mlperf-tiny-{name}" for name in ("ad01", "ic01", "kws01", "vww01")
        }
        assert len({row.machine for row in with_energy}) == 5

    @pytest.mark.parametrize("accelerator", ["cpu", "edge-tpu"])
    def test_a_figure_of_the_coral_table(self, accelerator: str) -> None:
        latency = {"cpu": 164.0, "edge-tpu": 2.4}[accelerator]
        row = next(
            row
            for row in calibration.rows()
            if (row.machine, row.accelerator, row.network) == ("coral-dev-board", accelerator, "mobilenet-v1-1.0-224")
        )
        assert row.latency_ms == latency


class TestNetworks:
    @pytest.mark.parametrize("name", sorted(BILLION_OPERATIONS))
    def test_the_operations_add_up_to_what_is_published(self, name: str) -> None:
        assert 2 * calibration.network(name).macs == pytest.approx(BILLION_OPERATIONS[name] * 1e9, rel=0.025)

    @pytest.mark.parametrize("name", sorted(MILLION_PARAMETERS))
    def test_the_parameters_add_up_to_what_is_published(self, name: str) -> None:
        """Folding batch normalisation away leaves one bias where there were two or four parameters."""
        assert calibration.network(name).parameters == pytest.approx(MILLION_PARAMETERS[name] * 1e6, rel=0.012)

    @pytest.mark.parametrize("name", ["ic01", "kws01"])
    def test_the_layers_are_those_of_the_real_file(self, shared_data: Path, name: str) -> None:
        real = models.read(shared_data / "mlperf-tiny" / f"{name}_int8.tflite").layers
        ours = calibration.network(f"mlperf-tiny-{name}").layers
        assert [_without_name(layer) for layer in ours] == [_without_name(layer) for layer in real]

    def test_the_files_are_what_the_script_makes(self) -> None:
        command = [sys.executable, "bench/networks", "--check"]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, timeout=120, check=False)
        assert done.returncode == 0, done.stdout.decode()

    def test_a_layer_reads_what_the_ones_before_it_wrote(self) -> None:
        """In a chain; a network with branches reads what was written, never more than all of it."""
        for network in calibration.networks().values():
            written = max(layer.written_elements or 0 for layer in network.layers)
            for layer in network.layers[1:]:
                if layer.operator not in ("ADD", "CONCATENATION"):
                    assert (layer.read_elements or 0) <= written, (network.name, layer.name)

    def test_an_unknown_network_is_told_with_the_nearest_names(self) -> None:
        with pytest.raises(NotFound) as caught:
            calibration.network("mobilenet-v1-224")
        assert "mobilenet-v1-1.0-224" in caught.value.hint

    def test_a_folder_of_ones_own_adds_a_network(self, tmp_path: Path) -> None:
        (tmp_path / "networks").mkdir()
        source = Path(calibration.__file__).parent / "networks" / "mlperf-tiny-ad01.csv"
        (tmp_path / "networks" / "ours.csv").write_text(source.read_text())
        the_file(tmp_path, HEADS, ROW.replace("mobilenet-v1-1.0-224", "ours"))
        assert calibration.network("ours", [tmp_path]).layers == calibration.network("mlperf-tiny-ad01").layers
        assert calibration.rows([tmp_path])[-1].network == "ours"

    def test_every_fault_of_a_network_is_told(self, tmp_path: Path) -> None:
        (tmp_path / "networks").mkdir()
        source = (Path(calibration.__file__).parent / "networks" / "mlperf-tiny-ic01.csv").read_text().splitlines()
        source[1] = source[1].replace("CONV_2D,1x32", "CONV 2D,axb")
        source[2] = source[2].replace(",2359296,", ",2359297,")
        the_file(tmp_path / "networks", *source)
        with pytest.raises(BadDocument) as caught:
            calibration.networks([tmp_path])
        told = [(fault.line, fault.where) for fault in caught.value.faults]
        assert told == [(2, "operator"), (2, "output_shape"), (3, "macs")]
        assert "the convolution's own sizes make 2359296" in str(caught.value.faults[-1])


def _without_name(layer: Layer) -> tuple[object, ...]:
    counts = (layer.parameters, layer.macs, layer.read_elements, layer.written_elements)
    return (layer.operator, layer.output_shape, *counts, layer.convolution)


class TestOnesOwnFile:
    def test_its_rows_come_after_the_published_ones(self, tmp_path: Path) -> None:
        the_file(tmp_path, HEADS, ROW)
        row = calibration.rows([tmp_path])[-1]
        assert (row.machine, row.threads, row.latency_ms, row.energy_uj) == ("press-line", 4, 12.5, None)
        assert len(calibration.rows([tmp_path])) == len(calibration.rows()) + 1

    def test_a_folder_that_is_not_there_adds_nothing(self, tmp_path: Path) -> None:
        assert calibration.rows([tmp_path / "nowhere"]) == calibration.rows()

    def test_a_later_row_of_the_same_source_takes_the_place_of_an_earlier_one(self, tmp_path: Path) -> None:
        for name, latency in (("first", "12.5"), ("second", "13")):
            (tmp_path / name).mkdir()
            the_file(tmp_path / name, HEADS, ROW.replace("12.5", latency))
        ours = [
            row for row in calibration.rows([tmp_path / "first", tmp_path / "second"]) if row.machine == "press-line"
        ]
        assert [row.latency_ms for row in ours] == [13.0]

    @pytest.mark.parametrize(
        ("head", "figure", "milliseconds"), [("latency [us]", "12500", 12.5), ("latency [s]", "0.0125", 12.5)]
    )
    def test_other_units_are_converted(self, tmp_path: Path, head: str, figure: str, milliseconds: float) -> None:
        the_file(tmp_path, HEADS.replace("latency [ms]", head), ROW.replace("12.5", figure))
        assert calibration.rows([tmp_path])[-1].latency_ms == pytest.approx(milliseconds)

    def test_columns_may_stand_in_any_order_and_be_left_out(self, tmp_path: Path) -> None:
        the_file(
            tmp_path,
            "date,source,energy [mJ],precision,network,runtime,accelerator,machine",
            "2026-05,ours,2,int8,vgg16-224,litert,cpu,a1",
        )
        row = calibration.rows([tmp_path])[-1]
        assert (row.energy_uj, row.latency_ms, row.batch, row.threads) == (2000.0, None, 1, None)

    def test_a_byte_order_mark_is_no_fault(self, tmp_path: Path) -> None:
        the_file(tmp_path, "\ufeff" + HEADS, ROW)
        assert calibration.rows([tmp_path])[-1].machine == "press-line"


class TestFaults:
    def test_a_unit_that_is_missing(self, tmp_path: Path) -> None:
        the_file(tmp_path, HEADS.replace("latency [ms]", "latency"), ROW)
        (told,) = faults(tmp_path)
        assert told == (
            "ours.csv:1: latency: found a time without its unit; allowed are latency [us], latency [ms], latency [s]"
        )

    def test_a_unit_that_is_unknown(self, tmp_path: Path) -> None:
        the_file(tmp_path, HEADS.replace("latency [ms]", "latency [MS]"), ROW)
        (told,) = faults(tmp_path)
        assert "found the unit 'MS'" in told
        assert told.endswith("did you mean ms?")

    def test_every_fault_of_every_file_is_told_with_its_line(self, tmp_path: Path) -> None:
        the_file(tmp_path, HEADS.replace("energy [uJ]", "energy"), ROW, ROW.replace("12.5", "12,5"), name="a.csv")
        bad = (
            ROW.replace("mobilenet-v1-1.0-224", "mobilnet-v1-1.0-224").replace("int8", "i8").replace("-05-04", "-13-04")
        )
        the_file(tmp_path, HEADS, "", bad.replace("12.5", "fast"), ROW.replace("12.5", ""), name="b.csv")
        told = faults(tmp_path)
        assert [fault.split(":")[:2] for fault in told] == [
            ["a.csv", "1"],
            ["a.csv", "3"],
            ["b.csv", "3"],
            ["b.csv", "3"],
            ["b.csv", "3"],
            ["b.csv", "3"],
            ["b.csv", "4"],
        ]
        text = "\n".join(told)
        assert "found 13 cells; the head has 12" in text
        assert "did you mean mobilenet-v1-1.0-224" in text
        assert "no figure: neither latency nor energy" in text

    @pytest.mark.parametrize(
        ("head", "wanted"),
        [
            (HEADS.replace(",source", ",sauce"), "did you mean source?"),
            (HEADS.replace(",source", ",date"), "stands here twice"),
            (HEADS.replace("machine,", "machine [W],"), "this column takes none"),
            (HEADS.replace("latency [ms],energy [uJ],", "batch,power [W],"), "the head lacks a figure"),
        ],
    )
    def test_a_head_that_is_wrong(self, tmp_path: Path, head: str, wanted: str) -> None:
        the_file(tmp_path, head, ROW)
        assert any(wanted in told for told in faults(tmp_path))

    @pytest.mark.parametrize("figure", ["0", "-1", "nan", "inf", "1e400", "1_000", "12.5 ms", "=1+1", "0x10", "٣"])
    def test_a_figure_that_is_none(self, tmp_path: Path, figure: str) -> None:
        the_file(tmp_path, HEADS, ROW.replace("12.5", figure))
        (told,) = faults(tmp_path)
        assert "allowed is a positive number" in told

    @pytest.mark.parametrize("threads", ["0", "-4", "four", "4.0", "9999999", "²"])
    def test_a_count_that_is_none(self, tmp_path: Path, threads: str) -> None:
        the_file(tmp_path, HEADS, ROW.replace(",1,4,", f",1,{threads},"))
        (told,) = faults(tmp_path)
        assert "allowed is a whole number from 1" in told

    def test_the_same_said_twice(self, tmp_path: Path) -> None:
        the_file(tmp_path, HEADS, ROW, ROW.replace("12.5", "13"))
        assert faults(tmp_path) == ["ours.csv:3: says the same of the same source as line 2"]

    @pytest.mark.parametrize(
        ("content", "wanted"),
        [
            (b"", "the file is empty"),
            (b"\n\n", "the file is empty"),
            (HEADS.encode() + b"\n" + ROW.encode() + b"\xff\n", "not text in UTF-8"),
            (HEADS.encode() + b'\n"unfinished\n', "not CSV"),
            (HEADS.encode() + b"\n" + ROW.replace("stopwatch", "x" * 600).encode(), "one short line of text"),
            (HEADS.encode() + b"\n" + ROW.replace("our stopwatch", '"our\nstopwatch"').encode(), "one short line"),
            (HEADS.encode() + b"\n" + (ROW.encode() + b"\n") * 10_001, "more than 10000 rows"),
            (b"," * (1 << 20) + b",", "larger than 1 MiB"),
        ],
    )
    def test_what_is_no_table(self, tmp_path: Path, content: bytes, wanted: str) -> None:
        (tmp_path / "ours.csv").write_bytes(content)
        assert any(wanted in told for told in faults(tmp_path))

    def test_a_file_that_cannot_be_read(self, tmp_path: Path) -> None:
        (tmp_path / "ours.csv").mkdir()
        with pytest.raises(NotFound, match=r"ours\.csv"):
            calibration.rows([tmp_path])


TIMES = sorted(unit for unit in units.TIME.units)


@given(
    unit=st.sampled_from(TIMES),
    figures=st.lists(st.floats(1e-3, 1e3, allow_nan=False), min_size=1, max_size=20),
)
def test_what_is_written_in_any_unit_is_read_in_milliseconds(
    tmp_path_factory: pytest.TempPathFactory, unit: str, figures: Sequence[float]
) -> None:
    folder = tmp_path_factory.mktemp("rows")
    with (folder / "ours.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(HEADS.replace("[ms]", f"[{unit}]").split(","))
        for number, figure in enumerate(figures, start=1):
            writer.writerow(ROW.replace("12.5", repr(figure)).replace(",1,4,", f",1,{number},").split(","))
    ours = [row for row in calibration.rows([folder]) if row.machine == "press-line"]
    wanted = [figure * units.TIME.units[unit] for figure in figures]
    assert [row.latency_ms for row in ours] == pytest.approx(wanted)


@given(content=st.binary(max_size=300))
def test_whatever_stands_in_a_file_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    folder = tmp_path_factory.mktemp("rows")
    (folder / "ours.csv").write_bytes(HEADS.encode() + b"\n" + content)
    try:
        told = len(calibration.rows([folder])) - len(calibration.rows())
    except BadDocument as refusal:
        told = len(refusal.faults)
    assert told > 0 or not any(character.isalnum() for character in content.decode("latin-1"))
