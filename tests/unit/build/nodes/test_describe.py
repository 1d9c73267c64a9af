"""What cannot run on a node is said before anything is written, with all reasons at once."""

from dataclasses import replace

import pytest

from edgewise.build.nodes.describe import Wish, describe
from edgewise.build.nodes.description import NodeKind
from edgewise.build.nodes.versions import Version, kubernetes_of, version
from edgewise.errors import NotDeployable
from edgewise.exchange.release import Part, PartKind, Strategy
from edgewise.hardware import catalogue
from fakes.workloads import RELEASE, SERVER, release


def refusal(given, wish: Wish | None = None, node: NodeKind = NodeKind.DEVICE) -> str:
    with pytest.raises(NotDeployable) as caught:
        describe(given, RELEASE, node, wish or Wish())
    return caught.value.message


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"strategy": Strategy.SYSTEM}, "operating system"),
        ({"model_name": "Meter Reader"}, "no DNS label"),
        ({"model_name": "a: {b: c}\n- d"}, "control characters"),
        ({"model_name": "x" * 64}, "no DNS label"),
        ({"version": "7\nExecStart=/bin/sh"}, "control characters"),
        ({"settings": {"A": "1\n2"}}, "environment variable"),
        ({"settings": {"A B": "1"}}, "environment variable"),
        ({"parts": ()}, "no image of a server"),
    ],
)
def test_a_release_that_no_node_could_run(changes, reason: str):
    assert reason in refusal(release(**{"strategy": Strategy.EMBEDDED} | changes))


def test_a_folder_is_no_place_that_engines_pull_from():
    part = Part(name="inference", kind=PartKind.IMAGE, digest=SERVER, size_bytes=1, source="oci:/media/usb/images")
    assert "push it first" in refusal(release(Strategy.EMBEDDED, parts=(part,)))


def test_a_model_or_a_server_larger_than_the_node_s_memory():
    board = catalogue.find("coral-dev-board")
    big = release(Strategy.EMBEDDED, allowance=replace(release().allowance, memory_bytes=64 << 30))
    assert "may take 81984 MiB" in refusal(big, Wish(machine=board))
    parts = release().parts
    heavy = release(parts=(parts[0], replace(parts[1], size_bytes=64 << 30)))
    assert "the model has 65536 MiB" in refusal(heavy, Wish(machine=board, memory_bytes=1 << 20))


def test_an_accelerator_or_a_share_that_the_machine_has_not():
    board, card = catalogue.find("coral-dev-board"), catalogue.find("nvidia-l4")
    assert "no accelerator 'gpu9'" in refusal(release(), Wish(machine=board, accelerator="gpu9"))
    assert "no share '1g.10gb'" in refusal(release(), Wish(machine=card, accelerator="gpu", share="1g.10gb"))
    assert "name it by --machine" in refusal(release(), Wish(accelerator="gpu"))


def test_a_microcontroller_runs_no_containers():
    small = next(one for one in catalogue.machines().values() if one.architecture.startswith("armv8.1"))
    assert "runs no containers" in refusal(release(), Wish(machine=small))


def test_all_reasons_are_told_at_once():
    message = refusal(release(model_name="A b", version="\t"), Wish(accelerator="gpu"))
    assert message.count(";") == 2


def test_versions_are_read_as_they_are_printed():
    assert version("4.9.4-rhel") == Version(4, 9)
    assert version("v1.33.2+k3s1") == Version(1, 33)
    assert version("5") == Version(5, 0)
    assert kubernetes_of(Version(4, 20)) == Version(1, 33)
    with pytest.raises(NotDeployable):
        version("newest")
