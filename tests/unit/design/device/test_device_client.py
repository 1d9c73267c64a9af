"""The device's client against the real server, with made-up workers and connections that break."""

import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

import edgewise
from edgewise.design.device import connect
from edgewise.design.device import device as device_module
from edgewise.design.device.connection import Connection
from edgewise.design.device.device import Device
from edgewise.errors import BadConfiguration, Busy, ChildFailed, DeviceLost, NoRunnableDesign
from edgewise.hardware.counting import PowerSensor, Reading, Scope
from edgewise.runtimes.samples import read_arrays, write_arrays
from edgewise.runtimes.wire import Description
from fakes import benches
from fakes.benches import TOKEN, Workers


@dataclass
class Place:
    url: str
    workers: Workers
    server: Any


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with benches.device(tmp_path / "device") as (url, workers, server):
        yield Place(url, workers, server)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    (folder / "weights").mkdir(parents=True)
    (folder / "model.onnx").write_text("a model")
    (folder / "weights" / "w 1.bin").write_text("its weights")
    write_arrays(tmp_path / "inputs.npz", [np.arange(6.0).reshape(2, 3)])
    return folder / "model.onnx"


def load(worker: Any, model: Path) -> dict[str, Any]:
    answer: dict[str, Any] = worker.call(
        "load",
        timeout_s=10,
        runtime="onnxruntime",
        path=str(model),
        threads=1,
        options={},
        inputs=str(model.parents[1] / "inputs.npz"),
        batched=True,
        batch=1,
        limit=None,
        axes={},
    )
    return answer


class BreaksOff(httpx.SyncByteStream):
    """A body that ends before its end."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def __iter__(self) -> Iterator[bytes]:
        yield self._content
        raise httpx.WriteError("Broken pipe")


class Breaking(httpx.BaseTransport):
    """Carries requests, and lets those break that `breaks` names: before they arrive, or their answers."""

    def __init__(self, breaks: Callable[[int, httpx.Request], str]) -> None:
        self._inner, self._breaks, self._count = httpx.HTTPTransport(), breaks, 0

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self._count += 1
        how = self._breaks(self._count, request)
        if how == "before":
            raise httpx.ConnectError("Connection refused")
        response = self._inner.handle_request(request)
        if how == "after":
            response.read()
            response.close()
            raise httpx.ReadError("Connection reset by peer")
        return response

    def close(self) -> None:
        self._inner.close()


@contextlib.contextmanager
def through(place: Place, transport: httpx.BaseTransport, *, patience_s: float = 5.0) -> Iterator[Device]:
    """A device whose connection is `transport`, with the lease taken."""
    holder = "a" * 32
    way = Connection(place.url, TOKEN, holder=holder, patience_s=patience_s, transport=transport)
    way.ask("PUT", f"/v1/leases/{holder}")
    device = Device(way, Description.model_validate_json(way.ask("GET", "/v1/machine")), holder=holder)
    try:
        yield device
    finally:
        device.close()


class TestWork:
    def test_files_travel_and_answers_come_back(self, place: Place, model: Path, tmp_path: Path) -> None:
        with connect(place.url, TOKEN) as device:
            with device.start(name="fp32") as worker:
                assert load(worker, model) == {"load_ms": 7.0}
                assert worker.call("predict", timeout_s=10, outputs=str(tmp_path / "out.npz")) == {"samples": 1}
                assert worker.call("burst", timeout_s=10, calls=3) == {"ns": [1_000_000] * 3, "cpu_ns": 1}
                assert worker.log() == "log of fp32"
                assert place.workers.alive == {"fp32"}
            assert place.workers.alive == set()
            assert (device.load_average(), device.available_bytes()) == (0.25, 3 << 30)
        np.testing.assert_array_equal(read_arrays(tmp_path / "out.npz")[0], np.arange(6.0).reshape(2, 3) + 1)
        arguments = next(done for _, command, done in place.workers.journal if command == "load")
        assert (Path(arguments["path"]).name, arguments["runtime"]) == ("model.onnx", "onnxruntime")
        assert str(tmp_path / "device") in arguments["path"]

    def test_the_device_reads_its_own_meter_around_each_burst(self, tmp_path: Path) -> None:
        class Meter:
            name, measured, joules = "rapl package-0", True, 0.0
            scope, interval_s = Scope.CPU, 1e-3

            def read_joules(self) -> float:
                self.joules += 1.5
                return self.joules

            def read(self) -> Reading:
                raise AssertionError("a fast meter is read around the burst")

        with benches.device(tmp_path, meter=Meter()) as (url, _, _), connect(url, TOKEN) as device:
            assert device.meter == "rapl package-0"
            with device.start(name="a") as worker:
                assert worker.call("burst", timeout_s=10, calls=1)["joules"] == 1.5

    def test_a_meter_slower_than_a_burst_answers_with_its_readings_and_the_device_s_clock(self, tmp_path: Path) -> None:
        moments = iter([5.0, 6.0])
        meter = PowerSensor(name="hwmon VDD_IN", watts=lambda: 4.0, clock=lambda: next(moments))
        with benches.device(tmp_path, meter=meter) as (url, _, _), connect(url, TOKEN) as device:
            assert (device.meter, device.meter_interval_s) == ("hwmon VDD_IN", 0.1)
            with device.start(name="w") as worker:
                answers = [worker.call("burst", timeout_s=10, calls=1) for _ in range(2)]
        assert [answer.get("reading") for answer in answers] == [
            {"at_s": 5.0, "joules": 0.0},
            {"at_s": 6.0, "joules": 4.0},
        ]
        assert all("joules" not in answer for answer in answers)

    def test_what_a_worker_refuses_is_a_child_that_failed(self, place: Place, model: Path) -> None:
        model.write_text("refuse")
        with connect(place.url, TOKEN) as device:
            with device.start(name="a") as worker, pytest.raises(ChildFailed, match="no kernel") as caught:
                load(worker, model)
            assert (caught.value.lasting, caught.value.log) == (True, "the runtime's words")
            with pytest.raises(ChildFailed, match="only this machine"):
                device.start(name="a", prefix=("qemu-x86_64",))

    def test_the_way_there_is_in_no_figure(self, place: Place) -> None:
        class Slow(httpx.HTTPTransport):
            def handle_request(self, request: httpx.Request) -> httpx.Response:
                time.sleep(0.1)
                return super().handle_request(request)

        with through(place, Slow()) as device, device.start(name="a") as worker:
            assert worker.call("burst", timeout_s=10, calls=2)["ns"] == [1_000_000] * 2


class TestBrokenConnections:
    @pytest.mark.parametrize("how", ["before", "after"])
    def test_every_third_request_breaks_and_nothing_is_done_twice(
        self, place: Place, model: Path, tmp_path: Path, how: str
    ) -> None:
        with through(place, Breaking(lambda count, _: how if count % 3 == 1 else "")) as device:
            worker = device.start(name="a")
            load(worker, model)
            for _ in range(3):
                worker.call("burst", timeout_s=10, calls=2)
            worker.call("predict", timeout_s=10, outputs=str(tmp_path / "out.npz"))
        assert [place.workers.commands(name) for name in ("load", "burst", "predict")] == [1, 3, 1]
        assert (tmp_path / "out.npz").is_file()

    def test_an_upload_goes_on_where_it_broke(self, place: Place, tmp_path: Path) -> None:
        file = tmp_path / "weights.bin"
        file.write_bytes(np.random.default_rng(1).bytes(1 << 20))
        starts = []

        class Halving(httpx.HTTPTransport):
            def handle_request(self, request: httpx.Request) -> httpx.Response:
                if request.method == "PUT" and "/files/" in str(request.url):
                    starts.append(int(request.headers["Content-Range"].split()[1].partition("-")[0]))
                    if len(starts) == 1:
                        request.stream = BreaksOff(file.read_bytes()[: 512 << 10])
                if request.method == "HEAD" and starts:
                    time.sleep(1.0)  # until the server has written what reached it before the break
                return super().handle_request(request)

        with through(place, Halving(), patience_s=5) as device:
            digest = device.send(file)
        assert place.server.bench.files.size(digest) == 1 << 20
        assert starts == [0, 512 << 10]

    def test_patience_has_an_end_and_then_nobody_waits(self, place: Place) -> None:
        gone = threading.Event()
        with through(place, Breaking(lambda *_: "before" if gone.is_set() else ""), patience_s=0.5) as device:
            worker = device.start(name="a")
            gone.set()
            with pytest.raises(DeviceLost, match="does not answer: Connection refused") as caught:
                worker.call("burst", timeout_s=10, calls=1)
            assert caught.value.exit_code == 24
            began = time.monotonic()
            for ask in (device.load_average, worker.log):
                with pytest.raises(DeviceLost):
                    ask()
            worker.close()
        assert time.monotonic() - began < 0.2

    def test_a_bench_that_has_started_again_has_let_go(self, place: Place) -> None:
        with connect(place.url, TOKEN) as device:
            worker = device.start(name="a")
            place.server.bench.stop()
            with pytest.raises(DeviceLost, match="no longer measures"):
                worker.call("burst", timeout_s=10, calls=1)


class TestLease:
    def test_a_client_that_is_silent_loses_its_workers(self, tmp_path: Path) -> None:
        with benches.device(tmp_path, lease_s=0.6) as (url, workers, server):
            with through(Place(url, workers, server), httpx.HTTPTransport()) as device:
                device.start(name="a")
                assert workers.alive == {"a"}
                assert workers.killed.wait(5)
            with connect(url, TOKEN):
                pass

    def test_a_client_that_goes_away_in_the_midst_of_a_call_does_too(self, tmp_path: Path) -> None:
        with (
            benches.device(tmp_path, lease_s=0.8) as (url, workers, server),
            through(Place(url, workers, server), httpx.HTTPTransport(), patience_s=0) as device,
        ):
            worker = device.start(name="a")
            caller = threading.Thread(target=lambda: _quietly(worker.call, "burst", timeout_s=10, calls=13))
            caller.start()
            assert workers.hold.wait(5)
            assert not workers.killed.wait(2), "who waits for an answer is not silent"
            for line in server.connections.open():
                line.shutdown(socket.SHUT_RDWR)  # as when keep-alive finds nobody
            assert workers.killed.wait(5)
            caller.join(10)

    def test_kill_all_ends_a_call_that_waits(self, place: Place) -> None:
        with connect(place.url, TOKEN) as device:
            worker = device.start(name="a")
            caught: list[Exception] = []
            caller = threading.Thread(target=lambda: _quietly(worker.call, "burst", caught, timeout_s=10, calls=13))
            caller.start()
            assert place.workers.hold.wait(5)
            device.kill_all()
            caller.join(10)
        assert isinstance(caught[0], DeviceLost)

    def test_a_second_plan_is_refused(self, place: Place) -> None:
        with connect(place.url, TOKEN), pytest.raises(Busy), connect(place.url, TOKEN):
            pass


class TestFirstContact:
    @pytest.mark.parametrize(
        "url",
        ["", "10.0.0.7:8470", "ftp://a", "http://", "http://u:p@a", "http://a/x", "http://a?x=1", "http://a:99999",
         "http://[::1", "http://a b"],
    )  # fmt: skip
    def test_what_is_no_address_is_told(self, url: str) -> None:
        with pytest.raises(BadConfiguration, match="no address of a device"), connect(url, TOKEN):
            pass

    def test_nobody_there(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(device_module, "FIRST_PATIENCE_S", 0.3)
        with pytest.raises(DeviceLost, match="refused") as caught, connect("http://127.0.0.1:1", TOKEN):
            pass
        assert "edgewise agent --bench" in caught.value.hint

    @pytest.mark.parametrize(
        ("change", "error", "said"),
        [
            ({"edgewise": "99.1"}, BadConfiguration, f"runs edgewise 99.1, and this is {edgewise.__version__}"),
            ({"versions": {}}, NoRunnableDesign, "no runtime"),
            ({"machine": 3}, BadConfiguration, "no edgewise agent"),
        ],
    )
    def test_what_it_says_of_itself_is_looked_at(
        self, place: Place, monkeypatch: pytest.MonkeyPatch, change: dict[str, Any], error: type[Exception], said: str
    ) -> None:
        true = place.server.bench.describe().model_dump(mode="json")
        with pytest.raises(error, match=said):
            device_module._described(json.dumps(true | change).encode(), place.url)

    @pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"{}", b"[" * 100_000])
    def test_who_is_no_agent_is_told(self, body: bytes) -> None:
        with pytest.raises(BadConfiguration, match="no edgewise agent"):
            device_module._described(body, "http://a")

    def test_a_wrong_token(self, place: Place) -> None:
        with pytest.raises(BadConfiguration, match="does not take this token"), connect(place.url, TOKEN + "x"):
            pass


def _quietly(call: Callable[..., Any], *arguments: Any, **more: Any) -> None:
    command, *caught = arguments
    try:
        call(command, **more)
    except Exception as error:
        for place in caught:
            place.append(error)
