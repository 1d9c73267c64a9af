"""What every test shares. Telemetry is switched off before anything can import ONNX Runtime."""

import os
import signal

os.environ["ORT_DISABLE_TELEMETRY"] = "1"

from pathlib import Path

import pytest

# Where the tests run in the background, SIGINT comes ignored, and what they start would ignore Ctrl-C too.
signal.signal(signal.SIGINT, signal.default_int_handler)

_SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(autouse=True)
def _ctrl_c() -> None:
    """What a test before did to Ctrl-C is undone."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder with real data sets and models, beside the repository; tests that want it skip without it."""
    if not _SHARED_DATA.is_dir():
        pytest.skip("the shared data folder (../shared/data) is not here")
    return _SHARED_DATA
