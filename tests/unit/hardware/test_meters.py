"""Meters count upwards, whatever the counters beneath them do."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgewise.hardware.meters import Counter, CpuSeconds, EnergyMeter, PowerSensor, available


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
        assert [meter.name for meter in meters] == ["hwmon amd_energy", "hwmon power_meter", "hwmon VDD_IN"]
        board = meters[2]
        assert isinstance(board, PowerSensor)
        assert board.watts() == pytest.approx(6.0)
        power = meters[1]
        assert isinstance(power, PowerSensor)
        assert power.watts() == pytest.approx(15.0)

    def test_this_machine_is_no_fault(self) -> None:
        assert all(meter.name for meter in available())
