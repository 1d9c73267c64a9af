"""The probe reads what Linux says, on machines that we do not have."""

import dataclasses
import os
import re
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgewise.hardware import _bandwidth, _proc
from edgewise.hardware.probe import _last_cache_bytes, identity, probe
from edgewise.nouns import AcceleratorKind, Machine, Provenance, ProvenanceKind

ORIGIN = Provenance(kind=ProvenanceKind.MEASURED, by="test", date="2026-01-01", load=0.0)


def x86(name: str, flags: str, *, cores: int, threads_per_core: int = 1, vendor: str = "GenuineIntel") -> str:
    return "\n\n".join(
        f"processor\t: {number}\nvendor_id\t: {vendor}\ncpu family\t: 6\nmodel\t\t: 190\n"
        f"model name\t: {name}\nphysical id\t: 0\ncore id\t\t: {number % cores}\nflags\t\t: fpu sse2 {flags}\n"
        for number in range(cores * threads_per_core)
    )


HASWELL = x86("Intel(R) Core(TM) i5-4590 CPU @ 3.30GHz", "avx2 f16c fma", cores=4)
N100 = x86("Intel(R) N100", "avx2 f16c avx_vnni", cores=4)
SAPPHIRE = x86(
    "Intel(R) Xeon(R) Gold 6430",
    "avx2 f16c avx512f avx512_vnni avx512_bf16 avx512_fp16 amx_bf16 amx_int8 avx_vnni",
    cores=2,
    threads_per_core=2,
)
PI_FEATURES = "fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop asimddp"
RASPBERRY_PI = (
    "\n\n".join(
        f"processor\t: {number}\nBogoMIPS\t: 108.00\nFeatures\t: {PI_FEATURES}\nCPU implementer\t: 0x41\n"
        "CPU architecture: 8\nCPU variant\t: 0x4\nCPU part\t: 0xd0b\nCPU revision\t: 1\n"
        for number in range(4)
    )
    + "\n\nRevision\t: d04170\nSerial\t\t: 0123456789abcdef\nModel\t\t: Raspberry Pi 5 Model B Rev 1.0\n"
)
BIG_LITTLE = (
    "processor\t: 0\nFeatures\t: fp asimd\nCPU implementer\t: 0x41\nCPU part\t: 0xd03\n\n"
    "processor\t: 1\nFeatures\t: fp asimd asimddp\nCPU implementer\t: 0x41\nCPU part\t: 0xd08\n"
)


def tree(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root


class TestCpuinfo:
    def test_avx2_only(self) -> None:
        cpu = _proc.read_cpuinfo(HASWELL)
        assert (cpu.name, cpu.vendor) == ("Intel(R) Core(TM) i5-4590 CPU @ 3.30GHz", "Intel")
        assert cpu.isa == ("avx2", "f16c")
        assert cpu.dtypes == ("float32", "int8")
        assert len(set(cpu.core_of.values())) == 4

    def test_vnni(self) -> None:
        assert _proc.read_cpuinfo(N100).isa == ("avx2", "f16c", "avx_vnni")

    def test_amx(self) -> None:
        cpu = _proc.read_cpuinfo(SAPPHIRE)
        assert {"amx_int8", "amx_bf16", "avx512_vnni", "avx512_bf16"} <= set(cpu.isa)
        assert cpu.dtypes == ("float32", "float16", "bfloat16", "int8")
        assert len(set(cpu.core_of.values())) == 2

    def test_raspberry_pi_has_no_model_name(self) -> None:
        cpu = _proc.read_cpuinfo(RASPBERRY_PI)
        assert (cpu.name, cpu.vendor) == ("4x Cortex-A76", "Arm")
        assert cpu.board == "Raspberry Pi 5 Model B Rev 1.0"
        assert cpu.isa == ("asimd", "fphp", "asimdhp", "asimddp")
        assert cpu.dtypes == ("float32", "float16", "int8")

    def test_flags_count_only_where_every_core_has_them(self) -> None:
        cpu = _proc.read_cpuinfo(BIG_LITTLE)
        assert cpu.name == "1x Cortex-A53 + 1x Cortex-A72"
        assert cpu.isa == ("asimd",)

    def test_an_unknown_arm_part_is_named_by_its_number(self) -> None:
        text = "processor : 0\nCPU implementer : 0x77\nCPU part : 0xabc\n"
        assert _proc.read_cpuinfo(text).name == "1x Arm part 0xabc"
        assert _proc.read_cpuinfo(text).vendor == "unknown"

    def test_a_name_without_number_gets_family_and_model(self) -> None:
        cpu = _proc.read_cpuinfo(x86("AMD EPYC", "avx2", cores=1, vendor="AuthenticAMD"))
        assert (cpu.name, cpu.vendor) == ("AMD EPYC (family 6, model 190)", "AMD")

    @pytest.mark.parametrize("text", ["", "\n\n\n", "processor : x", "no colon", "processor : 0\nflags"])
    def test_says_unknown_rather_than_fail(self, text: str) -> None:
        assert _proc.read_cpuinfo(text).name == "unknown CPU"

    @given(st.text(alphabet=st.sampled_from("procesflags: 0129xAa\n\tmodel"), max_size=300))
    def test_never_fails(self, text: str) -> None:
        cpu = _proc.read_cpuinfo(text)
        assert set(cpu.isa) <= set(_proc.ISA_FLAGS)
        assert _proc.usable_cores(cpu, {0}, None) == 1


class TestCores:
    def test_two_threads_of_a_core_count_once(self) -> None:
        cpu = _proc.read_cpuinfo(SAPPHIRE)
        assert _proc.usable_cores(cpu, {0, 1, 2, 3}, None) == 2
        assert _proc.usable_cores(cpu, {0, 2}, None) == 1

    @pytest.mark.parametrize(("quota", "cores"), [(None, 4), (8.0, 4), (2.0, 2), (2.9, 2), (0.5, 1)])
    def test_quota(self, quota: float | None, cores: int) -> None:
        assert _proc.usable_cores(_proc.read_cpuinfo(HASWELL), {0, 1, 2, 3}, quota) == cores

    @given(st.sets(st.integers(0, 64), min_size=1), st.none() | st.floats(0.01, 1e6))
    def test_between_one_and_what_it_may_run_on(self, affinity: set[int], quota: float | None) -> None:
        assert 1 <= _proc.usable_cores(_proc.read_cpuinfo(HASWELL), affinity, quota) <= len(affinity)


class TestLimits:
    @pytest.mark.parametrize(
        ("text", "quota"),
        [
            ("max 100000", None),
            ("150000 100000\n", 1.5),
            ("400000 100000", 4.0),
            ("", None),
            ("1 0", None),
            ("x y", None),
        ],
    )
    def test_cpu_max(self, text: str, quota: float | None) -> None:
        assert _proc.quota_of_cpu_max(text) == quota

    def test_cfs(self) -> None:
        assert _proc.quota_of_cfs("50000\n", "100000\n") == 0.5
        assert _proc.quota_of_cfs("-1\n", "100000\n") is None

    @pytest.mark.parametrize(
        ("text", "limit"), [("max\n", None), ("1073741824\n", 2**30), ("9223372036854771712\n", None), ("", None)]
    )
    def test_memory(self, text: str, limit: int | None) -> None:
        assert _proc.limit_bytes(text) == limit

    def test_cgroups_and_their_ancestors(self) -> None:
        paths = _proc.read_cgroups("4:memory:/docker/abc\n3:cpu,cpuacct:/docker/abc\n0::/system.slice/a.service\n")
        assert paths == {
            "memory": "/docker/abc",
            "cpu": "/docker/abc",
            "cpuacct": "/docker/abc",
            "": "/system.slice/a.service",
        }
        assert _proc.ancestors("/system.slice/a.service") == ["system.slice/a.service", "system.slice", ""]
        assert _proc.ancestors("/../..") == [""]

    def test_small_texts(self) -> None:
        assert _proc.read_meminfo("MemTotal:       16384 kB\nMemFree: 3 kB\n") == 16384 * 1024
        assert _proc.read_meminfo("") == 0
        assert _proc.cache_bytes("32768K\n") == 32 << 20
        assert _proc.cache_bytes("") == 0
        assert _proc.driver("DRIVER=intel_vpu\nPCI_ID=8086:7D1D\n") == "intel_vpu"
        assert _proc.nvidia_model("Model: \t\t NVIDIA L4\nIRQ: 5\n") == "NVIDIA L4"


class TestBandwidth:
    def test_arrays_are_beyond_the_cache_and_within_the_memory(self) -> None:
        assert _bandwidth.array_bytes(32 << 20, 64 << 30) == 128 << 20
        assert _bandwidth.array_bytes(2 << 20, 8 << 30) == 64 << 20
        assert _bandwidth.array_bytes(1 << 30, 512 << 30) == 512 << 20
        assert _bandwidth.array_bytes(2 << 20, 512 << 20) == 32 << 20

    @given(st.lists(st.lists(st.floats(1e6, 1e12), min_size=1, max_size=4), min_size=6, max_size=6))
    def test_value_lies_in_its_interval(self, rounds: list[list[float]]) -> None:
        figure = _bandwidth.summary(rounds, ORIGIN)
        assert figure.low <= figure.value <= figure.high
        assert figure.n == sum(map(len, rounds))
        assert figure.spread is not None
        assert figure.spread >= 0

    def test_a_thread_more_than_bytes_divide_by(self) -> None:
        assert _bandwidth.measure((1 << 20) + 1, 3, ORIGIN).value > 0


class TestProbe:
    def test_this_machine(self) -> None:
        start = time.process_time()
        machine = probe()
        cores = machine.cpu.cores or 1
        assert time.process_time() - start < 2 * cores  # CPU time: others may use the machine too
        assert machine.name == "this"
        assert machine.cpu.title
        assert machine.cpu.cores is not None
        assert 1 <= machine.cpu.cores <= len(os.sched_getaffinity(0))
        assert machine.memory is not None
        assert machine.memory.value > 1 << 28
        bandwidth = machine.memory_bandwidth
        assert bandwidth is not None
        assert 1e8 < bandwidth.low <= bandwidth.value <= bandwidth.high < 1e13
        assert bandwidth.n >= 6
        assert bandwidth.provenance.kind is ProvenanceKind.MEASURED
        assert bandwidth.provenance.by == machine.cpu.title
        assert bandwidth.provenance.load is not None
        assert re.fullmatch(r"\d{4}-\d\d-\d\d", bandwidth.provenance.date)

    def test_bandwidth_can_be_left_out(self) -> None:
        assert probe(bandwidth=False).memory_bandwidth is None

    def test_a_raspberry_pi_under_limits_of_version_2(self, tmp_path: Path) -> None:
        root = tree(
            tmp_path,
            {
                "proc/cpuinfo": RASPBERRY_PI,
                "proc/meminfo": "MemTotal: 8388608 kB\n",
                "proc/device-tree/model": "Raspberry Pi 5 Model B Rev 1.0\0",
                "proc/self/cgroup": "0::/system.slice/app.service\n",
                "sys/fs/cgroup/cgroup.controllers": "cpu memory",
                "sys/fs/cgroup/system.slice/memory.max": "1073741824\n",
                "sys/fs/cgroup/system.slice/app.service/memory.max": "max\n",
                "sys/fs/cgroup/system.slice/app.service/cpu.max": "100000 100000\n",
                "dev/hailo0": "",
            },
        )
        machine = probe(bandwidth=False, root=root)
        assert machine.title == "Raspberry Pi 5 Model B Rev 1.0"
        assert machine.cpu.cores == 1
        assert machine.memory is not None
        assert machine.memory.value == 2**30
        assert [part.name for part in machine.accelerators] == ["cpu", "hailo"]

    def test_limits_of_version_1_inside_a_container(self, tmp_path: Path) -> None:
        root = tree(
            tmp_path,
            {
                "proc/cpuinfo": HASWELL,
                "proc/meminfo": "MemTotal: 8388608 kB\n",
                "proc/self/cgroup": "4:memory:/docker/abc\n3:cpu,cpuacct:/docker/abc\n",
                "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "100000\n",
                "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
                "sys/fs/cgroup/memory/memory.limit_in_bytes": "536870912\n",
            },
        )
        machine = probe(bandwidth=False, root=root)
        assert machine.cpu.cores == 1
        assert machine.memory is not None
        assert machine.memory.value == 512 << 20

    def test_sees_accelerators(self, tmp_path: Path) -> None:
        root = tree(
            tmp_path,
            {
                "proc/cpuinfo": N100,
                "proc/driver/nvidia/gpus/0000:01:00.0/information": "Model: NVIDIA L4\n",
                "proc/driver/nvidia/gpus/0000:02:00.0/information": "Model: NVIDIA A2\n",
                "dev/nvidia0": "",
                "dev/nvidiactl": "",
                "dev/apex_0": "",
                "sys/class/accel/accel0/device/uevent": "DRIVER=intel_vpu\n",
                "sys/class/drm/renderD128/device/uevent": "DRIVER=i915\n",
                "sys/class/drm/renderD129/device/uevent": "DRIVER=ast\n",
                "sys/bus/usb/devices/1-1/idVendor": "18d1\n",
                "sys/bus/usb/devices/1-1/idProduct": "9302\n",
                "sys/bus/usb/devices/1-2/idVendor": "1d6b\n",
            },
        )
        machine = probe(bandwidth=False, root=root)
        assert [(part.name, part.title) for part in machine.accelerators[1:]] == [
            ("gpu", "NVIDIA L4"),
            ("gpu-2", "NVIDIA A2"),
            ("npu", "Intel NPU"),
            ("gpu-3", "Intel GPU"),
            ("edge-tpu", "Coral Edge TPU on PCIe"),
            ("edge-tpu-2", "Coral Edge TPU on USB"),
        ]
        assert machine.accelerators[3].kind is AcceleratorKind.NPU

    def test_a_gpu_seen_only_by_its_device(self, tmp_path: Path) -> None:
        machine = probe(bandwidth=False, root=tree(tmp_path, {"dev/nvidia0": "", "dev/nvidia1": ""}))
        assert [part.title for part in machine.accelerators[1:]] == ["NVIDIA GPU", "NVIDIA GPU"]

    def test_an_empty_root_is_no_fault(self, tmp_path: Path) -> None:
        machine = probe(bandwidth=False, root=tmp_path)
        assert machine.cpu.title == "unknown CPU"
        assert machine.memory is None

    def test_last_caches_are_added_up_once_each(self, tmp_path: Path) -> None:
        files: dict[str, str] = {}
        for number, shared in ((0, "0-1"), (1, "0-1"), (2, "2-3"), (3, "2-3")):
            for index, level, size in (("index0", "1", "32K"), ("index3", "3", "16384K")):
                folder = f"sys/devices/system/cpu/cpu{number}/cache/{index}"
                files |= {f"{folder}/level": level, f"{folder}/size": size}
                files[f"{folder}/shared_cpu_list"] = shared if level == "3" else str(number)
        assert _last_cache_bytes(tree(tmp_path, files)) == 32 << 20
        assert _last_cache_bytes(tmp_path / "none") == 0


class TestIdentity:
    @pytest.fixture
    def machine(self, tmp_path: Path) -> Machine:
        files = {"proc/cpuinfo": N100, "proc/meminfo": "MemTotal: 8388608 kB\n"}
        return probe(bandwidth=False, root=tree(tmp_path, files))

    def test_is_a_digest(self, machine: Machine) -> None:
        assert re.fullmatch(r"[0-9a-f]{64}", identity(machine))

    def test_does_not_depend_on_what_was_measured_or_is_paid(self, machine: Machine) -> None:
        figure = _bandwidth.summary([[1e9]] * 6, ORIGIN)
        for change in ({"name": "other"}, {"memory_bandwidth": figure}, {"price": figure}, {"note": "x"}):
            assert identity(dataclasses.replace(machine, **change)) == identity(machine)

    def test_depends_on_what_decides(self, machine: Machine) -> None:
        cpu = machine.cpu
        others = [
            dataclasses.replace(machine, architecture="aarch64"),
            dataclasses.replace(machine, memory=None),
            *(
                dataclasses.replace(machine, accelerators=(dataclasses.replace(cpu, **change),))
                for change in ({"title": "Other"}, {"isa": ("avx2",)}, {"cores": 1})
            ),
        ]
        assert len({identity(machine), *map(identity, others)}) == len(others) + 1

    def test_the_order_of_flags_does_not_count(self, machine: Machine) -> None:
        turned = dataclasses.replace(machine.cpu, isa=machine.cpu.isa[::-1])
        assert identity(dataclasses.replace(machine, accelerators=(turned,))) == identity(machine)
