"""study systolic: what it prints, what it refuses, and the page that shows it."""

import json
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
import yaml
from outcome import Run

from edgewise.design.systolic import SCOPE
from edgewise.errors import BadConfiguration, EdgewiseError, NotFound
from edgewise.flow.demo import meter
from edgewise.flow.demo.layers import BatchNorm, Network

PAGE = Path(__file__).parents[3] / "docs/how-to/study-an-accelerator.md"
FEW = ("--rows", "4,16", "--columns", "8", "--ifmap-sram", "16KiB", "--filter-sram", "16KiB", "--ofmap-sram", "16KiB")


@pytest.fixture
def model(home: Path) -> Path:
    """The demo's model without what it learns, where the demo puts it."""
    network = meter.build(np.random.default_rng(0))
    inferring = Network(tuple(layer for layer in network.layers if not isinstance(layer, BatchNorm)))
    path = home / "edgewise-demo" / "model.onnx"
    path.parent.mkdir()
    path.write_bytes(meter.to_onnx(inferring))
    return path


@pytest.mark.parametrize("output", ["table", "wide", "json", "yaml", "name"])
def test_every_format(edgewise_command: Run, model: Path, output: str) -> None:
    done = edgewise_command("study", "systolic", model, *FEW, "-o", output)
    assert (done.code, done.err) == (0, "")
    match output:
        case "name":
            assert re.fullmatch(r"((os|ws|is)-(4|16)x8-int8-16/16/16KiB-1GB/s-500MHz\n)+", done.out)
        case "json" | "yaml":
            found = (json.loads if output == "json" else yaml.safe_load)(done.out)
            assert found["scope"] == SCOPE
            assert found["templates"] == 6
            assert found["left_out"] == {"model": []}
            assert found["frontier"][0]["cycles"] >= found["frontier"][0]["stall_cycles"]
            assert "Horowitz" in found["energy"]["source"]
        case _:
            assert " ".join(SCOPE.split()) in " ".join(done.out.split())
            assert ("Layers on" in done.out) is (output == "wide")
            assert output == "wide" or max(map(len, done.out.splitlines())) <= 80


def test_layers_of_wide_are_those_of_the_first_line_and_add_up(edgewise_command: Run, model: Path) -> None:
    done = edgewise_command("study", "systolic", model, *FEW, "-o", "wide")
    found = json.loads(edgewise_command("study", "systolic", model, *FEW, "-o", "json").out)["frontier"][0]
    layers = done.out.split("Layers on ")[1].split("\n\n")[0].splitlines()
    assert layers[0] == found["name"]
    assert sum(int(line.split()[2].replace(",", "")) for line in layers[2:]) == found["cycles"]


def test_goal_decides_what_comes_first(edgewise_command: Run, model: Path) -> None:
    for goal, figure in {"latency": "latency_ms", "energy": "energy_mj", "area": "area_mm2"}.items():
        found = json.loads(edgewise_command("study", "systolic", model, "--goal", goal, "-o", "json").out)["frontier"]
        assert found[0][figure] == min(point[figure] for point in found)


def test_limits_are_kept_and_too_tight_ones_are_an_error(edgewise_command: Run, model: Path) -> None:
    limits = ("--max-latency", "1ms", "--max-energy", "50uJ", "--max-area", "0.3", "--max-sram", "128KiB")
    found = json.loads(edgewise_command("study", "systolic", model, *limits, "-o", "json").out)["frontier"]
    assert found
    for point in found:
        buffers = [size for name, size in point["template"].items() if name.endswith("sram_bytes")]
        assert point["latency_ms"] <= 1
        assert point["energy_mj"] <= 0.05
        assert point["area_mm2"] <= 0.3
        assert sum(buffers) <= 128 * 1024
    done = edgewise_command("study", "systolic", model, "--max-latency", "1ns")
    assert (done.code, done.out) == (EdgewiseError.exit_code, "")
    assert "none of 864 templates" in done.err


def test_precision_is_weighed_against_the_metric(edgewise_command: Run, model: Path) -> None:
    words = ("--word-bits", "4,8,16", "--metric", "8=0.90", "--metric", "model:16=0.92")
    done = edgewise_command("study", "systolic", model, *FEW, *words, "-o", "json")
    found = json.loads(done.out)["frontier"]
    assert {(point["template"]["word_bits"], point["metric"]) for point in found} == {(8, 0.9), (16, 0.92)}
    assert "METRIC" in edgewise_command("study", "systolic", model, *FEW, *words).out


def test_several_widths_are_told_apart(edgewise_command: Run, model: Path) -> None:
    other = model.with_name("wide.onnx")
    other.write_bytes(model.read_bytes())
    words = ("--metric", "model:8=0.9", "--metric", "wide:8=0.95")
    found = json.loads(edgewise_command("study", "systolic", model, other, *FEW, *words, "-o", "json").out)["frontier"]
    assert {point["workload"] for point in found} == {"wide"}  # as fast, and better


@pytest.mark.parametrize(
    "arguments",
    [
        ("--rows", "8,x"),
        ("--columns", ""),
        ("--dataflow", "rs"),
        ("--ifmap-sram", "16"),
        ("--bandwidth", "fast"),
        ("--clock-mhz", "nan"),
        ("--metric", "8"),
        ("--metric", "other:8=0.9"),
        ("--max-latency", "2"),
        ("--node", "5nm"),
    ],
    ids=" ".join,
)
def test_what_cannot_be_understood_names_the_option(
    edgewise_command: Run, model: Path, arguments: tuple[str, str]
) -> None:
    done = edgewise_command("study", "systolic", model, *arguments)
    assert (done.code, done.out) == (2, "")
    assert arguments[0] in done.err


def test_what_cannot_be_built_and_what_is_not_there(edgewise_command: Run, model: Path) -> None:
    assert edgewise_command("study", "systolic", model, "--rows", "0").code == BadConfiguration.exit_code
    assert edgewise_command("study", "systolic", "none.onnx").code == NotFound.exit_code


def test_the_page_shows_what_the_command_prints(edgewise_command: Run, model: Path) -> None:
    shown = re.findall(r"```console\n\$ edgewise (.+?)\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert len(shown) >= 3
    for line, output in shown:
        done = edgewise_command(*shlex.split(line))
        assert (done.code, done.out) == (0, output), line


def test_the_page_says_what_the_figures_are_not() -> None:
    assert " ".join(SCOPE.split()) in " ".join(PAGE.read_text().split())
