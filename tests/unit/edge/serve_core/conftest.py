"""What tests of the server's core share."""

import os
from importlib.util import find_spec

import pytest

from edgewise.nouns import RuntimeName

MODULE = {
    RuntimeName.ONNXRUNTIME: "onnxruntime",
    RuntimeName.OPENVINO: "openvino",
    RuntimeName.LITERT: "ai_edge_litert",
}


@pytest.fixture(params=list(MODULE), ids=str)
def runtime(request: pytest.FixtureRequest) -> RuntimeName:
    name: RuntimeName = request.param
    if find_spec(MODULE[name]) is None:
        if os.environ.get("CI") == "true":
            pytest.fail(f"{MODULE[name]} is missing, and CI=true")
        pytest.skip(f"{MODULE[name]} is missing")
    return name
