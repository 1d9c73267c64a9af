"""SCALE-Sim, the peer; what is missing is named and skipped, under CI=true it fails."""

import importlib
import importlib.metadata
import os
import sys
from pathlib import Path
from types import ModuleType

import pytest

BENCH = Path(__file__).resolve().parents[4] / "bench"


@pytest.fixture
def peer(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """bench/scalesim_peer.py, with SCALE-Sim installed."""
    try:
        importlib.metadata.version("scalesim")
    except importlib.metadata.PackageNotFoundError:
        if os.environ.get("CI") == "true":
            pytest.fail("scalesim is missing, and CI=true")
        pytest.skip("scalesim is missing (pip install 'edgewise[dev]')")
    monkeypatch.syspath_prepend(BENCH)
    monkeypatch.delitem(sys.modules, "scalesim_peer", raising=False)
    return importlib.import_module("scalesim_peer")
