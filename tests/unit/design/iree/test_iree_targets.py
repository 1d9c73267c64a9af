"""Which target stands for which machine of the catalogue."""

import pytest

from edgewise.design.iree.targets import CHIPS, TARGETS, proof_target, targets_named
from edgewise.errors import EdgewiseError
from edgewise.hardware import catalogue
from edgewise.nouns import AcceleratorKind


@pytest.mark.parametrize(
    ("machine", "accelerator", "target"),
    [
        ("jetson-orin-nano-8gb", "gpu", "cuda-sm_87"),
        ("jetson-agx-orin-64gb", "gpu", "cuda-sm_87"),
        ("jetson-agx-orin-64gb", "cpu", "aarch64"),
        ("jetson-thor-t5000", "gpu", None),
        ("nvidia-l4", "gpu", "cuda-sm_89"),
        ("nvidia-h200", "gpu", None),
        ("nvidia-h200", "host-cpu", None),
    ],
)
def test_what_stands_for_an_accelerator(machine: str, accelerator: str, target: str | None) -> None:
    found = catalogue.machines()[machine]
    part = next(part for part in found.accelerators if part.name == accelerator)
    assert proof_target(found, part) == target


def test_every_accelerator_of_the_catalogue_has_a_known_target_or_none() -> None:
    seen = set()
    for machine in catalogue.machines().values():
        for part in machine.accelerators:
            target = proof_target(machine, part)
            assert target is None or target in TARGETS
            assert target is None or part.kind in (AcceleratorKind.CPU, AcceleratorKind.GPU)
            seen.add(target)
    assert {"aarch64", "x86_64", "vulkan", "cuda-sm_87", None} <= seen


def test_every_chip_is_in_the_catalogue() -> None:
    names = list(catalogue.machines())
    for beginning, target in CHIPS.items():
        assert target in TARGETS
        assert any(name.startswith(beginning) for name in names)


def test_targets_come_once_and_in_order() -> None:
    assert [target.name for target in targets_named(["vulkan", "aarch64", "vulkan"])] == ["vulkan", "aarch64"]


@pytest.mark.parametrize(("name", "hint"), [("vulcan", "did you mean vulkan?"), ("?", "one of aarch64, ")])
def test_an_unknown_target_is_refused_with_what_there_is(name: str, hint: str) -> None:
    with pytest.raises(EdgewiseError, match="no target") as refused:
        targets_named(["aarch64", name])
    assert refused.value.hint.startswith(hint)
