"""What IREE can compile for, by name, and which of it a machine of the catalogue calls for. Pure.

Each target is the least that its kind has in common, so that what compiles for it runs on all of the kind: Arm
without the extensions of v8.2, RISC-V as RV64GC, Vulkan by the profile that Khronos and Google agreed on for 2022's
Android devices. NVIDIA's GPUs are named by compute capability, which is what their instructions depend on.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from edgewise.errors import EdgewiseError
from edgewise.nouns import Accelerator, AcceleratorKind, Machine

_CPU = ("--iree-hal-target-device=local", "--iree-hal-local-target-device-backends=llvm-cpu")


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Something to compile for.

    Attributes:
        title: what it covers, as people say it.
        flags: of iree-compile; part of the key of every proof.
    """

    name: str
    title: str
    flags: tuple[str, ...]


def _cpu(name: str, title: str, triple: str, cpu: str, *more: str) -> Target:
    flags = (*_CPU, f"--iree-llvmcpu-target-triple={triple}", f"--iree-llvmcpu-target-cpu={cpu}", *more)
    return Target(name=name, title=title, flags=flags)


def _cuda(capability: int, title: str) -> Target:
    name = f"sm_{capability}"
    return Target(
        name=f"cuda-{name}", title=title, flags=("--iree-hal-target-device=cuda", f"--iree-cuda-target={name}")
    )


_ALL = (
    _cpu("aarch64", "Armv8.0-A with NEON, from Cortex-A53 on", "aarch64-linux-gnu", "generic"),
    _cpu("x86_64", "x86-64-v3: AVX2 and FMA", "x86_64-linux-gnu", "x86-64-v3"),
    _cpu(
        "riscv64",
        "RV64GC",
        "riscv64-linux-gnu",
        "generic-rv64",
        "--iree-llvmcpu-target-cpu-features=+m,+a,+f,+d,+c",
        "--iree-llvmcpu-target-abi=lp64d",
    ),
    Target(
        name="vulkan",
        title="any GPU with Vulkan's Android baseline of 2022",
        flags=("--iree-hal-target-device=vulkan", "--iree-vulkan-target=vp_android_baseline_2022"),
    ),
    _cuda(80, "NVIDIA A100"),
    _cuda(86, "NVIDIA A2"),
    _cuda(87, "NVIDIA Jetson Orin"),
    _cuda(89, "NVIDIA L4"),
)
TARGETS: Mapping[str, Target] = {target.name: target for target in _ALL}

CHIPS: Mapping[str, str] = {
    "jetson-orin-": "cuda-sm_87",
    "jetson-agx-orin-": "cuda-sm_87",
    "nvidia-a100-": "cuda-sm_80",
    "nvidia-a2": "cuda-sm_86",
    "nvidia-l4": "cuda-sm_89",
}
"""Beginning of a machine's name: its GPU's target (https://developer.nvidia.com/cuda-gpus lists compute capabilities).
Hopper and Jetson Thor are missing: IREE 3.13 has no targets for their GPUs."""


def targets_named(names: Sequence[str]) -> tuple[Target, ...]:
    """The targets called `names`, each once, in their order.

    Raises:
        EdgewiseError: one is none; the hint offers what there is.
    """
    for name in names:
        if name not in TARGETS:
            close = get_close_matches(name, TARGETS, n=1, cutoff=0.5)
            hint = f"did you mean {close[0]}?" if close else f"one of {', '.join(TARGETS)}"
            raise EdgewiseError(f"there is no target {name!r} to compile for", hint=hint)
    return tuple(TARGETS[name] for name in dict.fromkeys(names))


def proof_target(machine: Machine, accelerator: Accelerator) -> str | None:
    """Name of the target that stands for `accelerator` of `machine`; None where IREE has none that does.

    A GPU that is not NVIDIA's counts as one with Vulkan.
    """
    match accelerator.kind:
        case AcceleratorKind.CPU:
            return machine.architecture if machine.architecture in ("aarch64", "x86_64", "riscv64") else None
        case AcceleratorKind.GPU if machine.vendor.upper() == "NVIDIA":
            return next((target for begin, target in CHIPS.items() if machine.name.startswith(begin)), None)
        case AcceleratorKind.GPU:
            return "vulkan"
        case _:
            return None
