"""GPUs' energy through NVML, with a made-up pynvml; the real one is asked where it is installed."""

import sys
from pathlib import Path
from types import ModuleType

import pytest

from edgewise.hardware import meters, nvml
from edgewise.hardware.meters import Scope


class NVMLError(Exception):
    pass


class FakeNvml(ModuleType):
    """GPUs by number: mJ so far where they count, and mW."""

    NVMLError = NVMLError

    def __init__(self, millijoules: list[int | None], milliwatts: list[int | None], *, driver: bool = True) -> None:
        super().__init__("pynvml")
        self.millijoules, self.milliwatts, self.driver = millijoules, milliwatts, driver

    def nvmlInit(self) -> None:
        if not self.driver:
            raise NVMLError("Driver Not Loaded")

    def nvmlDeviceGetCount(self) -> int:
        return len(self.millijoules)

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:
        return index

    def nvmlDeviceGetTotalEnergyConsumption(self, handle: int) -> int:
        return self._known(self.millijoules[handle])

    def nvmlDeviceGetPowerUsage(self, handle: int) -> int:
        return self._known(self.milliwatts[handle])

    def _known(self, value: int | None) -> int:
        if value is None:
            raise NVMLError("Not Supported")
        return value


def installed(monkeypatch: pytest.MonkeyPatch, fake: FakeNvml) -> FakeNvml:
    monkeypatch.setitem(sys.modules, "pynvml", fake)
    return fake


def test_a_gpu_counts_millijoules(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = installed(monkeypatch, FakeNvml([5000], [None]))
    meter = nvml.find()
    assert meter is not None
    assert (meter.name, meter.scope, meter.read_joules()) == ("nvml", Scope.GPU, 0.0)
    fake.millijoules[0] = 7500
    assert meter.read_joules() == pytest.approx(2.5)


def test_all_gpus_are_added_up_counters_and_power_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = installed(monkeypatch, FakeNvml([0, None], [None, 30_000]))
    meter = nvml.find()
    assert meter is not None
    assert meter.name == "nvml, 2 GPUs"
    first = meter.read()
    fake.millijoules[0] = 1000
    then = meter.read()
    seconds = then.at_s - first.at_s
    assert then.joules - first.joules == pytest.approx(1.0 + 30 * seconds, abs=30 * 0.01)


def test_a_driver_that_was_loaded_again_is_no_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = installed(monkeypatch, FakeNvml([5000], [None]))
    meter = nvml.find()
    assert meter is not None
    meter.read_joules()
    fake.millijoules[0] = 10
    with pytest.raises(OSError, match="went back"):
        meter.read_joules()


def test_a_gpu_that_is_gone_is_an_oserror(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = installed(monkeypatch, FakeNvml([5000], [None]))
    meter = nvml.find()
    assert meter is not None
    fake.millijoules[0] = None
    with pytest.raises(OSError, match="Not Supported"):
        meter.read_joules()


@pytest.mark.parametrize("fake", [FakeNvml([], []), FakeNvml([1], [1], driver=False)])
def test_no_gpu_or_no_driver_is_no_meter_and_no_fault(monkeypatch: pytest.MonkeyPatch, fake: FakeNvml) -> None:
    installed(monkeypatch, fake)
    assert nvml.find() is None


def test_without_the_package_there_is_no_meter_and_a_sentence_only_where_a_driver_is(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", None)
    monkeypatch.setattr(nvml.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(nvml, "DRIVER", tmp_path / "version")
    assert (nvml.find(), nvml.why_not()) == (None, "")
    (tmp_path / "version").write_text("NVRM")
    assert "edgewise[nvml]" in nvml.why_not()


def test_a_gpu_is_listed_and_not_taken_for_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, FakeNvml([5000], [None]))
    found = [meter for meter in meters.available() if meter.scope is Scope.GPU and meter.name == "nvml"]
    assert len(found) == 1
    assert meters.choose(found) is None


def test_the_real_library_is_asked_without_a_fault() -> None:
    pytest.importorskip("pynvml", reason="nvidia-ml-py (pip install edgewise[nvml])")
    meter = nvml.find()
    assert meter is None or meter.read_joules() >= 0
