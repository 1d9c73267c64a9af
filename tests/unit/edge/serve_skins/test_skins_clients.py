"""What a foreign client can do beside tensors: the whole surface, sync and async, over both protocols."""

import asyncio
import queue
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc as over_grpc
import tritonclient.grpc.aio as over_grpc_aio
import tritonclient.http as over_http
import tritonclient.http.aio as over_http_aio
from google.protobuf import descriptor_pb2
from grpc_tools import protoc
from tritonclient.utils import InferenceServerException

from edgewise.edge.serve.grpc import descriptors
from fakes.serve_core import FAULTS, PATIENCE_S, Skins

X = np.arange(4, dtype=np.float32).reshape(2, 2)
KINDS = ["http", "grpc"]


@pytest.fixture(scope="module")
def skins() -> Iterator[Skins]:
    with Skins(grpc=True) as started:
        yield started


@pytest.fixture(params=KINDS)
def module(request: pytest.FixtureRequest) -> Any:
    return over_http if request.param == "http" else over_grpc


@pytest.fixture
def client(skins: Skins, module: Any) -> Iterator[Any]:
    with module.InferenceServerClient(where(skins, module)) as made:
        yield made


def where(skins: Skins, module: Any) -> str:
    return skins.netloc if module in (over_http, over_http_aio) else skins.grpc_netloc


def given(module: Any) -> Any:
    made = module.InferInput("x", [2, 2], "FP32")
    made.set_data_from_numpy(X)
    return made


def plain(document: Any) -> Any:
    """A message or a JSON document as a document."""
    if isinstance(document, dict | list):
        return document
    from google.protobuf import json_format

    return json_format.MessageToDict(document, preserving_proto_field_name=True)


def test_health_and_metadata(client: Any):
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("echo")
    said = plain(client.get_server_metadata())
    assert said["name"] == "edgewise"
    assert "binary_tensor_data" in said["extensions"]
    model = plain(client.get_model_metadata("echo"))
    assert (model["name"], model["versions"], model["platform"]) == ("echo", ["1"], "onnxruntime_onnx")
    assert [int(size) for size in model["inputs"][0]["shape"]] == [-1, 2]
    config = plain(client.get_model_config("echo"))
    assert config.get("config", config)["max_batch_size"] == 8


def test_the_repository_is_listed_unloaded_and_loaded(client: Any, skins: Skins):
    client.unload_model("echo-BOOL")
    assert not client.is_model_ready("echo-BOOL")
    listed = plain(client.get_model_repository_index())
    models = listed if isinstance(listed, list) else listed["models"]
    assert {one["name"]: one["state"] for one in models}["echo-BOOL"] == "UNAVAILABLE"
    client.load_model("echo-BOOL")
    assert client.is_model_ready("echo-BOOL")
    assert skins.core.models.calls[-2:] == ["unload echo-BOOL", "load echo-BOOL"]
    with pytest.raises(InferenceServerException, match="no configuration"):
        client.load_model("echo-BOOL", config='{"max_batch_size": 4}')


@pytest.mark.parametrize("model", [*FAULTS, "shed", "nothing", "bug"])
def test_every_kind_of_fault_has_its_code(client: Any, module: Any, model: str):
    with pytest.raises(InferenceServerException) as raised:
        client.infer(model, [given(module)])
    http = {
        "full": "429",
        "shed": "429",
        "late": "504",
        "big": "507",
        "loading": "503",
        "broken": "500",
        "nothing": "404",
        "bug": "500",
    }
    grpc = {
        "full": "RESOURCE_EXHAUSTED",
        "shed": "RESOURCE_EXHAUSTED",
        "late": "DEADLINE_EXCEEDED",
        "big": "RESOURCE_EXHAUSTED",
        "loading": "UNAVAILABLE",
        "broken": "INTERNAL",
        "nothing": "NOT_FOUND",
        "bug": "INTERNAL",
    }
    wanted = http[model] if module is over_http else f"StatusCode.{grpc[model]}"
    assert raised.value.status() == wanted
    if model in FAULTS:
        assert raised.value.message() == FAULTS[model].message
    assert client.is_server_live()


def test_priority_deadline_id_and_parameters_reach_the_core(client: Any, module: Any, skins: Skins):
    before = time.monotonic()
    client.infer("echo", [given(module)], request_id="7", priority=3, timeout=5_000_000, parameters={"camera": "left"})
    asked = skins.core.requests[-1]
    assert (asked.id, asked.priority, asked.parameters["camera"]) == ("7", 3, "left")
    assert before + 4.9 < asked.deadline_s < time.monotonic() + 5.1


def test_what_is_not_offered_is_refused(client: Any, module: Any):
    shared = module.InferInput("x", [2, 2], "FP32")
    shared.set_shared_memory("region", 16)
    with pytest.raises(InferenceServerException, match="not offered"):
        client.infer("echo", [shared])
    with pytest.raises(InferenceServerException, match="not offered"):
        client.infer("echo", [given(module)], sequence_id=5, sequence_start=True)
    with pytest.raises(InferenceServerException, match="not offered"):
        client.infer("echo", [given(module)], outputs=[module.InferRequestedOutput("x", class_count=2)])


def test_many_at_once(client: Any, module: Any):
    found: queue.Queue[Any] = queue.Queue()
    if module is over_http:
        asked = [client.async_infer("echo", [given(module)]) for _ in range(20)]
        answers = [one.get_result() for one in asked]
    else:
        for _ in range(20):
            client.async_infer("echo", [given(module)], lambda result, error: found.put((result, error)))
        answers = []
        for _ in range(20):
            result, error = found.get(timeout=PATIENCE_S)
            assert error is None
            answers.append(result)
    for answer in answers:
        np.testing.assert_array_equal(answer.as_numpy("x"), X)


@pytest.mark.parametrize("aio", [over_http_aio, over_grpc_aio], ids=KINDS)
def test_the_async_clients(skins: Skins, aio: Any):
    async def ask() -> None:
        async with aio.InferenceServerClient(where(skins, aio)) as client:
            assert await client.is_server_ready()
            answers = await asyncio.gather(*(client.infer("echo", [given(aio)]) for _ in range(8)))
            for answer in answers:
                np.testing.assert_array_equal(answer.as_numpy("x"), X)
            with pytest.raises(InferenceServerException):
                await client.infer("nothing", [given(aio)])

    asyncio.run(asyncio.wait_for(ask(), PATIENCE_S))


@pytest.mark.parametrize("algorithm", ["gzip", "deflate"])
def test_compressed_bodies(skins: Skins, algorithm: str):
    with over_http.InferenceServerClient(skins.netloc) as client:
        found = client.infer(
            "echo",
            [given(over_http)],
            request_compression_algorithm=algorithm,
            response_compression_algorithm=algorithm,
        )
    np.testing.assert_array_equal(found.as_numpy("x"), X)


def test_a_stream_answers_in_order_and_tells_faults_in_their_place(skins: Skins):
    found: queue.Queue[Any] = queue.Queue()
    names = ["echo", "full", "echo", "nothing", "echo"]
    with over_grpc.InferenceServerClient(skins.grpc_netloc) as client:
        client.start_stream(lambda result, error: found.put((result, error)))
        for number, name in enumerate(names):
            client.async_stream_infer(name, [given(over_grpc)], request_id=str(number))
        for number, name in enumerate(names):
            result, error = found.get(timeout=PATIENCE_S)
            if name == "echo":
                assert result.get_response().id == str(number)
            else:
                assert error is not None
        client.stop_stream()


def test_a_client_that_goes_away_takes_its_request_with_it(skins: Skins):
    with over_grpc.InferenceServerClient(skins.grpc_netloc) as client:
        with pytest.raises(InferenceServerException, match="Deadline"):
            client.infer("wait", [given(over_grpc)], request_id="unary", client_timeout=0.2)
        client.start_stream(lambda result, error: None)
        client.async_stream_infer("wait", [given(over_grpc)], request_id="streamed")
        eventually(lambda: any(one.request.id == "streamed" for one in skins.core.waiting))
        client.stop_stream(cancel_requests=True)
    eventually(lambda: {"unary", "streamed"} <= set(skins.core.cancelled))


def eventually(condition: Any) -> None:
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end
        threading.Event().wait(0.01)


def test_a_full_queue_says_when_to_come_back(skins: Skins):
    with over_grpc.grpc.insecure_channel(skins.grpc_netloc) as channel:
        stub = over_grpc.service_pb2_grpc.GRPCInferenceServiceStub(channel)
        request = over_grpc.service_pb2.ModelInferRequest(model_name="full")
        with pytest.raises(over_grpc.grpc.RpcError) as raised:
            stub.ModelInfer(request, timeout=PATIENCE_S)
    trailing = dict(raised.value.trailing_metadata())
    assert (trailing["grpc-retry-pushback-ms"], trailing["retry-after"]) == ("2500", "3")


def test_our_reading_of_the_interface_is_protoc_s(tmp_path: Path):
    (tmp_path / "inference.proto").write_text(descriptors.text())
    out = tmp_path / "set"
    assert protoc.main(["protoc", f"-I{tmp_path}", f"--descriptor_set_out={out}", "inference.proto"]) == 0
    wanted = descriptor_pb2.FileDescriptorSet.FromString(out.read_bytes()).file[0]
    wanted.ClearField("service")
    assert descriptors.described(descriptors.text()) == wanted


def test_our_messages_have_the_published_numbers():
    theirs = over_grpc.service_pb2.DESCRIPTOR.message_types_by_name
    compared = 0
    for message in descriptors.described(descriptors.text()).message_type:
        if message.name not in theirs:
            assert message.name in ("ModelInput", "ModelOutput", "ModelConfig")
            continue
        known = {field.name: field for field in theirs[message.name].fields}
        for field in message.field:
            assert (field.number, field.type) == (known[field.name].number, known[field.name].type)
            compared += 1
    assert compared > 50
