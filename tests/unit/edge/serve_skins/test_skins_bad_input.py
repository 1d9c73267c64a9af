"""What a hostile or broken client sends: the protocol's error, bounded time and memory, and the next one is served."""

import contextlib
import gc
import socket
import threading
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgewise.edge.serve.grpc import descriptors
from edgewise.edge.serve.guard.limits import Limits
from fakes.serve_core import PATIENCE_S, Skins
from fakes.serve_process import exchange, open_connection, read_answer, request

LIMITS = Limits(
    body_bytes=1 << 20,
    json_bytes=256 << 10,
    elements=20_000,
    under_way_bytes=3 << 20,
    head_bytes=4096,
    headers=16,
    tensors=8,
    rank=4,
    connections=40,
    head_s=1.0,
    progress_s=1.0,
    idle_s=3.0,
)
INFER = "/v2/models/echo/infer"
GOOD = {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 2], "data": [1.0, 2.0]}]}
BINARY = {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 2], "parameters": {"binary_data_size": 8}}]}


@pytest.fixture(scope="module")
def skins() -> Iterator[Skins]:
    with Skins(limits=LIMITS, grpc=True) as started:
        yield started


@pytest.fixture(autouse=True)
def _serves_on(skins: Skins) -> Iterator[None]:
    """After everything, the next request is served."""
    yield
    assert ask(skins, GOOD)[0] == 200


def ask(skins: Skins, document: Any, target: str = INFER) -> tuple[int, str]:
    body = document if isinstance(document, bytes) else orjson.dumps(document)
    return send(skins, request("POST", target, body))


def send(skins: Skins, content: bytes) -> tuple[int, str]:
    """Status and error (or the id) of the first answer."""
    with open_connection(skins.address) as connection:
        status, _, body = exchange(connection, content)
    return status, orjson.loads(body).get("error", "") if body else ""


def binary(document: Any, content: bytes) -> bytes:
    json = orjson.dumps(document)
    return request("POST", INFER, json + content, Inference_Header_Content_Length=str(len(json)))


def changed(**changes: Any) -> dict[str, Any]:
    one = {**GOOD["inputs"][0], **changes}
    return {"inputs": [{name: value for name, value in one.items() if value is not ...}]}


REFUSED = {
    "no JSON": b"{",
    "an array": b"[]",
    "inputs that are no array": {"inputs": {}},
    "an input that is a number": {"inputs": [1]},
    "no name": changed(name=...),
    "an empty name": changed(name=""),
    "no datatype": changed(datatype=...),
    "an unknown datatype": changed(datatype="FP31"),
    "a datatype that is a list": changed(datatype=["FP32"]),
    "no shape": changed(shape=...),
    "a shape with text": changed(shape=["1", 2]),
    "a shape with truth": changed(shape=[True, 2]),
    "a negative shape": changed(shape=[-1, 2]),
    "a fractional shape": changed(shape=[1.0, 2]),
    "no data": changed(data=...),
    "null as data": changed(data=None),
    "text as data": changed(data="1,2"),
    "too few elements": changed(data=[1.0]),
    "too many elements": changed(data=[1.0, 2.0, 3.0]),
    "text as an element": changed(data=["1", 2.0]),
    "null as an element": changed(data=[None, 2.0]),
    "an object as an element": changed(data=[{}, 2.0]),
    "ragged nesting": changed(data=[[1.0], [2.0]]),
    "mixed nesting": changed(data=[[1.0, 2.0], 3.0]),
    "nesting too deep": changed(data=[[[1.0, 2.0]]]),
    "nesting without end": b'{"inputs":[{"name":"x","datatype":"FP32","shape":[1],"data":' + b"[" * 5000,
    "NaN as JSON has it not": b'{"inputs":[{"name":"x","datatype":"FP32","shape":[1],"data":[NaN]}]}',
    "a float beyond its datatype": changed(data=[1e300, 0.0]),
    "a fraction in integers": changed(datatype="INT32", data=[1.5, 2]),
    "an integer beyond its datatype": changed(datatype="INT8", data=[128, 2]),
    "a negative unsigned": changed(datatype="UINT64", data=[-1, 2]),
    "numbers as BOOL": changed(datatype="BOOL", data=[1, 0]),
    "numbers as BYTES": changed(datatype="BYTES", data=[1, 0]),
    "two inputs of one name": {"inputs": GOOD["inputs"] * 2},
    "two outputs of one name": {**GOOD, "outputs": [{"name": "x"}, {"name": "x"}]},
    "an output without a name": {**GOOD, "outputs": [{}]},
    "parameters that are a list": {**GOOD, "parameters": []},
    "a parameter that is an object": {**GOOD, "parameters": {"a": {}}},
    "a priority that is a word": {**GOOD, "parameters": {"priority": "high"}},
    "a negative timeout": {**GOOD, "parameters": {"timeout": -1}},
    "an id that is a number": {**GOOD, "id": 7},
    "binary data that did not come": BINARY,
    "data in both forms": changed(parameters={"binary_data_size": 8}),
    "a binary size that is no number": changed(data=..., parameters={"binary_data_size": "many"}),
    "shared memory": changed(parameters={"shared_memory_region": "region"}),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_request_that_contradicts_itself_is_refused_in_a_sentence(skins: Skins, name: str):
    status, error = ask(skins, REFUSED[name])
    assert status == 400
    assert error


def test_nan_and_infinity_are_values_like_others(skins: Skins):
    values = np.array([np.nan, np.inf], dtype=np.float32)
    with open_connection(skins.address) as connection:
        status, _, body = exchange(connection, binary(BINARY, values.tobytes()))
    assert status == 200
    assert orjson.loads(body)["outputs"][0]["data"] == [None, None]


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (binary(BINARY, b"\0" * 7), 400),
        (binary(BINARY, b"\0" * 9), 400),
        (binary({"inputs": [{**BINARY["inputs"][0], "shape": [1, 3]}]}, b"\0" * 8), 400),
        (binary({"inputs": [{**BINARY["inputs"][0], "datatype": "BOOL", "shape": [8]}]}, b"\2" * 8), 400),
        (
            binary({"inputs": [{**BINARY["inputs"][0], "datatype": "BYTES", "shape": [1]}]}, b"\xff\xff\xff\x7fabcd"),
            400,
        ),
        (binary({"inputs": [{**BINARY["inputs"][0], "datatype": "BYTES", "shape": [9]}]}, b"\0" * 8), 400),
        (binary({"inputs": [{**BINARY["inputs"][0], "datatype": "BYTES", "shape": [1]}]}, b"\0" * 8), 400),
        (binary({"inputs": [{**BINARY["inputs"][0], "shape": [1 << 40, 1 << 40]}]}, b"\0" * 8), 413),
        (binary({"inputs": [{**BINARY["inputs"][0], "shape": [1, 1, 1, 1, 2]}]}, b"\0" * 8), 413),
        (request("POST", INFER, b"{}", Inference_Header_Content_Length="3"), 400),
        (request("POST", INFER, b"{}", Inference_Header_Content_Length="-1"), 400),
        (request("POST", INFER, b"{}", Inference_Header_Content_Length="9" * 30), 400),
        (request("POST", INFER, b"\0" * 7, Inference_Header_Content_Length="0"), 400),
        (request("POST", INFER, orjson.dumps({"inputs": [{}] * 60_000})), 400),
        (request("POST", INFER, orjson.dumps({"inputs": [BINARY["inputs"][0]] * 9})), 413),
        (request("POST", INFER, b" " * (300 << 10)), 413),
        (request("POST", INFER, b"[" + b"1," * 30_000 + b"1]"), 400),
        (request("POST", INFER, b"x", Content_Encoding="br"), 415),
        (request("POST", INFER, b"x", Content_Encoding="gzip"), 400),
        (request("POST", INFER, zlib.compress(b"{}")[:-3], Content_Encoding="deflate"), 400),
        (request("POST", INFER, zlib.compress(b"\0" * (16 << 20)), Content_Encoding="deflate"), 413),
        (request("POST", "/v2/models/nothing/infer", orjson.dumps(GOOD)), 404),
        (request("POST", "/v2/models/echo/versions/9/infer", orjson.dumps(GOOD)), 404),
        (request("POST", "/v2/models/%ff/infer", orjson.dumps(GOOD)), 400),
        (request("POST", "/v3", b""), 404),
        (request("GET", INFER), 405),
        (request("DELETE", "/v2"), 405),
        (request("GET", "/v2", X=str("y" * 5000)), 431),
        (request("GET", "/v2", **{f"X{number}": "y" for number in range(20)}), 431),
        (request("GET", "/v2/" + "a" * 5000), 431),
        (request("POST", INFER, b"", Expect="a miracle"), 417),
    ],
)
def test_what_is_beyond_a_limit_or_broken_has_its_status(skins: Skins, content: bytes, status: int):
    assert send(skins, content)[0] == status


HEAD = b"POST /v2/models/echo/infer HTTP/1.1\r\nHost: here\r\n"
SMUGGLING = {
    "CL and TE": HEAD + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "TE and CL": HEAD + b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
    "CL twice": HEAD + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
    "CL twice, unequal": HEAD + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
    "a list in CL": HEAD + b"Content-Length: 2, 2\r\n\r\n{}",
    "a sign in CL": HEAD + b"Content-Length: +2\r\n\r\n{}",
    "CL in hexadecimal": HEAD + b"Content-Length: 0x2\r\n\r\n{}",
    "CL beyond 64 bits": HEAD + b"Content-Length: 99999999999999999999999\r\n\r\n{}",
    "a space before the colon": HEAD + b"Content-Length : 2\r\n\r\n{}",
    "TE of another kind": HEAD + b"Transfer-Encoding: gzip\r\n\r\n{}",
    "TE of two kinds": HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "TE twice": HEAD + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "TE that only ends in chunked": HEAD + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "a folded header": HEAD + b"X: y\r\n Content-Length: 2\r\n\r\n{}",
    "a folded TE": HEAD + b"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
    "bare LF": HEAD.replace(b"\r\n", b"\n") + b"Content-Length: 2\n\n{}",
    "one bare LF": HEAD + b"X: y\nContent-Length: 2\r\n\r\n{}",
    "a bare CR": HEAD + b"X: y\rContent-Length: 2\r\n\r\n{}",
    "NUL in a header": HEAD + b"X: a\0b\r\n\r\n",
    "a chunk that is no number": HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n\r\n",
    "a negative chunk": HEAD + b"Transfer-Encoding: chunked\r\n\r\n-1\r\na\r\n0\r\n\r\n",
    "a chunk beyond 64 bits": HEAD + b"Transfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFF\r\na\r\n0\r\n\r\n",
    "a chunk with bare LF": HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\n{}\r\n0\r\n\r\n",
    "a chunk that is too long": HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\r\n{}\r\n0\r\n\r\n",
    "chunks in HTTP/1.0": HEAD.replace(b"1.1", b"1.0") + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "HTTP/2.0": b"GET /v2 HTTP/2.0\r\nHost: here\r\n\r\n",
    "HTTP/2 itself": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "HTTP/0.9": b"GET /v2\r\n\r\n",
    "no host": b"GET /v2 HTTP/1.1\r\n\r\n",
    "two hosts": b"GET /v2 HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    "a tunnel": b"CONNECT here:80 HTTP/1.1\r\nHost: here\r\n\r\n",
    "no HTTP": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 3 + b"\r\n\r\n",
}


@pytest.mark.parametrize("name", SMUGGLING)
def test_forms_that_smuggle_requests_are_refused_and_the_connection_ends(skins: Skins, name: str):
    with open_connection(skins.address) as connection:
        status, headers, _ = exchange(connection, SMUGGLING[name] + b"GET /v2 HTTP/1.1\r\nHost: here\r\n\r\n")
        assert status in (400, 405, 501, 505)
        assert headers["connection"] == "close"
        assert not rest(connection)


def rest(connection: socket.socket) -> bytes:
    """What still comes until the end."""
    found = b""
    try:
        while piece := connection.recv(65536):
            found += piece
    except ConnectionResetError:
        pass
    return found


@pytest.mark.parametrize("declared", ["2147483648", str((1 << 20) + 1)])
def test_a_large_body_that_is_only_declared_is_refused_at_once(skins: Skins, declared: str):
    started = time.monotonic()
    status, error = send(skins, HEAD + f"Content-Length: {declared}\r\n\r\n".encode() + b"x" * 1024)
    assert (status, str(LIMITS.body_bytes) in error) == (413, True)
    assert time.monotonic() - started < PATIENCE_S


def test_bodies_together_have_a_limit(skins: Skins):
    head = HEAD + f"Content-Length: {1 << 20}\r\n\r\n".encode()
    held = [open_connection(skins.address) for _ in range(3)]
    try:
        for connection in held:
            connection.sendall(head + b"x")
        for _ in range(3000):
            if skins.on_loop(lambda: skins.site._under_way_bytes) == 3 << 20:
                break
            threading.Event().wait(0.01)
        status, error = send(skins, head)
        assert (status, "no room" in error) == (429, True)
    finally:
        for connection in held:
            connection.close()
    for _ in range(3000):
        if skins.on_loop(lambda: skins.site._under_way_bytes) == 0:
            return
        threading.Event().wait(0.01)
    pytest.fail("what the bodies took was not given back")


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"", None),
        (b"GET /v2 HT", 408),
        (HEAD + b"Content-Length: 100000\r\n\r\nabc", 408),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nabc", 408),
    ],
    ids=["nothing", "half a head", "half a body", "half a chunk"],
)
def test_a_client_that_stops_sending_is_told_and_let_go(skins: Skins, sent: bytes, status: int | None):
    with open_connection(skins.address) as connection:
        connection.sendall(sent)
        if status is None:
            assert not rest(connection)
        else:
            assert read_answer(connection)[0] == status
            assert not rest(connection)


def test_a_client_that_does_not_read_its_answers_is_let_go(skins: Skins):
    size = 200_000
    document = {
        "inputs": [{"name": "x", "datatype": "UINT8", "shape": [size], "parameters": {"binary_data_size": size}}]
    }
    content = binary({**document, "parameters": {"binary_data_output": True}}, b"\0" * size)
    with open_connection(skins.address) as connection:
        connection.settimeout(0.2)
        with contextlib.suppress(OSError):  # until nothing more goes in, or the server has had enough
            for _ in range(1000):
                connection.sendall(content)
        connection.settimeout(PATIENCE_S)
        for _ in range(3000):
            if not skins.on_loop(lambda: len(skins.site.connections)):
                return
            threading.Event().wait(0.01)
    pytest.fail("it is still there")


def test_connections_have_a_limit(skins: Skins):
    held = [open_connection(skins.address) for _ in range(LIMITS.connections)]
    try:
        for _ in range(3000):
            if skins.on_loop(lambda: len(skins.site.connections)) == LIMITS.connections:
                break
            threading.Event().wait(0.01)
        with open_connection(skins.address) as one_more:
            status, headers, _ = read_answer(one_more)
        assert (status, headers["retry-after"]) == (503, "1")
    finally:
        for connection in held:
            connection.close()
    for _ in range(3000):
        if not skins.on_loop(lambda: len(skins.site.connections)):
            return
        threading.Event().wait(0.01)
    pytest.fail("connections are still there")


def test_a_client_that_goes_away_takes_its_request_with_it(skins: Skins):
    with open_connection(skins.address) as connection:
        connection.sendall(request("POST", "/v2/models/wait/infer", orjson.dumps({**GOOD, "id": "gone"})))
        while not any(one.request.id == "gone" for one in skins.core.waiting):
            threading.Event().wait(0.01)
    for _ in range(3000):
        if "gone" in skins.core.cancelled:
            return
        threading.Event().wait(0.01)
    pytest.fail("nobody told the core")


def test_pipelined_requests_are_answered_in_their_order(skins: Skins):
    contents = [request("POST", INFER, orjson.dumps({**GOOD, "id": str(number)})) for number in range(50)]
    with open_connection(skins.address) as connection:
        connection.sendall(b"".join(contents) + request("GET", "/v2", Connection="close"))
        found = rest(connection)
    assert [int(one.split(b'"')[0]) for one in found.split(b'"id":"')[1:]] == list(range(50))
    assert found.count(b"HTTP/1.1 200 OK") == 51


@pytest.mark.parametrize("piece", [1, 7, 100])
def test_a_request_in_pieces_is_the_same_request(skins: Skins, piece: int):
    content = request("POST", INFER, orjson.dumps(GOOD))
    with open_connection(skins.address) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for at in range(0, len(content), piece):
            connection.sendall(content[at : at + piece])
        assert read_answer(connection)[0] == 200


def test_http_1_0_gets_its_answer_and_the_end(skins: Skins):
    with open_connection(skins.address) as connection:
        connection.sendall(b"GET /v2 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        found = rest(connection)
    assert found.startswith(b"HTTP/1.1 200 OK")
    assert b"Connection: close" in found


def test_chunked_bodies_and_leave_to_send(skins: Skins):
    body = orjson.dumps(GOOD)
    chunked = b"".join(b"%x\r\n%b\r\n" % (len(body[at : at + 9]), body[at : at + 9]) for at in range(0, len(body), 9))
    assert send(skins, HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + chunked + b"0\r\n\r\n")[0] == 200
    with open_connection(skins.address) as connection:
        connection.sendall(HEAD + b"Content-Length: %d\r\nExpect: 100-continue\r\n\r\n" % len(body))
        assert connection.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        assert exchange(connection, body)[0] == 200


def test_a_chunked_body_beyond_the_limit_is_refused(skins: Skins):
    chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
    assert send(skins, HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + chunk * 17)[0] == 413


def test_an_offer_of_http_2_is_passed_over(skins: Skins):
    body = orjson.dumps(GOOD)
    offer = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"
    one = HEAD + offer + b"Content-Length: %d\r\n\r\n" % len(body) + body
    with open_connection(skins.address) as connection:
        assert exchange(connection, one)[0] == 200
        assert exchange(connection, one + one[:-9])[0] == 200
        assert exchange(connection, one[-9:])[0] == 200
    assert send(skins, HEAD + offer + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n")[0] == 501


# --- anything at all --------------------------------------------------------------------------

BOUNDED = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True
)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-10, 300)
    | st.floats(allow_nan=False)
    | st.sampled_from(["x", "FP32", "", "1"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["inputs", "outputs", "name", "datatype", "shape", "data", "parameters", "binary_data_size", "id"]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=25,
)


@BOUNDED
@given(document=JSON)
def test_any_json_gets_an_answer(skins: Skins, document: Any):
    assert ask(skins, document)[0] in (200, 400, 413)


@BOUNDED
@given(data=st.data())
def test_any_change_of_a_good_request_gets_an_answer_or_an_end(skins: Skins, data: st.DataObject):
    content = bytearray(binary(BINARY, b"\0" * 8))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    with open_connection(skins.address) as connection:
        connection.sendall(content)
        connection.shutdown(socket.SHUT_WR)
        found = rest(connection)
    assert not found or found.startswith(b"HTTP/1.1 ")
    assert b" 500 " not in found.partition(b"\r\n")[0]


@pytest.fixture(scope="module")
def channel(skins: Skins) -> Iterator[Any]:
    with grpc.insecure_channel(skins.grpc_netloc) as opened:
        yield opened


def call(channel: Any, content: bytes) -> grpc.StatusCode:
    method = channel.unary_unary(f"/{descriptors.SERVICE}/ModelInfer")
    try:
        method(content, timeout=PATIENCE_S)
    except grpc.RpcError as error:
        return error.code()
    return grpc.StatusCode.OK


def message(**changes: Any) -> Any:
    made = descriptors.of("ModelInferRequest")(model_name="echo")
    made.inputs.add(name="x", datatype="FP32", shape=[1, 2])
    made.raw_input_contents.append(b"\0" * 8)
    return made


@BOUNDED
@given(content=st.binary(max_size=200))
def test_any_bytes_over_grpc_get_an_answer(channel: Any, content: bytes):
    assert call(channel, content) in (
        grpc.StatusCode.OK,
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.NOT_FOUND,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
    )


@BOUNDED
@given(data=st.data())
def test_any_change_of_a_good_message_gets_an_answer(channel: Any, data: st.DataObject):
    content = bytearray(message().SerializeToString())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    assert call(channel, bytes(content)) not in (grpc.StatusCode.UNKNOWN, grpc.StatusCode.INTERNAL)


def without_raw(made: Any) -> Any:
    del made.raw_input_contents[:]
    return made


def typed(datatype: str, field: str, values: list[Any]) -> bytes:
    made = without_raw(message())
    made.inputs[0].datatype = datatype
    getattr(made.inputs[0].contents, field).extend(values)
    return bytes(made.SerializeToString())


@pytest.mark.parametrize(
    "content",
    [
        message().SerializeToString() + b"\x3a\x08" + b"\0" * 8,
        message().SerializeToString()[:-1],
        without_raw(message()).SerializeToString(),
        typed("FP32", "fp64_contents", [1.0, 2.0]),
        typed("INT8", "int_contents", [128, 0]),
        typed("UINT16", "uint_contents", [65536, 0]),
        typed("FP16", "fp32_contents", [1.0, 2.0]),
        typed("FP32", "fp32_contents", [1.0]),
        b"\x2a\x00" * 100_000,
        b"\x3a\x00" * 100_000,
        b"\x0a" + b"\xff" * 20,
        b"\x0a\xff\xff\xff\xff\x0f",
        b"\x2a\x80\x80\x10" + b"\x22\x00" * (1 << 17),
    ],
)
def test_broken_messages_are_refused_over_grpc(channel: Any, content: bytes):
    assert call(channel, content) in (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.RESOURCE_EXHAUSTED)


def test_a_message_beyond_the_limit_is_refused_over_grpc(channel: Any):
    made = message()
    made.raw_input_contents[0] = b"\0" * (2 << 20)
    assert call(channel, made.SerializeToString()) == grpc.StatusCode.RESOURCE_EXHAUSTED


def test_refused_messages_leave_nothing_behind(channel: Any):
    """A refusal that kept its frames alive would keep the message too, until the collector comes by."""
    content = typed("BYTES", "bytes_contents", [b"x"] * 50_000)
    gc.collect()
    gc.disable()
    try:
        before = resident_bytes()
        for _ in range(60):
            assert call(channel, content) == grpc.StatusCode.INVALID_ARGUMENT
        assert resident_bytes() - before < 60 * 800_000 / 3
    finally:
        gc.enable()


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096
