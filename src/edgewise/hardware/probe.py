"""The machine at hand, as an entry of the catalogue: `this`.

Reads /proc, /sys and /dev, and measures the memory bandwidth; asks no vendor's tool. What it may use
counts, not what is built in: CPU affinity and the limits of the control group are respected.
"""

import datetime
import hashlib
import json
import os
import platform
from collections.abc import Callable, Iterator
from pathlib import Path

from edgewise.hardware import _bandwidth, _proc, meters
from edgewise.nouns import Accelerator, AcceleratorKind, Machine, Measurement, Provenance, ProvenanceKind
from edgewise.units import SIZE

NAME = "this"

# Kernel drivers of accelerators: name in the catalogue, kind, title, dtypes, compilers.
_DRIVERS = {
    "intel_vpu": ("npu", AcceleratorKind.NPU, "Intel NPU", ("float16", "int8"), ("openvino",)),
    "amdxdna": ("npu", AcceleratorKind.NPU, "AMD XDNA NPU", ("bfloat16", "int8"), ("vitis-ai",)),
    "i915": ("gpu", AcceleratorKind.GPU, "Intel GPU", ("float32", "float16", "int8"), ("openvino",)),
    "xe": ("gpu", AcceleratorKind.GPU, "Intel GPU", ("float32", "float16", "int8"), ("openvino",)),
    "amdgpu": ("gpu", AcceleratorKind.GPU, "AMD GPU", ("float32", "float16", "int8"), ("migraphx",)),
}
# Edge TPU on USB, before and after its firmware is loaded.
_CORAL_USB = {("1a6e", "089a"), ("18d1", "9302")}


def probe(*, bandwidth: bool = True, root: Path = Path("/")) -> Machine:
    """The machine at hand, named `this`.

    Args:
        bandwidth: measure the memory bandwidth too; takes about a second.
        root: where /proc, /sys and /dev are found.
    """
    cpu = _proc.read_cpuinfo(_text(root / "proc/cpuinfo"))
    cores = _proc.usable_cores(cpu, os.sched_getaffinity(0), _cpu_quota(root))
    memory_bytes = _memory_bytes(root)
    origin = Provenance(
        kind=ProvenanceKind.MEASURED,
        by=cpu.name,
        date=datetime.date.today().isoformat(),
        load=os.getloadavg()[0],
    )
    board = _text(root / "proc/device-tree/model").strip("\0 \n") or cpu.board
    return Machine(
        name=NAME,
        title=board or cpu.name,
        vendor=cpu.vendor,
        architecture=platform.machine(),
        accelerators=(_cpu(cpu, cores), *_others(root)),
        memory=Measurement.exact(float(memory_bytes), SIZE.base, origin) if memory_bytes else None,
        memory_bandwidth=_measured_bandwidth(root, cores, memory_bytes, origin) if bandwidth else None,
        meters=tuple(meter.name for meter in meters.available(root / "sys")),
    )


def identity(machine: Machine) -> str:
    """SHA-256 in hex of what decides timing and numerics on the CPU: key for caches of measurements.

    Name, measured bandwidth, power and price do not count: two machines that are alike share it.
    """
    cpu = machine.cpu
    decisive = {
        "architecture": machine.architecture,
        "cpu": cpu.title,
        "isa": sorted(cpu.isa),
        "cores": cpu.cores,
        "memory_bytes": None if machine.memory is None else round(machine.memory.value),
    }
    return hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()


def _cpu(cpu: _proc.Cpu, cores: int) -> Accelerator:
    return Accelerator(
        name="cpu",
        kind=AcceleratorKind.CPU,
        title=cpu.name,
        dtypes=cpu.dtypes,
        cores=cores,
        isa=cpu.isa,
        compilers=("onnxruntime", "openvino", "litert"),
    )


def _measured_bandwidth(root: Path, cores: int, memory_bytes: int, origin: Provenance) -> Measurement:
    size = _bandwidth.array_bytes(_last_cache_bytes(root), memory_bytes or 1 << 30)
    return _bandwidth.measure(size, cores, origin)


def _last_cache_bytes(root: Path) -> int:
    """All last-level caches together: each is listed under every CPU that shares it, count it once."""
    sizes: dict[str, int] = {}
    for cache in (root / "sys/devices/system/cpu").glob("cpu[0-9]*/cache/index[0-9]*"):
        level, shared = _text(cache / "level").strip(), _text(cache / "shared_cpu_list").strip()
        sizes[f"{level} {shared}"] = _proc.cache_bytes(_text(cache / "size"))
    last = max((key.split()[0] for key in sizes if key.strip()), default="")
    return sum(size for key, size in sizes.items() if key.split()[:1] == [last])


def _memory_bytes(root: Path) -> int:
    total = _proc.read_meminfo(_text(root / "proc/meminfo"))
    limits = [
        _proc.limit_bytes(_text(group / name))
        for controller, name in (("memory", "memory.limit_in_bytes"), ("", "memory.max"))
        for group in _groups(root, controller)
    ]
    return min([total, *(limit for limit in limits if limit is not None)])


def _cpu_quota(root: Path) -> float | None:
    """The tightest quota on the way up; a group without the file sets none."""
    quotas = [_proc.quota_of_cpu_max(_text(group / "cpu.max")) for group in _groups(root, "")]
    quotas += [
        _proc.quota_of_cfs(_text(group / "cpu.cfs_quota_us"), _text(group / "cpu.cfs_period_us"))
        for group in _groups(root, "cpu")
    ]
    return min((quota for quota in quotas if quota is not None), default=None)


def _groups(root: Path, controller: str) -> Iterator[Path]:
    """This process's control group and those above it, for a controller of version 1 or "" for version 2.

    Version 1 may mount controllers together (cpu,cpuacct); inside a container the path may be the host's
    and not be there, its ancestors are.
    """
    paths = _proc.read_cgroups(_text(root / "proc/self/cgroup"))
    if controller not in paths:
        return
    mount = root / "sys/fs/cgroup" / controller
    if not controller and not (mount / "cgroup.controllers").exists():
        mount = root / "sys/fs/cgroup/unified"
    for path in _proc.ancestors(paths[controller]):
        yield mount / path


def _others(root: Path) -> tuple[Accelerator, ...]:
    """Accelerators besides the CPU, names made unique by a number."""
    seen: dict[str, int] = {}
    named = []
    finders: tuple[Callable[[Path], Iterator[Accelerator]], ...] = (_nvidia, _by_driver, _coral, _hailo)
    for part in (part for find in finders for part in find(root)):
        count = seen.get(part.name, 0)
        seen[part.name] = count + 1
        named.append(_renamed(part, f"{part.name}-{count + 1}") if count else part)
    return tuple(named)


def _nvidia(root: Path) -> Iterator[Accelerator]:
    described = sorted((root / "proc/driver/nvidia/gpus").glob("*/information"))
    titles = [_proc.nvidia_model(_text(path)) for path in described]
    # A container may show the device and hide the driver's files; Jetson has neither but its own node.
    nodes = [*(root / "dev").glob("nvidia[0-9]*"), *(root / "dev").glob("nvhost-gpu")]
    for title in titles or ["NVIDIA GPU" for _ in nodes]:
        yield _part("gpu", AcceleratorKind.GPU, title, ("float32", "float16", "int8"), ("tensorrt",))


def _by_driver(root: Path) -> Iterator[Accelerator]:
    nodes = [*(root / "sys/class/accel").glob("accel*"), *(root / "sys/class/drm").glob("renderD*")]
    for node in sorted(nodes):
        known = _DRIVERS.get(_proc.driver(_text(node / "device/uevent")))
        if known is not None:
            yield _part(*known)


def _coral(root: Path) -> Iterator[Accelerator]:
    found = ["Coral Edge TPU on PCIe" for _ in (root / "dev").glob("apex_*")]
    for device in (root / "sys/bus/usb/devices").glob("*"):
        if (_text(device / "idVendor").strip(), _text(device / "idProduct").strip()) in _CORAL_USB:
            found.append("Coral Edge TPU on USB")
    for title in found:
        yield _part("edge-tpu", AcceleratorKind.TPU, title, ("int8",), ("edgetpu-compiler",))


def _hailo(root: Path) -> Iterator[Accelerator]:
    for _ in (root / "dev").glob("hailo[0-9]*"):
        yield _part("hailo", AcceleratorKind.NPU, "Hailo", ("int8",), ("hailo-dataflow-compiler",))


def _part(
    name: str, kind: AcceleratorKind, title: str, dtypes: tuple[str, ...], compilers: tuple[str, ...]
) -> Accelerator:
    return Accelerator(name=name, kind=kind, title=title, dtypes=dtypes, compilers=compilers)


def _renamed(part: Accelerator, name: str) -> Accelerator:
    return _part(name, part.kind, part.title, part.dtypes, part.compilers)


def _text(path: Path) -> str:
    """The file's text; "" where it is not there or not for us, which for /proc and /sys is no fault."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
