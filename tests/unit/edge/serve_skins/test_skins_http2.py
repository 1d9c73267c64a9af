"""HTTP/2 beneath gRPC: another library as the client, windows, heads in pieces, and what breaks the protocol."""

import gzip
import socket
from collections.abc import Iterator
from typing import Any

import h2.config
import h2.connection
import h2.events
import h2.settings
import numpy as np
import pytest
import tritonclient.grpc as over_grpc
from hypothesis import given as for_all
from hypothesis import settings
from hypothesis import strategies as st

from edgewise.edge.serve.grpc import frames
from edgewise.edge.serve.guard.limits import Limits
from fakes.serve_core import Skins

LIMITS = Limits(body_bytes=1 << 20, streams=16, head_bytes=4096)
HEAD = [
    (":method", "POST"), (":scheme", "http"), (":path", "/inference.GRPCInferenceService/ModelInfer"),
    (":authority", "here"), ("te", "trailers"), ("content-type", "application/grpc"),
]  # fmt: skip
LIVE = [(name, value.replace("ModelInfer", "ServerLive")) for name, value in HEAD]
PATIENCE_S = 20.0


@pytest.fixture(scope="module")
def skins() -> Iterator[Skins]:
    with Skins(limits=LIMITS, grpc=True) as started:
        yield started


class Client:
    """A connection of the library h2, which holds us to the protocol."""

    def __init__(self, skins: Skins, window_bytes: int | None = None) -> None:
        host, port = skins.grpc_netloc.split(":")
        self.socket = socket.create_connection((host, int(port)), timeout=PATIENCE_S)
        self.http = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
        self.http.initiate_connection()
        if window_bytes is not None:
            self.http.update_settings({h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: window_bytes})
        self.flush()

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def flush(self) -> None:
        self.socket.sendall(self.http.data_to_send())

    def ask(self, body: bytes, head: Any = HEAD, **more: Any) -> int:
        """Begin a call with `body`, as far as windows let."""
        number = self.http.get_next_available_stream_id()
        self.http.send_headers(number, head, **more)
        sent = 0
        while sent < len(body) or not body:
            size = min(len(body) - sent, self.http.local_flow_control_window(number), 16384)
            self.http.send_data(number, body[sent : sent + size], end_stream=sent + size == len(body))
            sent += size
            self.flush()
            if not body:
                break
            if sent < len(body) and not self.http.local_flow_control_window(number):
                self.heard()
        return number

    def heard(self) -> list[Any]:
        """What comes next; nothing once the connection is over."""
        content = self.socket.recv(1 << 16)
        return self.http.receive_data(content) if content else []

    def answer(self, number: int, *, give: int = 0) -> tuple[bytes, dict[str, str]]:
        """Data and trailers of a call; `give` bytes of window at each step, else as much as comes."""
        data, ends = b"", {}
        while True:
            events = self.heard()
            ended = any(isinstance(event, h2.events.StreamEnded) for event in events)
            for event in events:
                if isinstance(event, h2.events.DataReceived):
                    data += event.data
                    if not give:
                        self.http.acknowledge_received_data(event.flow_controlled_length, number)
                    elif not ended:
                        self.http.increment_flow_control_window(give, number)
                elif isinstance(event, h2.events.TrailersReceived | h2.events.ResponseReceived):
                    ends |= dict(event.headers)
                elif isinstance(event, h2.events.StreamEnded):
                    return data, ends
                self.flush()


def message(values: int = 2, model: str = "echo") -> bytes:
    request = over_grpc.service_pb2.ModelInferRequest(model_name=model)
    request.inputs.add(name="x", datatype="FP32", shape=[values // 2, 2])
    request.raw_input_contents.append(np.arange(values, dtype=np.float32).tobytes())
    return bytes(request.SerializeToString())


def prefixed(content: bytes, *, compressed: bool = False) -> bytes:
    return bytes((compressed,)) + len(content).to_bytes(4, "big") + content


def values(data: bytes) -> Any:
    read = over_grpc.service_pb2.ModelInferResponse.FromString(data[5:])
    return np.frombuffer(read.raw_output_contents[0], np.float32)


@pytest.mark.parametrize("count", [2, 20_000, 200_000])
def test_another_library_is_answered(skins: Skins, count: int):
    with Client(skins) as client:
        for _ in range(3):
            data, ends = client.answer(client.ask(prefixed(message(count))))
            assert ends["grpc-status"] == "0"
            assert np.array_equal(values(data), np.arange(count, dtype=np.float32))


def test_no_more_is_sent_than_the_client_lets(skins: Skins):
    """h2 raises where its window is overrun."""
    with Client(skins, window_bytes=64) as client:
        data, ends = client.answer(client.ask(prefixed(message(400))), give=64)
        assert (len(values(data)), ends["grpc-status"]) == (400, "0")


def test_calls_side_by_side_on_one_connection(skins: Skins):
    with Client(skins) as client:
        waits = client.ask(prefixed(message(model="wait")))
        data, _ = client.answer(client.ask(prefixed(message())))
        assert len(values(data)) == 2
        client.http.reset_stream(waits)
        client.flush()
        data, _ = client.answer(client.ask(prefixed(message())))
        assert len(values(data)) == 2


def test_a_head_in_pieces_with_padding_and_priority(skins: Skins):
    block = frames.literal(HEAD)
    content = prefixed(message())
    with raw(skins) as plain:
        first = b"\x03" + bytes(5) + block[:20] + bytes(3)
        flags = frames.PADDED | frames.PRIORITISED
        plain.sendall(
            frames.frame(frames.HEADERS, flags, 1, first)
            + frames.frame(frames.CONTINUATION, 0, 1, block[20:30])
            + frames.frame(frames.CONTINUATION, frames.END_HEADERS, 1, block[30:])
            + frames.frame(frames.DATA, frames.PADDED, 1, b"\x02" + content[:3] + bytes(2))
            + frames.frame(frames.DATA, frames.END_STREAM, 1, content[3:])
        )
        assert b"grpc-status\x010" in until(plain, b"grpc-status\x01")


def test_compressed_messages_are_inflated_and_no_further_than_the_limit(skins: Skins):
    head = [*HEAD, ("grpc-encoding", "gzip")]
    with Client(skins) as client:
        data, _ = client.answer(client.ask(prefixed(gzip.compress(message(100)), compressed=True), head))
        assert len(values(data)) == 100
        bomb = gzip.compress(bytes(LIMITS.body_bytes + 1))
        assert client.answer(client.ask(prefixed(bomb, compressed=True), head))[1]["grpc-status"] == "8"
        assert client.answer(client.ask(prefixed(b"no gzip", compressed=True), head))[1]["grpc-status"] == "3"


@pytest.mark.parametrize(
    ("head", "body", "status"),
    [
        ([(n, v.replace("ModelInfer", "Nothing")) for n, v in HEAD], prefixed(b""), "12"),
        ([(n, v.replace("/grpc", "/json")) for n, v in HEAD], prefixed(b""), "12"),
        ([*HEAD, ("grpc-encoding", "snappy")], prefixed(b""), "12"),
        (HEAD, prefixed(message())[:-1], "3"),
        (HEAD, prefixed(message()) + prefixed(message()), "3"),
        (HEAD, b"\x00\xff\xff\xff\xff" + bytes(1000), "8"),
        (LIVE, prefixed(b""), "0"),
    ],
    ids=["no such call", "no gRPC", "no such coding", "cut off", "two messages", "4 GB declared", "live"],
)
def test_what_is_wrong_with_a_call_ends_the_call_alone(skins: Skins, head: Any, body: bytes, status: str):
    with Client(skins) as client:
        number = client.http.get_next_available_stream_id()
        client.http.send_headers(number, head)
        for at in range(0, len(body), 16384):
            client.http.send_data(number, body[at : at + 16384])
        client.http.end_stream(number)
        client.flush()
        assert client.answer(number)[1]["grpc-status"] == status
        assert client.answer(client.ask(prefixed(message())))[1]["grpc-status"] == "0"


def raw(skins: Skins, greeting: bytes = frames.PREFACE + frames.settings(())) -> socket.socket:
    host, port = skins.grpc_netloc.split(":")
    opened = socket.create_connection((host, int(port)), timeout=PATIENCE_S)
    opened.sendall(greeting)
    return opened


def until(plain: socket.socket, wanted: bytes | None = None) -> bytes:
    """What comes until `wanted`, or the end."""
    found = b""
    while wanted is None or wanted not in found:
        try:
            more = plain.recv(1 << 16)
        except ConnectionResetError:
            break
        if not more:
            break
        found += more
    return found


def goaway(content: bytes) -> int:
    """The error of the last frame, which must be GOAWAY."""
    at, last = 0, (0, b"")
    while at < len(content):
        size, kind, _, _ = frames.parsed(content, at)
        last = kind, content[at + 9 : at + 9 + size]
        at += 9 + size
    assert last[0] == frames.GOAWAY
    return int.from_bytes(last[1][4:8], "big")


def begin(number: int = 1, flags: int = frames.END_HEADERS) -> bytes:
    return frames.frame(frames.HEADERS, flags, number, frames.literal(HEAD))


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (frames.frame(frames.DATA, 0, 0, b"x"), frames.PROTOCOL_ERROR),
        (frames.frame(frames.DATA, 0, 5, b"x"), frames.PROTOCOL_ERROR),
        (frames.frame(frames.HEADERS, frames.END_HEADERS, 2, frames.literal(HEAD)), frames.PROTOCOL_ERROR),
        (frames.frame(frames.CONTINUATION, frames.END_HEADERS, 1, b""), frames.PROTOCOL_ERROR),
        (begin(flags=0) + frames.frame(frames.PING, 0, 0, bytes(8)), frames.PROTOCOL_ERROR),
        (
            frames.frame(frames.HEADERS, frames.END_HEADERS, 1, b"\xff\xff\xff\xff\xff\xff\xff"),
            frames.COMPRESSION_ERROR,
        ),
        (frames.frame(frames.HEADERS, frames.END_HEADERS | frames.PADDED, 1, b"\xff"), frames.PROTOCOL_ERROR),
        (frames.frame(frames.WINDOW_UPDATE, 0, 0, bytes(4)), frames.FLOW_CONTROL_ERROR),
        (2 * frames.frame(frames.WINDOW_UPDATE, 0, 0, b"\x7f\xff\xff\xff"), frames.FLOW_CONTROL_ERROR),
        (frames.settings([(frames.INITIAL_WINDOW_SIZE, 1 << 31)]), frames.FLOW_CONTROL_ERROR),
        (frames.frame(frames.SETTINGS, 0, 0, b"x"), frames.FRAME_SIZE_ERROR),
        (frames.frame(frames.PING, 0, 0, b"x"), frames.FRAME_SIZE_ERROR),
        (frames.frame(frames.PUSH_PROMISE, 0, 1), frames.PROTOCOL_ERROR),
        (frames.frame(frames.RST_STREAM, 0, 7, bytes(4)), frames.PROTOCOL_ERROR),
        (b"\xff\xff\xff\x00\x00\x00\x00\x00\x01", frames.FRAME_SIZE_ERROR),
        (
            frames.frame(frames.HEADERS, frames.END_HEADERS, 1, frames.literal([*HEAD, ("x", "y" * 5000)])),
            frames.ENHANCE_YOUR_CALM,
        ),
        (begin(flags=0) + 2 * frames.frame(frames.CONTINUATION, 0, 1, bytes(3000)), frames.ENHANCE_YOUR_CALM),
        (
            b"".join(
                begin(n) + frames.frame(frames.RST_STREAM, 0, n, frames.number(frames.CANCEL)) for n in range(1, 401, 2)
            ),
            frames.ENHANCE_YOUR_CALM,
        ),
    ],
)
def test_what_breaks_the_protocol_ends_the_connection_with_the_reason(skins: Skins, content: bytes, code: int):
    with raw(skins) as plain:
        plain.sendall(content)
        assert goaway(until(plain)) == code
    with Client(skins) as client:
        assert client.answer(client.ask(prefixed(message())))[1]["grpc-status"] == "0"


def test_another_protocol_is_sent_away(skins: Skins):
    with raw(skins, b"GET / HTTP/1.1\r\nHost: here\r\n\r\n") as plain:
        assert goaway(until(plain)) == frames.PROTOCOL_ERROR


def test_more_calls_than_the_server_takes_are_refused_one_by_one(skins: Skins):
    with raw(skins) as plain:
        plain.sendall(b"".join(begin(number) for number in range(1, 2 * LIMITS.streams + 4, 2)))
        refused = frames.frame(frames.RST_STREAM, 0, 2 * LIMITS.streams + 3, frames.number(frames.REFUSED_STREAM))
        assert until(plain, refused).endswith(refused)


@settings(max_examples=60, deadline=None)
@for_all(
    st.lists(
        st.builds(
            frames.frame,
            st.integers(0, 11),
            st.integers(0, 255),
            st.integers(0, 5),
            st.one_of(st.binary(max_size=40), st.just(frames.literal(HEAD)), st.just(prefixed(message()))),
        ),
        max_size=8,
    )
)
def test_any_frames_harm_nobody(skins: Skins, content: list[bytes]):
    with raw(skins) as plain:
        plain.sendall(b"".join(content))
        plain.shutdown(socket.SHUT_WR)
        until(plain)
    assert not skins.on_loop(lambda: [one for one in skins.side.connections if one.streams])
    with Client(skins) as client:
        assert client.answer(client.ask(prefixed(message())))[1]["grpc-status"] == "0"
