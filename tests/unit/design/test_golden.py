"""How nearly a machine must reproduce a golden."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgewise.design import golden
from edgewise.nouns import Layer, ModelFormat, Recipe, RuntimeConfiguration, RuntimeName


def layer(terms: int | None) -> Layer:
    macs = None if terms is None else terms * 10
    return Layer(name="l", operator="MatMul", output_shape=("n", 10), parameters=0, macs=macs)


def recipe(precision: str) -> Recipe:
    return Recipe(name=precision, method="given", format=ModelFormat.ONNX, precision=precision)


PLAIN = RuntimeConfiguration(runtime=RuntimeName.ONNXRUNTIME, version="1", threads=1)


@given(samples=st.integers(20, 500), batch=st.integers(1, 40))
def test_rows_are_whole_inferences(samples: int, batch: int) -> None:
    samples = max(samples, batch) // batch * batch
    picked = golden.rows(samples, batch)
    assert len(picked) % batch == 0
    assert 0 < len(picked) <= max(golden.ROWS, batch)
    assert len(set(picked)) == len(picked)
    assert max(picked) < samples
    assert (picked.reshape(-1, batch)[:, 0] % batch == 0).all()


def test_a_deeper_network_is_rounded_more_often() -> None:
    shallow = golden.rounding([layer(100)], golden.FLOAT32)
    deep = golden.rounding([layer(100)] * 4, golden.FLOAT32)
    assert deep == pytest.approx(2 * shallow)
    assert golden.rounding([layer(100)], golden.ROUNDOFF["fp16"]) > 100 * shallow
    assert golden.rounding([layer(None)], golden.FLOAT32) > shallow


def test_the_step_of_a_quantised_output_is_seen() -> None:
    grid = np.arange(-20, 30).reshape(5, 10).astype(np.float32) * np.float32(0.125)
    assert golden.step(grid) == pytest.approx(0.125)


def test_few_values_that_are_no_grid_are_no_steps() -> None:
    scores = np.random.default_rng(0).random((12, 10)).astype(np.float32)
    assert golden.step(scores) == pytest.approx(float(scores.max() - scores.min()) / 255, rel=1e-6)


def test_a_constant_output_has_no_step() -> None:
    assert golden.step(np.zeros((3, 2), np.float32)) == 0.0


def test_floats_have_no_steps_and_int8_has() -> None:
    output = np.linspace(-4, 4, 1000, dtype=np.float32).reshape(100, 10)
    layers = [layer(64)] * 9
    floats = golden.tolerance(layers, recipe("fp32"), PLAIN, [output])
    steps = golden.tolerance(layers, recipe("int8"), PLAIN, [output])
    assert floats.absolute < 1e-4
    assert steps.absolute == pytest.approx(floats.absolute + 4 * 8 / 255, rel=1e-3)


def test_integers_widen_nothing() -> None:
    output = np.arange(100, dtype=np.int64).reshape(100, 1) * 1000
    found = golden.tolerance([layer(64)], recipe("int8"), PLAIN, [output])
    assert found.absolute == found.relative < 1e-4
