"""Which device an accelerator of the catalogue is to a container engine and to Kubernetes.

By what compiles for the accelerator, for that says whose driver it has. Resource names are those of the vendors' device
plugins, labels those of Node Feature Discovery or of the vendor's operator.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from edgewise.build.nodes.description import Device
from edgewise.nouns import Accelerator, AcceleratorKind, Machine


@dataclass(frozen=True, slots=True, kw_only=True)
class _Family:
    """A vendor's accelerators of one kind.

    Attributes:
        by_turns: what Kubernetes counts where the vendor's plugin lets several pods compute on one by turns; "" where
            it goes by the same name.
    """

    compiler: str
    kind: AcceleratorKind
    device: Device
    by_turns: str = ""


_FAMILIES = (
    _Family(
        compiler="tensorrt",
        kind=AcceleratorKind.GPU,
        device=Device(
            name="nvidia-gpu",
            cdi="nvidia.com/gpu=all",
            resource="nvidia.com/gpu",
            labels={"nvidia.com/gpu.present": "true"},
            tolerations=("nvidia.com/gpu",),
        ),
        by_turns="nvidia.com/gpu.shared",
    ),
    _Family(
        compiler="openvino",
        kind=AcceleratorKind.GPU,
        device=Device(
            name="intel-gpu",
            cdi="edgewise.io/intel-gpu=all",
            nodes=("/dev/dri/renderD128",),
            resource="gpu.intel.com/i915",
            labels={"intel.feature.node.kubernetes.io/gpu": "true"},
        ),
    ),
    _Family(
        compiler="openvino",
        kind=AcceleratorKind.NPU,
        device=Device(
            name="intel-npu",
            cdi="edgewise.io/intel-npu=all",
            nodes=("/dev/accel/accel0",),
            resource="npu.intel.com/accel",
            labels={"intel.feature.node.kubernetes.io/npu": "true"},
        ),
    ),
    _Family(
        compiler="migraphx",
        kind=AcceleratorKind.GPU,
        device=Device(
            name="amd-gpu",
            cdi="amd.com/gpu=all",
            resource="amd.com/gpu",
            labels={"feature.node.kubernetes.io/amd-gpu": "true"},
            tolerations=("amd.com/gpu",),
        ),
    ),
    _Family(
        compiler="edgetpu-compiler",
        kind=AcceleratorKind.TPU,
        device=Device(
            name="edge-tpu",
            cdi="edgewise.io/edge-tpu=all",
            nodes=("/dev/apex_0",),
            resource="edgewise.io/edge-tpu",
            labels={"edgewise.io/edge-tpu": "true"},
        ),
    ),
    _Family(
        compiler="hailo-dataflow-compiler",
        kind=AcceleratorKind.NPU,
        device=Device(
            name="hailo",
            cdi="edgewise.io/hailo=all",
            nodes=("/dev/hailo0",),
            resource="edgewise.io/hailo",
            labels={"edgewise.io/hailo": "true"},
        ),
    ),
    _Family(
        compiler="vela",
        kind=AcceleratorKind.NPU,
        device=Device(
            name="ethos-u",
            cdi="edgewise.io/ethos-u=all",
            nodes=("/dev/ethosu0",),
            resource="edgewise.io/ethos-u",
            labels={"edgewise.io/ethos-u": "true"},
        ),
    ),
)
_MIG = "mig"


def device_of(
    machine: Machine, accelerator: str, *, share: str = "", count: int = 1, shared: bool = False
) -> tuple[Device | None, str]:
    """The device that `accelerator` of `machine` is, and why there is none.

    Args:
        share: a MIG profile of the sharing plan, such as 1g.10gb; "" for the whole accelerator.
        count: how many.
        shared: others compute on it too, by turns.

    Returns:
        The device and ""; None and "" for a CPU; or None and a sentence.
    """
    parts = {part.name: part for part in machine.accelerators}
    part = parts.get(accelerator)
    if part is None:
        return None, f"{machine.name} has no accelerator {accelerator!r}, only {', '.join(sorted(parts))}"
    if part.kind is AcceleratorKind.CPU:
        return None, f"{accelerator} of {machine.name} is its CPU, which has no shares" if share else ""
    family = _family(part)
    if family is None:
        return None, f"no device of {part.title} is known to container engines"
    found = replace(family.device, count=count)
    if shared and not share and family.by_turns:
        found = replace(found, resource=family.by_turns)
    return (found, "") if not share else _shared(found, part, share, machine.name)


def known() -> Mapping[str, Device]:
    """All devices that are known, by name."""
    return {family.device.name: family.device for family in _FAMILIES}


def _family(part: Accelerator) -> _Family | None:
    """The first family that fits; what compiles for a part says whose it is."""
    return next((one for one in _FAMILIES if one.kind is part.kind and one.compiler in part.compilers), None)


def _shared(device: Device, part: Accelerator, share: str, machine: str) -> tuple[Device | None, str]:
    profiles = part.configurations.get(_MIG, ())
    if share not in profiles:
        has = f"only {', '.join(profiles)}" if profiles else "and can be given as a whole alone"
        return None, f"{part.title} of {machine} has no share {share!r}, {has}"
    return replace(device, resource=f"nvidia.com/mig-{share.replace('+', '.')}", cdi="nvidia.com/gpu=0:0"), ""
