"""Half-precision and text through real models on a real server: REST in JSON and binary, and gRPC."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import tritonclient.grpc as over_grpc
import tritonclient.http as over_http
from onnx import TensorProto, helper, numpy_helper

from edgewise.nouns import RuntimeConfiguration, RuntimeName, ServedModel, Signature, Tensor
from fakes.serve_process import ServerProcess, exchange, request
from fakes.served import file, golden, written

WORDS = ["on", "öffnen", "", "日本", "a\0b"]
SCALE = np.array([0.5, 2.0, -1.0], np.float16)
HALVES = np.array([[1.0, 2.0, 3.0], [0.1, -32752.0, 6e-8]], np.float16)
DOUBLED = [word * 2 for word in WORDS]
LABELS = [1, 2, -1, -1, -1]


def model_folder(folder: Path, nodes: list[onnx.NodeProto], takes: Tensor, gives: list[Tensor], **more: Any) -> Path:
    """A folder with a model of `nodes`."""
    folder.mkdir(parents=True)
    kinds = {"float16": TensorProto.FLOAT16, "float32": TensorProto.FLOAT, "int64": TensorProto.INT64}
    infos = [
        helper.make_tensor_value_info(one.name, kinds.get(one.dtype, TensorProto.STRING), one.shape)
        for one in (takes, *gives)
    ]
    graph = helper.make_graph(nodes, folder.name, infos[:1], infos[1:], more.pop("weights", []))
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid("ai.onnx.ml", 3)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=9), folder / "model.onnx")
    proof = golden(folder, *more["golden"]) if "golden" in more else None
    return written(
        folder,
        ServedModel(
            name=folder.name,
            version="1",
            design="as given",
            configuration=RuntimeConfiguration(
                runtime=RuntimeName.ONNXRUNTIME, version=more.get("version", ""), threads=1
            ),
            files=(file(folder / "model.onnx", folder),),
            signature=Signature(inputs=(takes,), outputs=tuple(gives)),
            golden=proof,
        ),
    )


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """Two models: y = x * SCALE in half precision, also cast to single; and words doubled and looked up."""
    root = tmp_path_factory.mktemp("models")
    half = model_folder(
        root / "half",
        [
            helper.make_node("Mul", ["x", "scale"], ["y"]),
            helper.make_node("Cast", ["y"], ["wide"], to=TensorProto.FLOAT),
        ],
        Tensor(name="x", dtype="float16", shape=("batch", 3)),
        [
            Tensor(name="y", dtype="float16", shape=("batch", 3)),
            Tensor(name="wide", dtype="float32", shape=("batch", 3)),
        ],
        weights=[numpy_helper.from_array(SCALE, "scale")],
        golden=([HALVES], [HALVES * SCALE, (HALVES * SCALE).astype(np.float32)]),
    )
    text = model_folder(
        root / "text",
        [
            helper.make_node("StringConcat", ["word", "word"], ["twice"]),
            helper.make_node(
                "LabelEncoder", ["word"], ["label"], domain="ai.onnx.ml",
                keys_strings=["on", "öffnen"], values_int64s=[1, 2], default_int64=-1,
            ),
        ],
        Tensor(name="word", dtype="object", shape=("batch",)),
        [Tensor(name="twice", dtype="object", shape=("batch",)), Tensor(name="label", dtype="int64", shape=("batch",))],
        version="1.0.1",
    )  # fmt: skip
    with ServerProcess(half, text, "--grpc", "127.0.0.1:0") as started:
        assert started.ready["ready"] is True, started.ready
        yield started


def asked(server: ServerProcess, protocol: str, model: str, name: str, kind: str, given: Any) -> Any:
    """The answer of `model`, through Triton's own client."""
    library = over_grpc if protocol == "grpc" else over_http
    tensor = library.InferInput(name, list(given.shape), kind)
    if protocol == "json":
        tensor.set_data_from_numpy(given, binary_data=False)
        outputs = [over_http.InferRequestedOutput(one, binary_data=False) for one in OUTPUTS[model]]
    else:
        tensor.set_data_from_numpy(given)
        outputs = [library.InferRequestedOutput(one) for one in OUTPUTS[model]]
    where = server.ready["grpc"][0] if protocol == "grpc" else server.netloc
    with library.InferenceServerClient(where) as client:
        return client.infer(model, [tensor], outputs=outputs)


OUTPUTS = {"half": ["y", "wide"], "text": ["twice", "label"]}


@pytest.mark.parametrize("protocol", ["binary", "grpc"])
def test_halves_come_out_as_numpy_computes_them(server: ServerProcess, protocol: str) -> None:
    found = asked(server, protocol, "half", "x", "FP16", HALVES)
    np.testing.assert_array_equal(found.as_numpy("y"), HALVES * SCALE)
    np.testing.assert_array_equal(found.as_numpy("wide"), (HALVES * SCALE).astype(np.float32))


def test_halves_are_numbers_in_json(server: ServerProcess) -> None:
    """Triton's client has no JSON for them; the server has."""
    body = {"inputs": [{"name": "x", "datatype": "FP16", "shape": [2, 3], "data": HALVES.tolist()}]}
    status, answer = posted(server, "half", body)
    assert status == 200
    y, wide = answer["outputs"]
    assert (y["datatype"], wide["datatype"]) == ("FP16", "FP32")
    np.testing.assert_array_equal(np.array(y["data"], np.float16), (HALVES * SCALE).ravel())
    body["inputs"][0]["data"][0] = [70000.0, 0.0, 0.0]
    status, answer = posted(server, "half", body)
    assert status == 400


@pytest.mark.parametrize("protocol", ["binary", "json", "grpc"])
def test_words_come_out_as_words(server: ServerProcess, protocol: str) -> None:
    """As UTF-8: accents, other scripts, nothing at all, and a zero in the midst."""
    found = asked(server, protocol, "text", "word", "BYTES", np.array([word.encode() for word in WORDS], np.object_))
    twice = [one if isinstance(one, str) else one.decode() for one in found.as_numpy("twice")]
    assert twice == DOUBLED
    assert found.as_numpy("label").tolist() == LABELS


@pytest.mark.parametrize("protocol", ["binary", "grpc"])
def test_bytes_that_are_no_text_are_the_client_s_fault(server: ServerProcess, protocol: str) -> None:
    with pytest.raises(Exception, match=r"element 1 of the text input word is not UTF-8"):
        asked(server, protocol, "text", "word", "BYTES", np.array([b"on", b"\xff\xfe"], np.object_))
    assert asked(server, protocol, "text", "word", "BYTES", np.array([b"on"], np.object_)).as_numpy("label") == [1]


def test_the_metadata_names_their_datatypes(server: ServerProcess) -> None:
    with over_http.InferenceServerClient(server.netloc) as client:
        half, text = (client.get_model_metadata(name) for name in ("half", "text"))
    assert [one["datatype"] for one in half["inputs"] + half["outputs"]] == ["FP16", "FP16", "FP32"]
    assert [one["datatype"] for one in text["inputs"] + text["outputs"]] == ["BYTES", "BYTES", "INT64"]


def test_a_runtime_of_another_version_than_the_measured_one_is_said_in_the_log_and_in_the_index(
    server: ServerProcess,
) -> None:
    said = f"it runs by onnxruntime {onnxruntime.__version__}, measured was onnxruntime 1.0.1"
    assert [line for line in server.errors if "measured was" in line] == [f"edgewise: text 1: {said}\n"]
    with over_http.InferenceServerClient(server.netloc) as client:
        rest = {one["name"]: (one["state"], one["reason"]) for one in client.get_model_repository_index()}
    with over_grpc.InferenceServerClient(server.ready["grpc"][0]) as client:
        grpc = {one.name: (one.state, one.reason) for one in client.get_model_repository_index().models}
    assert rest == grpc == {"half": ("READY", ""), "text": ("READY", said)}


def posted(server: ServerProcess, model: str, body: dict[str, Any]) -> tuple[int, Any]:
    with server.connect() as connection:
        status, _, answer = exchange(
            connection, request("POST", f"/v2/models/{model}/infer", json.dumps(body).encode())
        )
    return status, json.loads(answer)
