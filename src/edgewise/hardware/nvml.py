"""NVIDIA GPUs' energy, through NVML: the one door to `pynvml` (package nvidia-ml-py, `edgewise[nvml]`).

All GPUs that NVML shows are added up, as packages of a CPU are: NVML does not heed CUDA_VISIBLE_DEVICES, and which of
them works is not known here. A container shows only its own. A GPU that is shared by MIG is metered as a whole.
From Volta on a GPU counts millijoules itself; others tell their power, which is integrated. Without the package,
without a driver or without a GPU there is no meter, and that is no fault.
"""

import importlib
import importlib.util
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgewise.hardware.counting import EnergyMeter, PowerSensor, Reading, Scope, Sum

INTERVAL_S = 0.1
"""GPUs renew what NVML tells every 20 to 100 ms, depending on the model."""

DRIVER = Path("/proc/driver/nvidia/version")


def find() -> EnergyMeter | None:
    """A meter of all GPUs that can be seen, None where there is none."""
    pynvml = _opened()
    if pynvml is None:
        return None
    try:
        handles = [pynvml.nvmlDeviceGetHandleByIndex(index) for index in range(pynvml.nvmlDeviceGetCount())]
        parts = [_gpu(pynvml, handle) for handle in handles]
    except pynvml.NVMLError:
        return None
    if not parts:
        return None
    return Sum(name="nvml" if len(parts) == 1 else f"nvml, {len(parts)} GPUs", parts=parts, scope=Scope.GPU)


def why_not() -> str:
    """A sentence where an NVIDIA driver is here and its meter cannot be used for want of a package; else ""."""
    if DRIVER.exists() and importlib.util.find_spec("pynvml") is None:
        return "nvml: the package nvidia-ml-py is not installed: pip install 'edgewise[nvml]'"
    return ""


@dataclass(slots=True, kw_only=True)
class GpuCounter:
    """A GPU's own counter of millijoules since its driver was loaded.

    Attributes:
        millijoules: reads it; raises OSError where it cannot.
    """

    name: str
    millijoules: Callable[[], int]
    measured: bool = True
    scope: Scope = Scope.GPU
    interval_s: float = INTERVAL_S
    _first: int | None = field(default=None, init=False)
    _last: int = field(default=0, init=False)

    def read_joules(self) -> float:
        """Joules since the first reading.

        Raises:
            OSError: the GPU is gone, or its driver was loaded again in between.
        """
        now = self.millijoules()
        if self._first is None:
            self._first = now
        elif now < self._last:
            raise OSError(f"the counter of {self.name} went back")
        self._last = now
        return (now - self._first) / 1e3

    def read(self) -> Reading:
        """As it stands now."""
        return Reading(at_s=time.monotonic(), joules=self.read_joules())


def _opened() -> Any | None:
    """The initialised module, None where it is not installed or finds no driver. Initialising twice is allowed."""
    try:
        pynvml = importlib.import_module("pynvml")
    except ImportError:
        return None
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return None
    return pynvml


def _gpu(pynvml: Any, handle: Any) -> EnergyMeter:
    def asked(question: Callable[[Any], int]) -> Callable[[], int]:
        def answer() -> int:
            try:
                return question(handle)
            except pynvml.NVMLError as error:
                raise OSError(f"NVML: {error}") from error

        return answer

    try:
        pynvml.nvmlDeviceGetTotalEnergyConsumption(handle)
    except pynvml.NVMLError:
        milliwatts = asked(pynvml.nvmlDeviceGetPowerUsage)
        return PowerSensor(name="nvml", watts=lambda: milliwatts() / 1e3, scope=Scope.GPU, interval_s=INTERVAL_S)
    return GpuCounter(name="nvml", millijoules=asked(pynvml.nvmlDeviceGetTotalEnergyConsumption))
