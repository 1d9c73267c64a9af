"""Traces and log records over a socket: a collector that decodes OTLP, one that is gone, one that is silent."""

import gzip
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import orjson
import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from fakes import linear
from fakes.serve_process import PATIENCE_S, ServerProcess, exchange, request
from fakes.served import linear_folder

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SOON = {"OTEL_BSP_SCHEDULE_DELAY": "50", "OTEL_BLRP_SCHEDULE_DELAY": "50"}
QUEUE = 256
FEW = 300
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class Collector(ThreadingHTTPServer):
    """An OTLP/HTTP receiver; what came is in `spans` and `records`, with the service that sent it."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Receives)
        self.spans: list[Span] = []
        self.records: list[LogRecord] = []
        self.services: set[str] = set()
        self.came = threading.Condition()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def wait_for(self, spans: int, records: int) -> None:
        with self.came:
            assert self.came.wait_for(lambda: len(self.spans) >= spans and len(self.records) >= records, PATIENCE_S), (
                len(self.spans),
                len(self.records),
            )


class _Receives(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        content = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            content = gzip.decompress(content)
        assert self.headers["Content-Type"] == "application/x-protobuf"
        with self.server.came:
            answer = self._taken(content)
            self.server.came.notify_all()
        self.send_response(200)
        self.send_header("Content-Type", "application/x-protobuf")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def _taken(self, content: bytes) -> bytes:
        if self.path == "/v1/traces":
            for resource in ExportTraceServiceRequest.FromString(content).resource_spans:
                self._of(resource.resource)
                self.server.spans += [span for scope in resource.scope_spans for span in scope.spans]
            return ExportTraceServiceResponse().SerializeToString()
        assert self.path == "/v1/logs"
        for logs in ExportLogsServiceRequest.FromString(content).resource_logs:
            self._of(logs.resource)
            self.server.records += [record for scope in logs.scope_logs for record in scope.log_records]
        return ExportLogsServiceResponse().SerializeToString()

    def _of(self, resource) -> None:  # type: ignore[no-untyped-def]
        self.server.services |= {one.value.string_value for one in resource.attributes if one.key == "service.name"}

    def log_message(self, *_: object) -> None:
        """Nothing."""


@contextmanager
def collecting() -> Iterator[Collector]:
    with Collector() as collector:
        thread = threading.Thread(target=collector.serve_forever)
        thread.start()
        try:
            yield collector
        finally:
            collector.shutdown()
            thread.join()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return linear_folder(tmp_path_factory.mktemp("model") / "line")


def asking(rows: int = 1, features: int = linear.FEATURES, **headers: str) -> bytes:
    data = np.ones(rows * features).tolist()
    tensor = {"name": "x", "datatype": "FP32", "shape": [rows, features], "data": data}
    return request("POST", "/v2/models/line/infer", orjson.dumps({"id": "7", "inputs": [tensor]}), **headers)


def test_a_collector_gets_spans_and_records_of_the_client_s_trace(folder: Path) -> None:
    with collecting() as collector:
        environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint, "OTEL_SERVICE_NAME": "press-line", **SOON}
        with ServerProcess(folder, environment=environment) as server, server.connect() as connection:
            began_ns = time.time_ns()
            assert exchange(connection, asking(2, traceparent=f"00-{TRACE}-{PARENT}-01"))[0] == 200
            assert exchange(connection, asking(1, 5, traceparent=f"00-{TRACE}-{PARENT}-01"))[0] == 400
            collector.wait_for(spans=4, records=1)
            ended_ns = time.time_ns()
    assert collector.services == {"press-line"}
    good, bad = sorted((one for one in collector.spans if one.name == "infer"), key=lambda one: one.status.code)
    assert {one.trace_id.hex() for one in collector.spans} == {TRACE}
    assert {one.parent_span_id.hex() for one in (good, bad)} == {PARENT}
    inside = {one.name: one for one in collector.spans if one.parent_span_id == good.span_id}
    assert set(inside) == {"queue", "run"}
    assert began_ns <= good.start_time_unix_nano <= inside["queue"].start_time_unix_nano
    assert inside["queue"].end_time_unix_nano == inside["run"].start_time_unix_nano
    assert inside["run"].end_time_unix_nano <= good.end_time_unix_nano <= ended_ns
    assert {one.key: one.value.int_value for one in inside["run"].attributes}["edgewise.batch.rows"] == 2
    assert bad.status.code == Status.STATUS_CODE_ERROR
    (record,) = collector.records
    assert (record.trace_id.hex(), record.span_id) == (TRACE, bad.span_id)
    assert "takes the shape" in record.body.string_value
    assert record.severity_text == "WARN"


def test_what_is_left_is_sent_when_the_server_ends(folder: Path) -> None:
    with collecting() as collector:
        environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint, "OTEL_BSP_SCHEDULE_DELAY": "600000"}
        with ServerProcess(folder, environment=environment) as server:
            with server.connect() as connection:
                assert exchange(connection, asking())[0] == 200
            server.signal(signal.SIGTERM)
            assert server.exit_code() == 0
        assert sorted(one.name for one in collector.spans) == ["infer", "queue", "run"]


@pytest.mark.parametrize("kind", ["down", "silent"])
def test_a_collector_that_fails_costs_requests_nothing_and_memory_is_bounded(folder: Path, kind: str) -> None:
    """Spans beyond the queue are dropped; the end of the server is not held up for long."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        endpoint = "http://127.0.0.1:1" if kind == "down" else f"http://127.0.0.1:{silent.getsockname()[1]}"
        environment = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "OTEL_BSP_MAX_QUEUE_SIZE": str(QUEUE),
            "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "64", **SOON,
        }  # fmt: skip
        with ServerProcess(folder, environment=environment) as server:
            with server.connect() as connection:
                asked(connection, FEW)
                before_bytes = resident_bytes(server.pid)
                slowest_s = asked(connection, 4 * FEW)
                grown_bytes = resident_bytes(server.pid) - before_bytes
            began_s = time.monotonic()
            server.signal(signal.SIGTERM)
            assert server.exit_code() == 0
            took_s = time.monotonic() - began_s
    assert slowest_s < 2.0
    assert grown_bytes < 4 << 20
    assert took_s < 10.0


def asked(connection: socket.socket, count: int) -> float:
    """Ask so often; the longest time of an answer, in seconds."""
    slowest_s, content = 0.0, asking()
    for _ in range(count):
        began_s = time.monotonic()
        assert exchange(connection, content)[0] == 200
        slowest_s = max(slowest_s, time.monotonic() - began_s)
    return slowest_s


def resident_bytes(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE_BYTES
