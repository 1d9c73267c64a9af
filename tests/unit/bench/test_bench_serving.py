"""The bench of servers: messages, a peer from its start to its end, tables; and the soak. No peer is installed."""

import ast
import dataclasses
import math
import sys
from pathlib import Path

import numpy as np
import pytest
from tritonclient.grpc import service_pb2

import soak
from serving import load, messages, servers, subjects, tables
from serving.load import Burst
from serving.messages import BINARY, GRPC, JSON
from serving.servers import PLAIN, Contender, NotStarted
from serving.subjects import Subject
from serving.tables import Found

FAKES = Path(__file__).parents[2] / "fakes/peers"
FAKE = Contender(name="fake", title="A fake", ways=(BINARY, JSON, PLAIN))
ADAPTERS = servers.PEERS


@pytest.fixture(scope="module")
def subject(tmp_path_factory: pytest.TempPathFactory) -> Subject:
    return subjects.mlp(tmp_path_factory.mktemp("subjects"))


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(servers, "PEERS", FAKES)


def test_a_message_for_grpc_is_what_the_protocol_s_own_classes_read(subject: Subject) -> None:
    found = service_pb2.ModelInferRequest.FromString(messages.message(GRPC, subject))
    (tensor,) = found.inputs
    assert (found.model_name, tensor.name, tensor.datatype) == ("mlp", "x", "FP32")
    assert list(tensor.shape) == list(subject.x.shape)
    np.testing.assert_array_equal(np.frombuffer(found.raw_input_contents[0], np.float32), subject.x.ravel())


def test_only_the_right_answer_is_right(subject: Subject) -> None:
    y = subject.y.tolist()
    good, bad = f'{{"outputs": [{{"data": {y[0]}}}]}}'.encode(), b'{"outputs": [{"data": [1.0]}]}'
    assert messages.right(JSON, good, subject)
    assert messages.right(BINARY, b"{}" + subject.y.tobytes(), subject)
    answer = service_pb2.ModelInferResponse(raw_output_contents=[subject.y.tobytes()])
    assert messages.right(GRPC, answer.SerializeToString(), subject)
    for way in (JSON, BINARY, GRPC, PLAIN):
        for wrong in (bad, b"", b"{}", (subject.y + 1).tobytes()):
            assert not messages.right(way, wrong, subject), (way, wrong)


@pytest.mark.usefixtures("fake")
def test_a_peer_is_started_asked_in_each_of_its_ways_and_stopped(subject: Subject, tmp_path: Path) -> None:
    with servers.running(FAKE, subject, python=Path(sys.executable), folder=tmp_path) as running:
        assert running.cold_s > 0
        for way in FAKE.ways:
            assert messages.right(way, servers.asked(running.ports["rest"], messages.message(way, subject)), subject)
        burst = load.burst(running, BINARY, subject, tmp_path, clients=2, seconds=0.2)
    assert burst.answers == burst.count(200) > 0
    assert 0 < burst.p50_ms <= burst.p99_ms
    assert burst.per_s == pytest.approx(burst.answers / burst.seconds)
    with pytest.raises(OSError, match="refused"):
        servers.asked(running.ports["rest"], messages.message(BINARY, subject))


@pytest.mark.usefixtures("fake")
@pytest.mark.parametrize(("kind", "said"), [("wrong", "no right answer"), ("none", "this peer does not begin")])
def test_a_peer_that_answers_wrongly_or_ends_is_no_peer(
    subject: Subject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, said: str
) -> None:
    monkeypatch.setenv("FAKE", kind)
    monkeypatch.setattr(servers, "START_S", 2.0)
    with (
        pytest.raises(NotStarted, match=said),
        servers.running(FAKE, subject, python=Path(sys.executable), folder=tmp_path),
    ):
        pytest.fail("it was taken for one")


def test_an_adapter_serves_the_model_through_its_framework(
    subject: Subject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(FAKES))
    (peer,) = [one for one in servers.PEER_TABLE if one.name == "litserve"]
    with servers.running(peer, subject, python=Path(sys.executable), folder=tmp_path) as running:
        answer = servers.asked(running.ports["rest"], messages.message(PLAIN, subject))
    assert messages.right(PLAIN, answer, subject)


@pytest.mark.parametrize("peer", servers.PEER_TABLE, ids=lambda peer: peer.name)
def test_every_peer_has_an_adapter_that_can_be_read_and_versions_that_are_fixed(peer: Contender) -> None:
    ast.parse((ADAPTERS / f"with_{peer.name}.py").read_text())
    lines = (ADAPTERS / f"{peer.name}.txt").read_text().split("\n")
    wanted = [line for line in lines if line and not line.startswith("#")]
    assert wanted
    assert all("==" in line or "<" in line for line in wanted), wanted


def burst(per_s: float, p50_ms: float = 1.0) -> Burst:
    return Burst(
        per_s=per_s, p50_ms=p50_ms, p99_ms=2.0, cpu_us=90.0, client_us=20.0, seconds=1.0, unsent=0,
        statuses={"200": {"count": per_s}},
    )  # fmt: skip


def test_ratios_are_of_the_same_round_and_targets_say_whether_they_are_met() -> None:
    found = Found(alone_us={"mlp": 50.0, "mlp of 8": 80.0, "cnn": 400.0})
    found.bursts["mlp", "edgewise", "binary", 8] = [burst(1000), burst(3000), burst(2000)]
    found.bursts["mlp", "kserve", "binary", 8] = [burst(100), burst(100), burst(100)]
    times = tables.ratio(found, "mlp", "kserve", "binary", 8, lambda one: one.per_s)
    assert times is not None
    assert (times.median, times.low, times.high) == (20.0, 10.0, 30.0)
    assert tables.ratio(found, "mlp", "mlserver", "json", 8, lambda one: one.per_s) is None
    rows = {row[0]: row[1:] for row in tables.targets(found)}
    met = rows["answers/s at 8 clients, MLP, KServe, REST binary"]
    assert (met[0], *met[-2:]) == ("at least 10 times", "20.0 (10.0 to 30.0)", "yes")
    assert rows["the same, MLServer, REST JSON"][-2] == "not measured"
    assert "KServe's Python server" in tables.document(found)


def test_a_soak_leaves_the_real_server_as_it_was(tmp_path: Path) -> None:
    """Short: what a day of requests leaves is measured by the bench itself."""
    one = soak.soak(tmp_path, 3000, pause_s=0.02)
    assert one.bad == 0
    assert one.requests >= 3000
    assert one.after.descriptors == one.at_rest.descriptors
    assert one.after.threads == one.at_rest.threads
    assert len(one.rss_by_part()) == soak.PARTS
    assert math.isfinite(one.drift())
    assert f"{one.requests:,} requests" in soak.document(one)
    grown = dataclasses.replace(one.looks[-1], rss_bytes=2 * one.looks[-1].rss_bytes)
    looks = [*one.looks[: len(one.looks) // 2], *[grown] * len(one.looks)]
    assert dataclasses.replace(one, looks=looks).drift() > 0.5
