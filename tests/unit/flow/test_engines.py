"""Engines: every item once, a worker's death survived, and clear words where there is no engine."""

import socket
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from edgewise.design.structure.space import Space
from edgewise.design.structure.training import Job, Made, Training
from edgewise.errors import BadConfiguration, EngineLost, MissingDependency
from edgewise.flow import engines
from edgewise.flow.engines import Local, Lost, each_once

COMMON = Training(name="train.py", space=Space(dimensions=()), builds=False, files={})
JOBS = [Job(function="fit", structure={"a": number}, seed=0, timeout_s=1.0) for number in range(6)]


class Scripted:
    """An engine whose workers die as the test says; counts what it was asked."""

    name = "scripted"

    def __init__(self, deaths: dict[int, int]) -> None:
        self.deaths, self.asked = deaths, []

    def map(self, task, common, items: Sequence[Job]) -> Iterator[tuple[int, Made | Lost]]:
        for index in reversed(range(len(items))):
            number = items[index].structure["a"]
            self.asked.append(number)
            if self.deaths.get(number, 0) > 0:
                self.deaths[number] -= 1
                yield index, Lost(sentence="the worker died")
            else:
                yield index, task(common, items[index])


def told(common: Training, job: Job) -> Made:
    return Made(log=f"did {job.structure['a']}")


def test_each_item_once_with_its_own_outcome():
    with Local() as engine:
        found = list(each_once(engine, told, COMMON, JOBS))
    assert sorted(index for index, _ in found) == list(range(6))
    assert all(made.log == f"did {index}" for index, made in found)


def test_a_worker_that_dies_once_costs_one_more_try_and_nothing_else():
    engine = Scripted({2: 1, 4: 1})
    found = dict(each_once(engine, told, COMMON, JOBS))
    assert {index: made.log for index, made in found.items()} == {index: f"did {index}" for index in range(6)}
    assert sorted(engine.asked) == [0, 1, 2, 2, 3, 4, 4, 5]


def test_a_worker_that_dies_twice_fails_its_item_alone():
    engine = Scripted({3: 5})
    found = dict(each_once(engine, told, COMMON, JOBS))
    assert found[3].failure == "it was tried twice: the worker died"
    assert not found[3].lasting
    assert [index for index, made in sorted(found.items()) if not made.failure] == [0, 1, 2, 4, 5]
    assert engine.asked.count(3) == 2


def test_local_jobs_run_side_by_side(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(engines.training, "cores", lambda: 2)
    meeting = threading.Barrier(2, timeout=10)

    def meet(common: Training, job: Job) -> Made:
        meeting.wait()
        return Made(log="met")

    with Local() as engine:
        assert [made.log for _, made in each_once(engine, meet, COMMON, JOBS[:2])] == ["met", "met"]


def test_a_crashed_child_counts_as_a_lost_worker_and_a_failure_does_not():
    answers = {0: Made(failure="was ended by SIGKILL", lasting=False), 1: Made(failure="the loss is not finite")}
    with Local() as engine:
        found = dict(engine.map(lambda common, job: answers[job.structure["a"]], COMMON, JOBS[:2]))
    assert found == {0: Lost(sentence="was ended by SIGKILL"), 1: answers[1]}


@pytest.mark.parametrize("address", ["", "ray", "ray://", "ray://a b", "ray://host:x", "http://host", "ray://h/../x"])
def test_addresses_that_name_no_engine(address: str):
    with pytest.raises(BadConfiguration, match="there is no engine") as caught:
        engines.opened(address)
    assert "local and ray://HOST" in caught.value.hint


def test_ray_is_optional_and_its_usage_statistics_are_off(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("RAY_USAGE_STATS_ENABLED", raising=False)
    asked: list[str] = []

    def missing(name: str) -> None:
        asked.append(engines.os.environ["RAY_USAGE_STATS_ENABLED"])
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(engines.importlib, "import_module", missing)
    with pytest.raises(MissingDependency) as caught:
        engines.opened("ray://127.0.0.1")
    assert caught.value.hint == "pip install 'edgewise[ray]'"
    assert asked == ["0"]


def test_nobody_at_the_address_is_said_at_once(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(engines, "ray", lambda: None)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with (
        pytest.raises(EngineLost, match=f"no Ray cluster answers at ray://127.0.0.1:{port}"),
        engines.opened(f"ray://127.0.0.1:{port}"),
    ):
        pass


def test_the_port_is_ray_s_own_where_none_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(engines, "ray", lambda: None)
    assert engines.opened("ray://head").name == "ray://head:10001"
    assert engines.opened("ray://[::1]:7").name == "ray://[::1]:7"


def test_the_fake_engine_is_an_engine(tmp_path: Path):
    engine: engines.Engine = Scripted({})
    assert dict(engine.map(told, COMMON, JOBS))[5].log == "did 5"
