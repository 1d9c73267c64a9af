"""Every datatype there and back, through a foreign client, over both protocols and in every form."""

from collections.abc import Iterator
from types import ModuleType
from typing import Any

import ml_dtypes
import numpy as np
import orjson
import pytest
import tritonclient.grpc as over_grpc
import tritonclient.http as over_http
from numpy.typing import NDArray

from edgewise.edge.serve.grpc.reading import CONTENTS
from edgewise.edge.serve.tensors import DTYPES
from fakes.serve_core import Skins
from fakes.serve_process import exchange, open_connection, request

SHAPE = (3, 2)


@pytest.fixture(scope="module")
def skins() -> Iterator[Skins]:
    with Skins(grpc=True) as started:
        yield started


def values(datatype: str) -> NDArray[Any]:
    random = np.random.default_rng(1)
    if datatype == "BYTES":
        return np.array([b"", b"a", "\u00e4".encode(), b"long" * 100, b"0", b" "], dtype=np.object_).reshape(SHAPE)
    if datatype == "BOOL":
        return np.array([[True, False], [False, False], [True, True]])
    if datatype == "BF16":
        return np.array([[1.0, -2.5], [0.0, 3.0], [1e30, -1e-30]], dtype=ml_dtypes.bfloat16)
    dtype = DTYPES[datatype]
    if dtype.kind in "iu":
        bounds = np.iinfo(dtype)
        return np.array([bounds.min, bounds.max, 0, 1, 2, bounds.max // 3], dtype=dtype).reshape(SHAPE)
    return random.standard_normal(SHAPE).astype(dtype)


def sent(client: ModuleType, datatype: str, **how: bool) -> Any:
    made = client.InferInput("x", list(SHAPE), datatype)
    made.set_data_from_numpy(values(datatype), **how)
    return made


def same(found: NDArray[Any], datatype: str) -> None:
    np.testing.assert_array_equal(found, values(datatype))


FORMS = [
    pytest.param(
        datatype,
        binary_in,
        binary_out,
        id=f"{datatype}-{'binary' if binary_in else 'json'}-{'binary' if binary_out else 'json'}",
    )
    for datatype in DTYPES
    for binary_in in (True, False)
    for binary_out in (True, False)
    if (binary_in and binary_out) or datatype not in ("FP16", "BF16")  # of those the client knows only the binary form
]


@pytest.mark.parametrize(("datatype", "binary_in", "binary_out"), FORMS)
def test_over_http(skins: Skins, datatype: str, binary_in: bool, binary_out: bool):
    with over_http.InferenceServerClient(skins.netloc) as client:
        wanted = over_http.InferRequestedOutput("x", binary_data=binary_out)
        found = client.infer(f"echo-{datatype}", [sent(over_http, datatype, binary_data=binary_in)], outputs=[wanted])
    answer = found.as_numpy("x")
    if datatype == "BYTES" and not binary_out:
        answer = np.array([text.encode() for text in answer.ravel()], dtype=np.object_).reshape(SHAPE)
    same(answer, datatype)


@pytest.mark.parametrize("datatype", DTYPES)
def test_over_grpc_raw(skins: Skins, datatype: str):
    with over_grpc.InferenceServerClient(skins.grpc_netloc) as client:
        found = client.infer(f"echo-{datatype}", [sent(over_grpc, datatype)])
    assert found.get_response().raw_output_contents
    same(found.as_numpy("x"), datatype)


@pytest.mark.parametrize("datatype", [name for name in DTYPES if name not in ("FP16", "BF16")])
def test_over_grpc_typed(skins: Skins, datatype: str):
    request = over_grpc.service_pb2.ModelInferRequest(model_name="echo", id="7")
    tensor = request.inputs.add(name="x", datatype=datatype, shape=SHAPE)
    getattr(tensor.contents, CONTENTS[datatype]).extend(values(datatype).ravel().tolist())
    with over_grpc.grpc.insecure_channel(skins.grpc_netloc) as channel:
        stub = over_grpc.service_pb2_grpc.GRPCInferenceServiceStub(channel)
        answer = stub.ModelInfer(request, timeout=30)
    assert not answer.raw_output_contents
    found = list(getattr(answer.outputs[0].contents, CONTENTS[datatype]))
    assert found == values(datatype).ravel().tolist()
    assert (answer.id, list(answer.outputs[0].shape)) == ("7", list(SHAPE))


def test_json_knows_bf16_by_value(skins: Skins):
    body = {"inputs": [{"name": "x", "datatype": "BF16", "shape": [1, 2], "data": [1.5, -2.0]}]}
    with open_connection(skins.address) as connection:
        status, _, answer = exchange(connection, request("POST", "/v2/models/echo-BF16/infer", orjson.dumps(body)))
    assert (status, orjson.loads(answer)["outputs"][0]["data"]) == (200, [1.5, -2.0])
