"""Meters count upwards, whatever the counters beneath them do."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgewise.hardware.meters import (
    Counter,
    CpuSeconds,
    EnergyMeter,
    PowerSensor,
    Scope,
    Sum,
    available,
    choose,
    survey,
)


def put(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root


class TestCounter:
    def test_wraps_around(self, tmp_path: Path) -> None:
        file = tmp_path / "energy_uj"
        meter = Counter(name="rapl", path=file, wrap_uj=1_000_000)
        readings = []
        for value in (900_000, 950_000, 50_000, 50_000):
            file.write_text(f"{value}\n")
            readings.append(meter.read_joules())
        assert readings == pytest.approx([0, 0.05, 0.15, 0.15])

    @given(steps=st.lists(st.integers(0, 999), max_size=30), start=st.integers(0, 999))
    def test_total_is_the_sum_of_steps_shorter_than_a_turn(
        self, tmp_path_factory: pytest.TempPathFactory, steps: list[int], start: int
    ) -> None:
        file = tmp_path_factory.mktemp("rapl") / "energy_uj"
        meter = Counter(name="rapl", path=file, wrap_uj=1000)
        file.write_text(str(start))
        last = meter.read_joules()
        at = start
        for step in steps:
            at += step
            file.write_text(str(at % 1000))
            now = meter.read_joules()
            assert now >= last
            last = now
        assert last == pytest.approx(sum(steps) / 1e6)


class TestPowerSensor:
    def test_integrates_by_trapezoids(self) -> None:
        moments, watts = iter([0.0, 1.0, 3.0]), iter([10.0, 20.0, 0.0])
        meter = PowerSensor(name="ina", watts=lambda: next(watts), clock=lambda: next(moments))
        assert [meter.read_joules() for _ in range(3)] == [0, 15, 35]

    @given(st.lists(st.tuples(st.floats(0, 10), st.floats(-5, 500)), max_size=20))
    def test_never_runs_backwards(self, samples: list[tuple[float, float]]) -> None:
        moments, watts = iter([m for m, _ in samples]), iter([w for _, w in samples])
        meter = PowerSensor(name="ina", watts=lambda: next(watts), clock=lambda: next(moments))
        readings = [meter.read_joules() for _ in samples]
        assert readings == sorted(readings)


class TestCpuSeconds:
    def test_is_an_estimate(self) -> None:
        meter: EnergyMeter = CpuSeconds(watts=12.0, cores=4, cpu_seconds=lambda: 2.0)
        assert meter.read_joules() == 6.0
        assert not meter.measured

    def test_counts_this_process(self) -> None:
        assert CpuSeconds(watts=1.0).read_joules() > 0


class TestAvailable:
    def test_none(self, tmp_path: Path) -> None:
        assert available(tmp_path) == ()

    def test_rapl_top_zones_with_their_wrap(self, tmp_path: Path) -> None:
        zone = "class/powercap/intel-rapl:0"
        root = put(
            tmp_path,
            {
                f"{zone}/name": "package-0\n",
                f"{zone}/energy_uj": "999990\n",
                f"{zone}/max_energy_range_uj": "999999\n",
                f"{zone}:0/name": "core\n",
                f"{zone}:0/energy_uj": "5\n",
                "class/powercap/intel-rapl-mmio:0/name": "package-0\n",
                "class/powercap/intel-rapl-mmio:0/energy_uj": "5\n",
                "class/powercap/intel-rapl:1/name": "psys\n",
                "class/powercap/intel-rapl:1/energy_uj": "5\n",
            },
        )
        package, psys = available(root)
        assert (package.name, psys.name) == ("rapl package-0", "rapl psys")
        assert package.measured
        put(tmp_path, {f"{zone}/energy_uj": "10\n"})
        assert package.read_joules() == pytest.approx(20e-6)

    def test_what_cannot_be_read_is_not_available(self, tmp_path: Path) -> None:
        root = put(tmp_path, {"class/powercap/intel-rapl:0/energy_uj": "secret\n"})
        (tmp_path / "class/powercap/intel-rapl:1/energy_uj").mkdir(parents=True)
        assert available(root) == ()

    def test_hwmon(self, tmp_path: Path) -> None:
        root = put(
            tmp_path,
            {
                "class/hwmon/hwmon0/name": "coretemp\n",
                "class/hwmon/hwmon0/temp1_input": "40000\n",
                "class/hwmon/hwmon1/name": "amd_energy\n",
                "class/hwmon/hwmon1/energy1_input": "7000000\n",
                "class/hwmon/hwmon2/name": "power_meter\n",
                "class/hwmon/hwmon2/power1_average": "15000000\n",
                "class/hwmon/hwmon3/name": "ina3221\n",
                "class/hwmon/hwmon3/in1_label": "VDD_IN\n",
                "class/hwmon/hwmon3/in1_input": "5000\n",
                "class/hwmon/hwmon3/curr1_input": "1200\n",
            },
        )
        meters = available(root)
        assert [meter.name for meter in meters] == ["hwmon VDD_IN", "hwmon amd_energy", "hwmon power_meter"]
        board = meters[0]
        assert isinstance(board, PowerSensor)
        assert board.watts() == pytest.approx(6.0)
        power = meters[2]
        assert isinstance(power, PowerSensor)
        assert power.watts() == pytest.approx(15.0)

    def test_this_machine_is_no_fault(self) -> None:
        assert all(meter.name for meter in available())


def rapl(zones: dict[str, tuple[str, int]]) -> dict[str, str]:
    files = {}
    for zone, (name, energy_uj) in zones.items():
        files[f"class/powercap/intel-rapl:{zone}/name"] = name
        files[f"class/powercap/intel-rapl:{zone}/energy_uj"] = str(energy_uj)
        files[f"class/powercap/intel-rapl:{zone}/max_energy_range_uj"] = "262143328850"
    return files


class TestRapl:
    def test_all_packages_with_their_memory_and_nothing_twice(self, tmp_path: Path) -> None:
        zones = {
            "0": ("package-0", 0),
            "0:0": ("core", 0),
            "0:1": ("uncore", 0),
            "0:2": ("dram", 0),
            "1": ("package-1", 0),
            "1:0": ("dram", 0),
            "2": ("psys", 0),
        }
        meters = available(put(tmp_path, rapl(zones)))
        assert [meter.name for meter in meters] == ["rapl package-0 + dram-0 + package-1 + dram-1", "rapl psys"]
        put(tmp_path, rapl({zone: (name, 1_000_000) for zone, (name, _) in zones.items()}))
        assert meters[0].read_joules() == pytest.approx(4.0)
        assert choose(meters) is meters[0]

    def test_psys_alone_is_the_machine(self, tmp_path: Path) -> None:
        (psys,) = available(put(tmp_path, rapl({"0": ("psys", 3)})))
        assert (psys.scope, choose([psys])) == (Scope.MACHINE, psys)

    def test_one_package_that_cannot_be_read_leaves_no_sum_and_a_sentence(self, tmp_path: Path) -> None:
        root = put(tmp_path, rapl({"0": ("package-0", 1), "1": ("package-1", 1)}))
        (root / "class/powercap/intel-rapl:1/energy_uj").unlink()
        found = survey(root)
        assert found.usable == ()
        assert len(found.unusable) == 1
        assert "rapl package-0 + package-1: " in found.unusable[0]
        assert "intel-rapl:1/energy_uj cannot be read" in found.unusable[0]

    def test_what_only_root_may_read_is_said(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        root = put(tmp_path, rapl({"0": ("package-0", 1)}))

        def refuse(path: Path, **_: str) -> str:
            raise PermissionError(13, "Permission denied", str(path))

        monkeypatch.setattr(Path, "read_text", lambda path, **options: refuse(path) if path.name == "energy_uj" else "")
        found = survey(root)
        assert found.usable == ()
        assert "energy_uj may not be read by this user; root may" in found.unusable[0]


def ina3221(number: int, rails: dict[str, tuple[int, int]]) -> dict[str, str]:
    """A chip with its rails' mV and mA; the kernel's sums of all channels too, which count nothing here."""
    chip = f"class/hwmon/hwmon{number}"
    files = {f"{chip}/name": "ina3221", f"{chip}/update_interval": "3", f"{chip}/curr4_input": "9999"}
    files |= {f"{chip}/in7_label": "sum of shunt voltages", f"{chip}/in7_input": "9"}
    for channel, (rail, (millivolts, milliamperes)) in enumerate(rails.items(), 1):
        files[f"{chip}/in{channel}_label"] = rail
        files[f"{chip}/in{channel}_input"] = str(millivolts)
        files[f"{chip}/curr{channel}_input"] = str(milliamperes)
    return files


JETSONS = {
    "Orin Nano, Orin NX, Xavier NX": (
        [{"VDD_IN": (5000, 1200), "VDD_CPU_GPU_CV": (5000, 400), "VDD_SOC": (5000, 300)}],
        "hwmon VDD_IN",
        6.0,
    ),
    "Nano": (
        [{"POM_5V_IN": (5000, 400), "POM_5V_GPU": (5000, 100), "POM_5V_CPU": (5000, 200)}],
        "hwmon POM_5V_IN",
        2.0,
    ),
    "TX2": (
        [
            {"VDD_SYS_GPU": (19000, 10), "VDD_SYS_SOC": (19000, 20), "VDD_4V0_WIFI": (4800, 5)},
            {"VDD_IN": (19000, 200), "VDD_SYS_CPU": (19000, 30), "VDD_SYS_DDR": (19000, 30)},
        ],
        "hwmon VDD_IN",
        3.8,
    ),
    "AGX Xavier": (
        [
            {"GPU": (19000, 100), "CPU": (19000, 100), "SOC": (19000, 100)},
            {"CV": (19000, 0), "VDDRQ": (19000, 100), "SYS5V": (5000, 200)},
        ],
        "hwmon GPU + CPU + SOC + CV + VDDRQ + SYS5V",
        8.6,
    ),
    "AGX Orin": (
        [
            {"VDD_GPU_SOC": (20000, 200), "VDD_CPU_CV": (20000, 100), "VIN_SYS_5V0": (5000, 800)},
            {"NC": (0, 0), "VDDQ_VDD2_1V8AO": (5000, 100)},
        ],
        "hwmon VDD_GPU_SOC + VDD_CPU_CV + VIN_SYS_5V0",
        10.0,
    ),
}


class TestJetson:
    @pytest.mark.parametrize("name", JETSONS)
    def test_the_whole_module_and_no_rail_twice(self, tmp_path: Path, name: str) -> None:
        chips, expected, watts = JETSONS[name]
        for number, rails in enumerate(chips, 3):
            put(tmp_path, ina3221(number, rails))
        meters = available(tmp_path)
        chosen = choose(meters)
        assert chosen is not None
        assert chosen.name == expected
        sensors = chosen.parts if isinstance(chosen, Sum) else [chosen]
        assert sum(each.watts() for each in sensors if isinstance(each, PowerSensor)) == pytest.approx(watts)
        assert all("NC" not in meter.name.split() for meter in meters)
        assert all(meter.scope is Scope.PART for meter in meters if meter is not chosen)

    def test_rails_that_nobody_knows_are_listed_and_not_taken_for_the_machine(self, tmp_path: Path) -> None:
        meters = available(put(tmp_path, ina3221(0, {"VDD_MINE": (5000, 100), "VDD_YOURS": (5000, 100)})))
        assert [meter.name for meter in meters] == ["hwmon VDD_MINE", "hwmon VDD_YOURS"]
        assert choose(meters) is None

    def test_a_gpu_s_own_sensor_is_not_taken_for_the_machine(self, tmp_path: Path) -> None:
        chip = "class/hwmon/hwmon0"
        (gpu,) = available(put(tmp_path, {f"{chip}/name": "amdgpu", f"{chip}/power1_average": "9000000"}))
        assert (gpu.scope, choose([gpu])) == (Scope.GPU, None)
