"""Outside things that integration tests need. A missing one is named and skipped; under CI=true it fails."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from fakes import models
from fakes.needed import missing

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from edgewise.nouns import Plan
    from integration.test_plan import Place

_CHROMIUM = "/usr/bin/chromium"
_ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]


@pytest.fixture(scope="session")
def chromium() -> "Iterator[Browser]":
    """Debian's Chromium, driven by Playwright."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        missing("playwright (pip install edgewise[dev])")
    if not Path(_CHROMIUM).exists():
        missing(f"{_CHROMIUM} (apt install chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=_CHROMIUM, args=_ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def planned(tmp_path_factory: pytest.TempPathFactory) -> "tuple[Place, Plan]":
    """A depthwise network, planned once. Whoever changes edge.yaml or the store's records puts them back, or copies."""
    from integration.test_plan import place

    here = place(tmp_path_factory.mktemp("depthwise"), models.depthwise())
    return here, here.plan()


from integration.shelves import podman, registry, shelf  # noqa: E402, F401 - fixtures, which want `missing` from here
