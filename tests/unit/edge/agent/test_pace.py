"""The cap on bandwidth: by an injected clock, and through a real layout."""

import random
import threading
from pathlib import Path

import pytest

from edgewise.edge.agent.pace import BURST_S, Bucket, Slowed
from edgewise.store.oci.copy import copy
from edgewise.store.oci.layout import Layout
from fakes import images


class Clock:
    """A time that goes on only while somebody sleeps."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def clock_s(self) -> float:
        return self.now_s

    def sleep(self, wait_s: float) -> None:
        self.now_s += wait_s


@pytest.mark.parametrize("piece", [1, 700, 1 << 20])
def test_no_more_comes_than_is_granted_and_no_less(piece: int) -> None:
    clock = Clock()
    bucket = Bucket(1000.0, clock_s=clock.clock_s, sleep=clock.sleep)
    began, total = clock.now_s, 0
    for _ in range(50):
        bucket.take(piece)
        total += piece
    took_s = clock.now_s - began
    assert total - 1000.0 * BURST_S <= 1000.0 * took_s <= total


def test_what_was_not_used_is_lost_after_a_burst() -> None:
    clock = Clock()
    bucket = Bucket(1000.0, clock_s=clock.clock_s, sleep=clock.sleep)
    clock.now_s += 3600
    began = clock.now_s
    bucket.take(3000)
    assert clock.now_s - began == pytest.approx(3 - BURST_S)


def test_threads_share_one_cap() -> None:
    slept: list[float] = []
    bucket = Bucket(1000.0, clock_s=lambda: 0.0, sleep=slept.append)
    threads = [threading.Thread(target=bucket.take, args=(1000,)) for _ in range(5)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert sorted(slept) == [1.0, 2.0, 3.0, 4.0]  # the first is the burst


def test_an_image_comes_whole_through_a_slow_place(tmp_path: Path) -> None:
    source, target = Layout(tmp_path / "source"), Layout(tmp_path / "target")
    made = images.image(source, "app:1", layers=[{"weights": random.Random(1).randbytes(100_000)}])
    clock = Clock()
    bucket = Bucket(1000.0, clock_s=clock.clock_s, sleep=clock.sleep)
    copied = copy(Slowed(source, bucket), target, "app:1")
    assert target.resolve("app:1") == made
    assert clock.now_s - 1000.0 >= copied.moved_bytes / 1000.0 - BURST_S - 1e-6
