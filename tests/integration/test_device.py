"""Measuring on a device: a real agent in a network namespace of its own, a real model, and what goes wrong."""

import signal
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from second_machine import PORT, THERE, Agent, At, Wire, why_not

from edgewise.design import evaluate, measure
from edgewise.design.data import Data, Part
from edgewise.design.device import Device, connect, connection
from edgewise.design.measure import MIN_CALLS_FOR_P99, MIN_ROUNDS, Contestant, Timing
from edgewise.errors import BadConfiguration, Busy, ChildFailed, DeviceLost
from edgewise.hardware.probe import identity, probe
from edgewise.nouns import (
    DataSummary,
    ModelFile,
    ModelFormat,
    Recipe,
    RuntimeConfiguration,
    RuntimeName,
    Variant,
)
from edgewise.progress import SILENT, Progress
from edgewise.store.blobs import digest_of
from edgewise.store.steps import Store
from fakes import models
from fakes.designs import budget
from fakes.needed import missing


@pytest.fixture(scope="module")
def wire() -> Iterator[Wire]:
    if lacking := why_not():
        missing(lacking)
    laid = Wire()
    laid.lay()
    yield laid
    laid.remove()


@pytest.fixture(scope="module")
def _agent(wire: Wire, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Agent]:
    started = Agent(wire, tmp_path_factory.mktemp("device"))
    yield started
    started.end(signal.SIGKILL)


@pytest.fixture
def agent(_agent: Agent) -> Agent:
    """The one agent of all tests; one that a test has ended is started again."""
    if _agent.ended:
        _agent.start()
    return _agent


@dataclass
class Subject:
    """A small real model, as its project has it."""

    store: Store
    data: Data
    contestants: list[Contestant]

    def time(self, device: Device, progress: Progress = SILENT) -> dict[str, Timing]:
        return measure.time_designs(
            self.contestants,
            self.data,
            self.store,
            budget=budget({}),
            machine=device.identity,
            place=device,
            progress=progress,
        )

    def kept(self) -> dict[str, dict[str, list[object]]] | None:
        """Timings of the interrupted session, as the store has them."""
        (record,) = (self.store.folder / "steps").glob("timing-*-so-far.json")
        known = self.store.recall(record.stem)
        return known and known["timings"]


@pytest.fixture
def subject(tmp_path: Path) -> Subject:
    store = Store(tmp_path / "store")
    x = np.random.default_rng(3).normal(size=(40, 1, 10, 10)).astype(np.float32)
    part = Part(inputs=(x,), y=None)
    summary = DataSummary(digest=digest_of(x.tobytes()), samples=50, calibration=10, evaluation=40, seed=0)
    data = Data(summary=summary, calibration=part, evaluation=part, batched=True, batch=1, axes={"batch": 1})
    contestants = []
    for seed in range(2):
        content = models.dynamic_batch(seed=seed).SerializeToString()
        file = ModelFile(name="model.onnx", digest=store.blobs.put(content), size_bytes=len(content))
        recipe = Recipe(name=f"seed-{seed}", method="given", format=ModelFormat.ONNX, precision="fp32")
        contestants.append(
            Contestant(
                name=recipe.name,
                variant=Variant(recipe=recipe, files=(file,)),
                configuration=RuntimeConfiguration(runtime=RuntimeName.ONNXRUNTIME, version="1", threads=1),
                quality=0.9,
            )
        )
    return Subject(store=store, data=data, contestants=contestants)


def test_a_device_evaluates_and_times_what_this_machine_would(agent: Agent, subject: Subject) -> None:
    one = subject.contestants[0]
    here = evaluate.predict(one.variant, one.configuration, subject.data, subject.store, machine="here")
    with connect(agent.url, agent.token) as device:
        assert device.identity == identity(probe(bandwidth=False))
        assert RuntimeName.ONNXRUNTIME in device.versions
        there = evaluate.predict(
            one.variant, one.configuration, subject.data, subject.store, machine="there", place=device
        )
        timings = subject.time(device)
        assert agent.children() == set()
    np.testing.assert_allclose(there.outputs[0], here.outputs[0], rtol=1e-5, atol=1e-6)
    for timing in timings.values():
        assert timing.failure == ""
        assert len(timing.bursts_ns) >= MIN_ROUNDS
        assert timing.calls >= MIN_CALLS_FOR_P99
        assert timing.peak_rss_bytes > 0
        assert timing.load_ms > 0
    assert measure.ratio(timings["seed-0"], timings["seed-1"]) is not None


def test_a_file_goes_over_the_wire_once(agent: Agent, tmp_path: Path) -> None:
    file = tmp_path / "weights.bin"
    file.write_bytes(np.random.default_rng(time.time_ns()).bytes(3 << 20))
    with connect(agent.url, agent.token) as device:
        digest = device.send(file)
        kept = agent.device_store / "bench/blobs/sha256" / digest.removeprefix("sha256:")
        before = kept.stat().st_mtime_ns
        assert device.send(file) == digest
    assert kept.read_bytes() == file.read_bytes()
    assert kept.stat().st_mtime_ns == before


def test_what_a_runtime_refuses_there_is_a_failure_of_the_design_alone(agent: Agent, subject: Subject) -> None:
    broken = subject.store.blobs.put(b"not a model")
    recipe = Recipe(name="broken", method="given", format=ModelFormat.ONNX, precision="fp32")
    variant = Variant(recipe=recipe, files=(ModelFile(name="model.onnx", digest=broken, size_bytes=11),))
    configuration = subject.contestants[0].configuration
    with connect(agent.url, agent.token) as device:
        with pytest.raises(ChildFailed, match="Protobuf") as caught:
            evaluate.predict(variant, configuration, subject.data, subject.store, machine="x", place=device)
        assert caught.value.lasting
        with device.start(name="a worker") as worker, pytest.raises(ChildFailed, match="vela"):
            worker.call("prepare", timeout_s=20, runtime="vela")


def test_a_device_that_dies_while_measuring_is_told_and_the_next_run_does_the_rest(
    agent: Agent, subject: Subject
) -> None:
    with (
        connect(agent.url, agent.token, patience_s=1) as device,
        pytest.raises(DeviceLost, match="does not answer") as caught,
    ):
        subject.time(device, At(25, lambda: agent.end(signal.SIGKILL)))
    assert "edgewise agent --bench" in caught.value.hint
    kept = subject.kept()
    rounds = {name: len(timing["bursts_ns"]) for name, timing in kept.items()}
    assert set(rounds.values()) == {12}  # 25 bursts of two designs: half a round is no round
    agent.start()
    listener = At(10**9, lambda: None)
    with connect(agent.url, agent.token) as device:
        found = subject.time(device, listener)
    assert listener.steps == 2 * MIN_ROUNDS
    for name, timing in found.items():
        assert timing.bursts_ns[:12] == kept[name]["bursts_ns"]
        assert len(timing.bursts_ns) == len(timing.cpu_ns) >= MIN_ROUNDS
        assert timing.session == kept[name]["session"]
    assert subject.kept() is None


def test_a_wire_that_is_cut_for_a_moment_does_no_harm(agent: Agent, wire: Wire, subject: Subject) -> None:
    def interrupt() -> None:
        wire.cut()
        threading.Timer(1.5, wire.mend).start()

    with connect(agent.url, agent.token) as device:
        found = subject.time(device, At(21, interrupt))
    assert all(timing.failure == "" and len(timing.bursts_ns) >= MIN_ROUNDS for timing in found.values())


def test_a_wire_that_stays_cut_is_a_lost_device(
    agent: Agent, wire: Wire, subject: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick = {socket.TCP_KEEPIDLE: 1, socket.TCP_KEEPINTVL: 1, socket.TCP_USER_TIMEOUT: 3000}
    options = [(level, option, quick.get(option, value)) for level, option, value in connection.KEEP_ALIVE]
    monkeypatch.setattr(connection, "KEEP_ALIVE", options)
    began = time.monotonic()
    try:
        with connect(agent.url, agent.token, patience_s=1) as device, pytest.raises(DeviceLost):
            subject.time(device, At(11, wire.cut))
    finally:
        wire.mend()
    assert time.monotonic() - began < 15
    assert {len(timing["bursts_ns"]) for timing in subject.kept().values()} == {5}
    with pytest.raises(Busy) as caught, connect(agent.url, agent.token):  # the device cannot know yet
        pass
    assert "silent" in caught.value.hint
    agent.end(signal.SIGKILL)


def test_one_measures_at_a_time(agent: Agent) -> None:
    with connect(agent.url, agent.token), pytest.raises(Busy, match="another plan"), connect(agent.url, agent.token):
        pass
    with connect(agent.url, agent.token) as device:
        assert device.cores >= 1


def test_a_wrong_token_is_told_in_a_sentence_and_never_shown(agent: Agent) -> None:
    with pytest.raises(BadConfiguration, match="does not take this token") as caught, connect(agent.url, "x" * 32):
        pass
    assert "--token-file" in caught.value.hint
    assert agent.token not in "".join(agent.said)
    assert (agent.token_file.stat().st_mode & 0o777) == 0o600


def test_garbage_does_not_take_the_agent_down(agent: Agent) -> None:
    known = f"Authorization: Bearer {agent.token}\r\n".encode()
    lease = "0" * 32
    digest = "sha256:" + "0" * 64
    for request, status in (
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(256)) + b"\r\n\r\n", b"this is no request"),
        (b"GET /v1/machine HTTP/1.1\r\n\r\n", b"401"),
        (b"GET /v1/machine HTTP/1.1\r\nAuthorization: Bearer \xff\xfe\r\n\r\n", b"401"),
        (b"GET /v1/../../etc/passwd HTTP/1.1\r\n" + known + b"\r\n", b"404"),
        (b"GET /v1/files/../../../etc/passwd HTTP/1.1\r\n" + known + b"\r\n", b"404"),
        (b"GET /v1/files/sha256:..%2f..%2fetc%2fpasswd HTTP/1.1\r\n" + known + b"\r\n", b"404"),
        (f"PUT /v1/files/{digest} HTTP/1.1\r\nContent-Length: 5\r\n".encode() + known + b"\r\nabcde", b"410"),
        (b"PUT /v1/leases/x HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n" + known + b"\r\n", b"400"),
        (b"PUT /v1/leases/x HTTP/1.1\r\nContent-Length: -1\r\n" + known + b"\r\n", b"400"),
        (b"POST /v1/x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" + known + b"\r\n5\r\nabcde", b"400"),
        (
            f"POST /v1/workers/{lease}/calls HTTP/1.1\r\nContent-Length: 900000000\r\n".encode() + known + b"\r\n",
            b"410",
        ),
        (b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n", b"414"),
        (b"GET / HTTP/1.1\r\n" + b"".join(b"X-%d: 1\r\n" % n for n in range(200)) + b"\r\n", b"431"),
        (b"BREW /v1/machine HTTP/1.1\r\n" + known + b"\r\n", b"501"),
    ):
        with socket.create_connection((THERE, PORT), timeout=5) as line:
            line.sendall(request)
            answer = line.recv(4096)
        assert status in answer.partition(b"\r\n")[0], (request[:60], answer[:200])
    with connect(agent.url, agent.token) as device:
        assert device.available_bytes() > 0
    assert not [line for line in agent.said if "Traceback" in line]


def test_the_agent_ends_with_its_workers_when_it_is_told_to(agent: Agent) -> None:
    with connect(agent.url, agent.token, patience_s=1) as device:
        worker = device.start(name="a worker")
        worker.call("prepare", timeout_s=20, runtime="onnxruntime")
        (child,) = agent.children()
        assert agent.end(signal.SIGTERM) == 0
        with pytest.raises(DeviceLost):
            worker.call("memory", timeout_s=20)
    assert not Path(f"/proc/{child}").exists()
    assert agent.said[-1] == "stopped\n"
