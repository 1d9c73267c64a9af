"""Vela and the int8 models of MLCommons Tiny; what is missing is named and skipped, under CI=true it fails."""

import importlib.metadata
import os
from pathlib import Path

import pytest


@pytest.fixture
def vela() -> str:
    """Vela's version."""
    try:
        return importlib.metadata.version("ethos-u-vela")
    except importlib.metadata.PackageNotFoundError:
        if os.environ.get("CI") == "true":
            pytest.fail("ethos-u-vela is missing, and CI=true")
        pytest.skip("ethos-u-vela is missing (pip install 'edgewise[design]')")


def _model(shared_data: Path, name: str) -> bytes:
    path = shared_data / "mlperf-tiny" / name
    if not path.is_file():
        pytest.skip(f"{name} is not in the shared data folder")
    return path.read_bytes()


@pytest.fixture
def keywords(shared_data: Path) -> bytes:
    return _model(shared_data, "kws01_int8.tflite")


@pytest.fixture
def images(shared_data: Path) -> bytes:
    return _model(shared_data, "ic01_int8.tflite")


@pytest.fixture
def float_images(shared_data: Path) -> bytes:
    return _model(shared_data, "ic01_fp32.tflite")
