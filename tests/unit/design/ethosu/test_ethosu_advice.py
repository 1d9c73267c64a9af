"""What an Ethos-U waits for: weights in flash, on a network that is all weights."""

import numpy as np
import pytest

from edgewise.design import tflite
from edgewise.design.ethosu.advice import advise
from edgewise.design.ethosu.configuration import Configuration, MemoryMode, Npu
from edgewise.design.ethosu.search import Found, search
from edgewise.hardware import catalogue
from edgewise.nouns import Bottleneck
from fakes import models as fake_models
from fakes.compiled import compiled


@pytest.fixture(scope="module")
def autoencoder() -> Found:
    """A dense autoencoder, as for anomaly detection, over the sizes and modes of a U55."""
    model = fake_models.autoencoder(640, 8)
    random = np.random.default_rng(0)
    samples = [[random.normal(size=(1, 640)).astype(np.float32)] for _ in range(8)]
    part = next(part for part in catalogue.find("arm-corstone-300-u55").accelerators if part.name == "ethos-u55")
    return search(tflite.convert_int8(model, samples, calibration="minmax", io="int8"), part, points=2)


def test_dense_layers_wait_for_flash_and_more_macs_do_not_help(autoencoder: Found) -> None:
    default = autoencoder.defaults[Npu.named("ethos-u55-32")]
    advice = advise("design", default, autoencoder.compiled)
    assert advice.binds is Bottleneck.FLASH
    assert "more MACs would not help" in advice.binds_sentence
    assert "weights in SRAM" in advice.move
    in_sram = min(
        entry.cycles
        for entry in autoencoder.of(default.configuration.npu)
        if entry.configuration.memory_mode is MemoryMode.SRAM_ONLY
    )
    assert advice.speedup == pytest.approx(default.cycles / in_sram)
    assert advice.speedup > 3


def test_more_macs_are_the_move_where_arithmetic_binds() -> None:
    small, large = (Configuration.default(Npu(family="ethos-u55", macs=macs)) for macs in (32, 64))
    entry = compiled(cycles=1000, configuration=small)
    advice = advise("design", entry, [entry, compiled(cycles=600, configuration=large)])
    assert (advice.binds, advice.share) == (Bottleneck.MACS, 1.0)
    assert advice.move.startswith("64 MACs instead of 32")
    assert advice.speedup == pytest.approx(1000 / 600)


def test_what_falls_back_binds_first() -> None:
    entry = compiled(cpu=2)
    advice = advise("design", entry, [entry])
    assert advice.binds is Bottleneck.FALLBACK
    assert "Softmax 0" in advice.binds_sentence
    assert not advice.move
