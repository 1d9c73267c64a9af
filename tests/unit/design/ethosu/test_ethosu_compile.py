"""Real compilations of real models, and a compiler that crashes."""

import csv
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from edgewise.design.ethosu import compile as compile_module
from edgewise.design.ethosu._report import cpu_operators
from edgewise.design.ethosu.compile import artifact, explore
from edgewise.design.ethosu.compiled import Compiled, Failure
from edgewise.design.ethosu.configuration import Configuration, MemoryMode, Npu, Strategy
from edgewise.design.ethosu.frontier import best, dominates
from edgewise.design.ethosu.search import search
from edgewise.errors import BadModel, ChildFailed, MissingDependency
from edgewise.hardware.catalogue import find
from edgewise.store.steps import Store
from fakes import vela as fake

TESTS = Path(__file__).parents[3]
U55 = Configuration.default(Npu.named("ethos-u55-128"))


def with_limits(*limits: int) -> list[Configuration]:
    return [U55.changed(arena_limit_bytes=limit) for limit in limits]


@pytest.fixture
def faked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(TESTS), prepend=os.pathsep)
    monkeypatch.setattr(compile_module, "WORKER", "fakes.vela")
    monkeypatch.setattr(compile_module, "version", lambda: "1")


@pytest.mark.usefixtures("faked")
class TestAFailingCompiler:
    @pytest.mark.parametrize("workers", [1, 2])
    def test_a_crash_takes_down_only_its_configuration(self, keywords: bytes, workers: int) -> None:
        wanted = with_limits(1, fake.CRASH, 2, fake.REFUSED, fake.CRASH, 3)
        results = explore(keywords, wanted, workers=workers)
        assert [result.configuration for result in results] == wanted
        assert [isinstance(result, Compiled) for result in results] == [True, False, True, False, False, True]
        crashed, refused = results[1], results[3]
        assert isinstance(crashed, Failure)
        assert isinstance(refused, Failure)
        assert (crashed.reason, crashed.lasting) == ("Vela was ended by SIGABRT", False)
        assert (refused.reason, refused.lasting) == ("Invalid System Config", True)

    def test_what_was_compiled_is_not_compiled_again(
        self, keywords: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        wanted, store = with_limits(1, 2, fake.REFUSED), Store(tmp_path)
        first = explore(keywords, wanted, store=store)
        monkeypatch.setattr(compile_module, "WORKER", "fakes.nothing")
        assert explore(keywords, wanted, store=store) == first
        with pytest.raises(ChildFailed):
            explore(keywords, with_limits(4), store=store)
        with pytest.raises(ChildFailed):
            explore(keywords + b"\0", wanted, store=store)
        monkeypatch.setattr(compile_module, "version", lambda: "2")
        with pytest.raises(ChildFailed):
            explore(keywords, wanted, store=store)

    @pytest.mark.parametrize("limit", [fake.CRASH, fake.STARVED])
    def test_what_may_pass_is_tried_again(self, keywords: bytes, tmp_path: Path, limit: int) -> None:
        store, configuration = Store(tmp_path), with_limits(limit)
        explore(keywords, configuration, store=store)
        assert not list(tmp_path.glob("steps/*"))

    def test_another_clock_needs_no_compiler(
        self, keywords: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        explore(keywords, with_limits(1000), store=Store(tmp_path))
        monkeypatch.setattr(compile_module, "WORKER", "fakes.nothing")
        slower = with_limits(1000)[0].changed(clock_hz=1e6)
        (result,) = explore(keywords, [slower], store=Store(tmp_path))
        assert isinstance(result, Compiled)
        assert result.inference_ms == 1.0

    def test_tells_its_progress(self, keywords: bytes) -> None:
        said: list[object] = []

        class Ear:
            def stage(self, name: str, total: int | None) -> None:
                said.append(total)

            def step(self, note: str = "", *, amount: int = 1) -> None:
                said.append(note)

        explore(keywords, with_limits(1, 2), progress=Ear())
        assert said == [2, "ethos-u55-128", "ethos-u55-128"]

    def test_nothing_is_nothing(self, keywords: bytes) -> None:
        assert explore(keywords, []) == ()


def test_without_vela_it_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compile_module, "PACKAGE", "no-such-package")
    with pytest.raises(MissingDependency) as caught:
        explore(b"", [U55])
    assert "pip install" in caught.value.hint


@pytest.mark.usefixtures("vela")
class TestVela:
    @pytest.mark.parametrize("name", ["ethos-u55-128", "ethos-u65-512", "ethos-u85-256"])
    def test_the_default_is_what_the_command_line_makes(self, images: bytes, name: str, tmp_path: Path) -> None:
        source = tmp_path / "model.tflite"
        source.write_bytes(images)
        arguments = ["--accelerator-config", name, "--output-dir", str(tmp_path), str(source)]
        subprocess.run([sys.executable, "-m", "ethosu.vela", *arguments], check=True, capture_output=True)
        (summary,) = tmp_path.glob("*.csv")
        (row,) = csv.DictReader(summary.read_text().splitlines())
        configuration = Configuration.default(Npu.named(name))
        (made,) = explore(images, [configuration])
        assert isinstance(made, Compiled)
        assert made.cycles == int(row["cycles_total"])
        assert made.sram_bytes == float(row["sram_memory_used"]) * 1024
        assert made.dram_bytes == float(row["dram_memory_used"]) * 1024
        assert made.inference_ms == pytest.approx(1e3 * float(row["inference_time"]))
        assert artifact(images, configuration) == (tmp_path / "model_vela.tflite").read_bytes()

    def test_says_everything_about_a_design(self, keywords: bytes, vela: str) -> None:
        (made,) = explore(keywords, [U55])
        assert isinstance(made, Compiled)
        assert made.tool == f"ethos-u-vela {vela}"
        assert made.cycles >= made.npu_cycles > 0
        assert made.macs == 2_664_792
        assert made.cpu_operators == ()
        assert made.npu_operators > 0
        assert made.flash_bytes > made.constant_bytes > 0
        assert {entry.memory for entry in made.traffic} == {"Sram", "OffChipFlash"}
        assert all(entry.read_bytes > 0 for entry in made.traffic)
        assert Compiled.of(made.configuration, made.document()) == made

    def test_constants_lie_where_the_mode_says(self, keywords: bytes) -> None:
        shared, only = explore(keywords, [U55, U55.changed(memory_mode=MemoryMode.SRAM_ONLY)])
        assert isinstance(shared, Compiled)
        assert isinstance(only, Compiled)
        assert only.sram_bytes >= only.constant_bytes + shared.sram_bytes / 2

    def test_two_runs_agree(self, images: bytes) -> None:
        wanted = [U55, U55.changed(strategy=Strategy.SIZE)]
        assert explore(images, wanted, workers=1) == explore(images, wanted, workers=2)

    def test_a_float_model_has_no_path(self, float_images: bytes, tmp_path: Path) -> None:
        (made,) = explore(float_images, [U55], store=Store(tmp_path))
        assert isinstance(made, Failure)
        assert made.lasting
        assert made.reason.startswith("no int8 path: the ethos-u55-128 runs none of the model's 16 operators")
        assert explore(float_images, [U55], store=Store(tmp_path)) == (made,)
        with pytest.raises(ChildFailed, match="no int8 path"):
            artifact(float_images, U55)

    @pytest.mark.parametrize(
        "damage",
        [lambda model: b"", lambda model: b"hello", lambda model: model[:100], lambda model: model[:20000]],
        ids=["empty", "text", "head", "half"],
    )
    def test_a_damaged_file_is_refused_before_it_can_crash(
        self, keywords: bytes, damage: Callable[[bytes], bytes]
    ) -> None:
        with pytest.raises(BadModel):
            explore(damage(keywords), [U55])

    def test_no_other_mode_than_arms(self, keywords: bytes) -> None:
        (made,) = explore(keywords, [U55.changed(system="Moon_Base")])
        assert isinstance(made, Failure)
        assert made.lasting


@pytest.mark.usefixtures("vela")
def test_a_search_finds_less_sram_and_never_anything_worse(keywords: bytes) -> None:
    found = search(keywords, find("alif-ensemble-e3").accelerators[2], clock_hz=160e6, points=4)
    ((npu, default),) = found.defaults.items()
    assert str(npu) == "ethos-u55-128"
    assert default in found.of(npu)
    assert not found.failures
    chosen = best(found.of(npu), default=default)
    assert chosen is not None
    assert not dominates(default, chosen)
    assert chosen.cycles <= default.cycles * 1.02
    assert chosen.sram_bytes <= default.sram_bytes * 0.85


class Table:
    def __init__(self, header: list[str], *rows: list[str]) -> None:
        self.header, self.data = header, list(rows)


def test_operators_of_the_cpu_are_those_in_no_stream_and_fused_into_none() -> None:
    perf = ["id", "source_id", "optimised_id", "operator", "name"]
    tables = {
        "source": Table(["id", "operator"], ["1", "Conv2D"], ["2", "Relu"], ["3", "Softmax"]),
        "queue": Table(["optimised_id"], ["10"]),
        "group": Table(["id"], ["101"]),
        "perf": Table(
            perf,
            ["100", "1", "10", "Conv2D", "a"],
            ["101", "2", "11", "Relu", "b"],
            ["102", "3", "12", "Passthrough", "c"],
        ),
    }
    assert cpu_operators(tables) == ["Softmax c"]
