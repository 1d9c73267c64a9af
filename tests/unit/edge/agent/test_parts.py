"""The agent's small parts: what is well, what is said, when to ask, what is dropped, what systemd reads."""

import configparser
import math
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgewise.edge.agent import control, health, notify, outbox, schedule, settings, status, unit
from edgewise.edge.agent.state import Phase, Server, State
from edgewise.errors import BadConfiguration, NotFound
from edgewise.exchange import message, signing
from edgewise.exchange.message import Case, Report, Status
from edgewise.exchange.release import Allowance

PAGE = """\
# TYPE nv_inference_request_success counter
nv_inference_request_success{model="line",version="1"} 97
nv_inference_request_failure{model="line",version="1",reason="BACKEND"} 2
nv_inference_request_failure{model="line",version="1",reason="REJECTED"} 50
edgewise_request_duration_seconds_bucket{model="line",le="0.001"} 10
edgewise_request_duration_seconds_bucket{model="line",le="0.01"} 99
edgewise_request_duration_seconds_bucket{model="line",le="+Inf"} 100
"""


def test_what_a_server_counts_is_read_and_the_load_s_own_fault_is_not_the_release_s():
    found = health.read(PAGE)
    assert (found.answered, found.failed, found.latency_p99_ms) == (97, 2, 10.0)


@pytest.mark.parametrize(
    ("counted", "resident", "latency", "word"),
    [
        (health.Counted(answered=98, failed=2), 0, None, "2 of 100 requests failed"),
        (health.Counted(answered=1, failed=1), 0, None, ""),
        (health.Counted(), 65 << 20, None, "65.0 MiB of memory, more than 64.0 MiB"),
        (health.Counted(), 0, 12.5, "12.5 ms at the 99th percentile, more than 10 ms"),
        (health.Counted(answered=100, failed=1), 64 << 20, 10.0, ""),
    ],
)
def test_a_release_is_unwell_for_a_reason_with_figures(counted, resident, latency, word):
    allowance = Allowance(latency_p99_ms=10, memory_bytes=64 << 20)
    found = health.unwell(allowance, counted, resident, latency)
    assert (word in found) if word else found == ""


@given(
    st.builds(
        State,
        phase=st.sampled_from(Phase),
        server=st.sampled_from(Server),
        booted=st.sampled_from(["a", "b"]),
        wanted=st.sampled_from(["", "a", "b", "c"]),
        rejected=st.dictionaries(st.sampled_from(["b", "c"]), st.just("slow")),
    )
)
def test_a_device_that_refused_what_it_should_run_never_says_that_it_is_up_to_date(state):
    word = status.word(state)
    assert status.sentence(state)
    if state.wanted in state.rejected and state.wanted != state.booted:
        assert word in (Status.ROLLED_BACK, Status.FAILED)
    if word is Status.ONLINE:
        assert state.wanted in ("", state.booted)
        assert state.server is Server.UP


@given(st.floats(1, 3600), st.integers(0, 1000), st.floats(0, 1, exclude_max=True))
def test_polls_are_spread_and_never_further_apart_than_the_longest(poll, failures, dice):
    wait = schedule.wait_s(poll, failures, dice)
    assert 0.8 * poll - 1e-6 <= wait <= 1.2 * max(poll, schedule.LONGEST_S) + 1e-6


def test_a_window_may_go_over_midnight():
    night = settings.Settings(windows=("22:00-05:00",)).minutes()
    assert [schedule.is_open(night, hour * 60) for hour in (21, 22, 0, 4, 5)] == [False, True, True, True, False]
    assert schedule.is_open([], 0)


@pytest.mark.parametrize(
    ("windows", "minute", "left"),
    [
        ((), 100, math.inf),
        (("00:00-23:59", "23:00-01:00"), 100, math.inf),
        (("22:00-05:00",), 21 * 60, 0),
        (("22:00-05:00",), 23 * 60, 6 * 3600),
        (("08:00-09:00", "09:00-10:30"), 8 * 60 + 30, 2 * 3600),
    ],
)
def test_a_fetch_has_until_the_last_window_shuts(windows, minute, left):
    found = settings.Settings(download_windows=windows).download_minutes()
    assert schedule.left_s(found, minute) == left


def test_while_nothing_may_be_fetched_nothing_new_is_heard_and_nothing_is_let_go():
    def heard(due, *gone):
        return schedule.postponed(due, booted="a", staged="b", withdrawn=gone)

    assert [heard(one) for one in ("", "a", "b", "c")] == ["", "a", "b", "b"]
    assert heard("c", "b") == "a"
    assert schedule.postponed("c", booted="a", staged="", withdrawn=()) == "a"


@pytest.mark.parametrize(
    "text",
    [
        '{"pol": 3}',
        '{"poll_s": -1}',
        '{"apply": "never"}',
        '{"windows": "8-9"}',
        '{"download_windows": "8-9"}',
        '{"bandwidth_bytes_per_s": -1}',
        '{"containers": 1}',
        "[]",
        "{",
    ],
)
def test_a_setting_that_cannot_be_is_named(tmp_path, text):
    (tmp_path / settings.FILE).write_text(text)
    with pytest.raises(BadConfiguration):
        settings.read(tmp_path)


def report(number: int) -> Report:
    return Report(id=f"{number:032x}", device="0" * 32, site="here", sequence=number, time_s=0, status=Status.ONLINE)


def case(number: int) -> Case:
    return Case(
        id=f"{number:032x}",
        device="0" * 32,
        site="here",
        sequence=number,
        time_s=0,
        release="",
        model="m",
        why="unsure",
        prediction="{}",
    )


def test_of_too_many_messages_the_oldest_reports_go_first_and_then_the_oldest_cases(tmp_path):
    key = signing.make_key()
    for number, one in enumerate([report(0), case(1), report(2), case(3), report(4), case(5)]):
        outbox.put(tmp_path, one, key, most=4)
        assert outbox.newest(tmp_path) == number
    assert [path.name.lstrip("0") for path in outbox.waiting(tmp_path)] == ["1.case", "3.case", "4.report", "5.case"]
    outbox.put(tmp_path, case(6), key, most=4)
    assert [path.name.lstrip("0") for path in outbox.waiting(tmp_path)] == ["3.case", "4.report", "5.case", "6.case"]


def test_a_message_is_kept_as_it_was_signed(tmp_path):
    key = signing.make_key()
    outbox.put(tmp_path, report(7), key)
    signed = outbox.read(outbox.waiting(tmp_path)[0])
    assert message.read(signing.verified(signed, signing.public_bytes(key))) == report(7)


def test_the_unit_has_a_watchdog_a_sandbox_and_limits(tmp_path):
    parser = configparser.ConfigParser(interpolation=None)
    parser.optionxform = str
    parser.read_string(unit.written(unit.unit("/usr/bin/edgewise", tmp_path)))
    service = parser["Service"]
    assert service["Type"] == "notify"
    assert int(service["WatchdogSec"]) > 0
    assert (service["ProtectSystem"], service["NoNewPrivileges"]) == ("strict", "yes")
    assert service["MemoryMax"]
    assert service["KillMode"] == "process"


def test_a_unit_for_containers_lets_podman_work_and_keeps_watchdog_and_limits(tmp_path):
    service = unit.unit("/usr/bin/edgewise", tmp_path, containers=True)["Service"]
    assert not set(unit.NOT_WITH_CONTAINERS) & set(service)
    assert set(unit.NOT_WITH_CONTAINERS) < set(unit.unit("/usr/bin/edgewise", tmp_path)["Service"])
    assert service["KillMode"] == "process"
    assert service["WatchdogSec"]


def test_systemd_hears_that_it_is_ready(tmp_path, monkeypatch):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind(str(tmp_path / "notify"))
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        notify.tell("READY=1")
        assert heard.recv(100) == b"READY=1"


def test_a_word_reaches_the_agent_and_without_one_it_is_said(tmp_path):
    with pytest.raises(NotFound, match="no agent runs"):
        control.tell(tmp_path, "apply")
    (tmp_path / "run").mkdir()
    told = []
    control.listen(tmp_path / "run", lambda what, release: told.append((what, release)))
    control.tell(tmp_path, "retry", "sha256:b")
    assert told == [("retry", "sha256:b")]
