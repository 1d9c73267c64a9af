"""What Linux says about its CPUs and limits, as text; and what that text means.

Pure: nothing here reads a file. `probe.py` does the reading.
"""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

# Flags of /proc/cpuinfo that decide how fast and how exactly inference runs, in the order they are shown.
ISA_FLAGS = (
    "avx2",
    "f16c",
    "avx_vnni",
    "avx512f",
    "avx512_vnni",
    "avx512_bf16",
    "avx512_fp16",
    "amx_int8",
    "amx_bf16",
    "neon",
    "asimd",
    "fphp",
    "asimdhp",
    "asimddp",
    "i8mm",
    "bf16",
    "sve",
    "sve2",
)
_HALF = {"avx512_fp16", "asimdhp"}
_BRAIN = {"avx512_bf16", "amx_bf16", "bf16"}

_X86_VENDORS = {"GenuineIntel": "Intel", "AuthenticAMD": "AMD", "HygonGenuine": "Hygon"}
# Main ID register: implementer, then part number (Arm's Technical Reference Manuals).
_ARM_VENDORS = {
    0x41: "Arm",
    0x42: "Broadcom",
    0x4E: "NVIDIA",
    0x51: "Qualcomm",
    0x61: "Apple",
    0xC0: "Ampere",
}
_ARM_PARTS = {
    0xC07: "Cortex-A7",
    0xD03: "Cortex-A53",
    0xD04: "Cortex-A35",
    0xD05: "Cortex-A55",
    0xD07: "Cortex-A57",
    0xD08: "Cortex-A72",
    0xD09: "Cortex-A73",
    0xD0A: "Cortex-A75",
    0xD0B: "Cortex-A76",
    0xD0C: "Neoverse-N1",
    0xD40: "Neoverse-V1",
    0xD41: "Cortex-A78",
    0xD42: "Cortex-A78AE",
    0xD46: "Cortex-A510",
    0xD47: "Cortex-A710",
    0xD49: "Neoverse-N2",
    0xD4F: "Neoverse-V2",
    0xD80: "Cortex-A520",
    0xD81: "Cortex-A720",
}

# Version 1 of control groups writes "no limit" as the largest multiple of the page size.
_NO_LIMIT = 1 << 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Cpu:
    """What /proc/cpuinfo says.

    Attributes:
        name: the CPU's own name; on Arm, its cores by kind.
        board: the board's name where cpuinfo carries it (Raspberry Pi), else "".
        isa: flags of `ISA_FLAGS` that every core has.
        core_of: physical core of each logical CPU, by the kernel's number of the CPU.
    """

    name: str
    vendor: str
    board: str
    isa: tuple[str, ...]
    core_of: Mapping[int, tuple[int, int]]

    @property
    def dtypes(self) -> tuple[str, ...]:
        """What it computes in without converting first."""
        half = ("float16",) if _HALF & set(self.isa) else ()
        brain = ("bfloat16",) if _BRAIN & set(self.isa) else ()
        return ("float32", *half, *brain, "int8")


def read_cpuinfo(text: str) -> Cpu:
    """The CPU that /proc/cpuinfo describes, on x86 and Arm, with or without a "model name"."""
    blocks = [block for block in _blocks(text) if block]
    processors = [block for block in blocks if block.get("processor", "").isdigit()]
    board = next((block["model"] for block in blocks if not block.get("model", "0").isdigit()), "")
    flags = [set(block.get("flags", block.get("features", "")).split()) for block in processors]
    common = set.intersection(*flags) if flags else set()
    first = processors[0] if processors else {}
    return Cpu(
        name=_x86_name(first) or _arm_name(processors) or "unknown CPU",
        vendor=_X86_VENDORS.get(first.get("vendor_id", ""), "") or _arm_vendor(first),
        board=board,
        isa=tuple(flag for flag in ISA_FLAGS if flag in common),
        core_of={int(block["processor"]): _core(block) for block in processors},
    )


def _blocks(text: str) -> Iterator[dict[str, str]]:
    """One dict per paragraph of /proc/cpuinfo, keys in lower case."""
    for paragraph in text.split("\n\n"):
        pairs = (line.partition(":") for line in paragraph.splitlines() if ":" in line)
        yield {key.strip().lower(): value.strip() for key, _, value in pairs}


def _core(block: Mapping[str, str]) -> tuple[int, int]:
    """Package and core; where the kernel does not number cores, each CPU is one."""
    core = block.get("core id", block["processor"])
    package = block.get("physical id", "0")
    return (int(package) if package.isdigit() else 0, int(core) if core.isdigit() else 0)


def _x86_name(block: Mapping[str, str]) -> str:
    """The "model name"; with family and model where a hypervisor leaves no number in it ("AMD EPYC")."""
    name = " ".join(block.get("model name", "").split())
    if not name or any(character.isdigit() for character in name) or "cpu family" not in block:
        return name
    return f"{name} (family {block['cpu family']}, model {block.get('model', '?')})"


def _arm_name(processors: Sequence[Mapping[str, str]]) -> str:
    """'4x Cortex-A76', or '4x Cortex-A76 + 4x Cortex-A55' where cores differ."""
    parts = Counter(part for block in processors if (part := _hex(block.get("cpu part", ""))))
    names = [f"{count}x {_ARM_PARTS.get(part, f'Arm part 0x{part:03x}')}" for part, count in parts.items()]
    return " + ".join(names)


def _arm_vendor(block: Mapping[str, str]) -> str:
    return _ARM_VENDORS.get(_hex(block.get("cpu implementer", "")), "unknown")


def _hex(text: str) -> int:
    try:
        return int(text, 16)
    except ValueError:
        return 0


def usable_cores(cpu: Cpu, affinity: AbstractSet[int], quota: float | None) -> int:
    """Physical cores that this process can keep busy at once, at least one.

    Args:
        affinity: logical CPUs the process may run on.
        quota: CPUs' worth of time the control group grants, None for no limit. Part of a CPU does not
            count: a thread that is throttled makes all others wait.
    """
    cores = {cpu.core_of.get(number, (0, number)) for number in affinity}
    return max(1, min(len(cores), math.floor(quota) if quota is not None else len(cores)))


def read_meminfo(text: str) -> int:
    """Bytes of memory the kernel has (MemTotal), 0 where it does not say."""
    for line in text.splitlines():
        key, _, value = line.partition(":")
        if key == "MemTotal" and value.split():
            return int(value.split()[0]) * 1024
    return 0


def read_cgroups(text: str) -> dict[str, str]:
    """Path of this process by controller, from /proc/self/cgroup; "" is version 2's only hierarchy."""
    paths: dict[str, str] = {}
    for line in text.splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        for controller in controllers.split(","):
            paths[controller] = path
    return paths


def ancestors(path: str) -> list[str]:
    """`path` and every group above it, without leading slash, the root ("") last: limits add up downwards."""
    parts = [part for part in path.split("/") if part and part != ".."]
    return ["/".join(parts[:length]) for length in range(len(parts), -1, -1)]


def quota_of_cpu_max(text: str) -> float | None:
    """CPUs granted by version 2's cpu.max ("150000 100000" is 1.5), None for no limit."""
    quota, _, period = text.strip().partition(" ")
    return _quota(quota, period)


def quota_of_cfs(quota: str, period: str) -> float | None:
    """CPUs granted by version 1's cpu.cfs_quota_us and cpu.cfs_period_us, None for no limit (-1)."""
    return _quota(quota.strip(), period.strip())


def _quota(quota: str, period: str) -> float | None:
    if not quota.isdigit() or not period.isdigit() or int(period) == 0:
        return None
    return int(quota) / int(period)


def limit_bytes(text: str) -> int | None:
    """Limit in memory.max or memory.limit_in_bytes, None for no limit."""
    value = text.strip()
    return int(value) if value.isdigit() and int(value) < _NO_LIMIT else None


def cache_bytes(text: str) -> int:
    """Size in a cache's `size` file ("32768K"), 0 where it is not one."""
    number, unit = text.strip()[:-1], text.strip()[-1:]
    factor = {"K": 1 << 10, "M": 1 << 20}.get(unit, 0)
    return int(number) * factor if number.isdigit() else 0


def driver(uevent: str) -> str:
    """Name of the kernel driver in a device's uevent file, "" if it names none."""
    lines = (line.partition("=") for line in uevent.splitlines())
    return next((value for key, _, value in lines if key == "DRIVER"), "")


def nvidia_model(information: str) -> str:
    """Model in /proc/driver/nvidia/gpus/*/information."""
    lines = (line.partition(":") for line in information.splitlines())
    return next((value.strip() for key, _, value in lines if key == "Model"), "NVIDIA GPU")
