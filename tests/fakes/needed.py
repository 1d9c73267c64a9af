"""What tests need of the machine. Where it is missing they say so and skip; under CI=true they fail."""

import os

import pytest


def missing(what: str) -> None:
    """Skip because `what` is not here, or fail where everything must be."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"{what} is missing, and CI=true")
    pytest.skip(f"{what} is missing")
