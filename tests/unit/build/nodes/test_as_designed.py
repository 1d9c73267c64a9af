"""What a node is given where nobody says it: what the release's design was measured on, with and to take."""

from dataclasses import replace

import pytest

from edgewise.build.nodes.describe import HEADROOM, SERVER_BYTES, Wish, describe
from edgewise.build.nodes.description import TMPFS_BYTES, NodeKind, Workload
from edgewise.build.nodes.kubernetes import pod
from edgewise.build.nodes.placed import place
from edgewise.errors import NotDeployable
from edgewise.exchange.release import Allowance, Chosen, Release
from edgewise.flow.fleet import document
from edgewise.hardware import catalogue
from edgewise.nouns import RuntimeName
from fakes.fleets import GATEWAY, MIB, SHOP, fleet_plan, for_sale, member, owned
from fakes.workloads import RELEASE, release

ON_CPU = Chosen(
    name="int8@4t",
    machine=GATEWAY,
    accelerator="cpu",
    on_cpu=True,
    runtime="onnxruntime",
    threads=2,
    memory_bytes=10 * MIB,
)
ON_TPU = replace(ON_CPU, machine=SHOP, accelerator="edge-tpu", on_cpu=False, runtime="edgetpu-compiler", threads=1)
CARD = "nvidia-l4"
ON_GPU = replace(ON_TPU, machine=CARD, accelerator="gpu", runtime="tensorrt")


def of(design: Chosen | None, **changes: object) -> Release:
    return release(design=design, allowance=Allowance(), **changes)


def described(given: Release, **wish: object) -> Workload:
    return describe(given, RELEASE, NodeKind.DEVICE, Wish(**wish))  # type: ignore[arg-type]


def test_cores_are_the_threads_that_were_measured_and_one_for_the_server():
    machine = catalogue.find(GATEWAY)
    assert described(of(ON_CPU), machine=machine).cpus == 3
    assert described(of(ON_CPU)).cpus == 3
    assert described(of(replace(ON_CPU, threads=4)), machine=machine).cpus == 4  # it has no more
    assert described(of(ON_CPU), cpus=0.5).cpus == 0.5
    assert described(of(None)).cpus is None


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino", "litert"])
def test_memory_is_the_server_s_and_what_the_model_adds_with_headroom(runtime: str):
    found = described(of(replace(ON_CPU, runtime=runtime))).memory_bytes
    assert found is not None
    least = (SERVER_BYTES[runtime] + 10 * MIB) * HEADROOM + TMPFS_BYTES
    assert least <= found < least + MIB
    assert described(of(replace(ON_CPU, memory_bytes=None))).memory_bytes is None
    assert described(of(ON_CPU), memory_bytes=MIB).memory_bytes == MIB
    allowed = release(design=ON_CPU, allowance=Allowance(memory_bytes=MIB))
    assert described(allowed).memory_bytes == pytest.approx(1.25 * MIB + TMPFS_BYTES, abs=MIB)


def test_the_accelerator_is_the_one_that_was_measured_on_that_machine_alone():
    board = catalogue.find(SHOP)
    found = described(of(ON_TPU), machine=board)
    assert found.device is not None
    assert found.device.name == "edge-tpu"
    assert found.cpus is None
    assert described(of(ON_TPU), machine=catalogue.find(GATEWAY)).device is None
    with pytest.raises(NotDeployable, match="name it by --machine"):
        described(of(ON_TPU))


def test_who_shares_a_gpu_asks_for_a_turn_of_it():
    card = catalogue.find(CARD)
    whole, turn = (described(of(ON_GPU), machine=card, shared=shared) for shared in (False, True))
    assert pod.resources(whole).limits["nvidia.com/gpu"] == "1"
    assert pod.resources(turn).limits["nvidia.com/gpu.shared"] == "1"
    assert whole.device is not None
    assert turn.device is not None
    assert whole.device.cdi == turn.device.cdi  # on a device, the kernel lets them take turns


def test_a_fleet_s_plan_says_where_how_often_and_with_whom():
    edge = {"on": (SHOP,), "runtime": RuntimeName.EDGETPU}
    plan = fleet_plan(
        [owned(), for_sale()],
        [member("meter-reader", 300, **edge), member("sorter", 300, **edge), member("counter", 100)],
    )
    design = replace(ON_TPU, name=f"meter-reader@{SHOP}")
    found = place(plan, of(design))
    assert (found.machine, found.accelerator, found.replicas, found.shared) == (SHOP, "edge-tpu", 1, True)
    alone = place(fleet_plan([owned(count=3)], [member("meter-reader", 900, replicas=3)]), of(None))
    assert (alone.machine, alone.accelerator, alone.replicas, alone.shared) == (GATEWAY, "cpu", 3, False)


def test_a_plan_that_is_not_about_this_release_is_refused():
    plan = fleet_plan([owned()], [member("meter-reader", 100)])
    for given, reason in (
        (of(None, model_name="other"), "on: nowhere"),
        (of(None, site="other"), "on: nowhere"),
        (of(ON_CPU), "was made from int8@4t"),
    ):
        with pytest.raises(NotDeployable, match=reason):
            place(plan, given)
    with pytest.raises(NotDeployable, match="on: gateway"):
        place(plan, of(None), "coral-dev-board")
    assert document(plan)["kind"] == "FleetPlan"
