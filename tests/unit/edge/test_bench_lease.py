"""One measures at a time, and who is not heard of loses its turn."""

import pytest

from edgewise.edge.bench.lease import Lease, LeaseEnded
from edgewise.errors import Busy


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def lease(clock: Clock) -> Lease:
    taken = Lease(seconds=30, clock=clock)
    taken.take("a")
    return taken


def test_only_the_holder_may_renew(lease: Lease) -> None:
    lease.renew("a")
    for stranger in ("b", ""):
        with pytest.raises(LeaseEnded):
            lease.renew(stranger)


def test_another_is_refused_until_it_is_given_back(lease: Lease) -> None:
    with pytest.raises(Busy):
        lease.take("b")
    assert not lease.give_back("b")
    assert lease.give_back("a")
    lease.take("b")
    lease.renew("b")


def test_taking_it_twice_is_taking_it_once(lease: Lease) -> None:
    lease.take("a")
    assert lease.give_back("a")
    assert not lease.give_back("a")


def test_silence_ends_it_and_a_sign_of_life_does_not(lease: Lease, clock: Clock) -> None:
    clock.now = 29
    assert not lease.expire()
    lease.renew("a")
    clock.now = 58
    assert not lease.expire()
    clock.now = 60
    assert lease.expire()
    assert not lease.expire()
    with pytest.raises(LeaseEnded):
        lease.renew("a")


def test_who_is_refused_learns_how_long_the_other_has_been_silent(lease: Lease, clock: Clock) -> None:
    clock.now = 12
    with pytest.raises(Busy) as caught:
        lease.take("b")
    assert "silent for 12 s" in caught.value.hint
    assert "in 18 s" in caught.value.hint
