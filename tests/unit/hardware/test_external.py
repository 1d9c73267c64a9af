"""A meter outside the machine: what its lines mean, what they add up to, and what happens where they fail."""

import os
import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgewise.hardware.external import LINE_BYTES, External, Integral, Lines, MeterLost, Said, parse


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b"12.34 J", Said(energy=True, value=12.34)),
        (b"12.34J\r", Said(energy=True, value=12.34)),
        (b"  1.5e3 mJ", Said(energy=True, value=1.5)),
        (b"3.21 W", Said(energy=False, value=3.21)),
        (b"850 mW", Said(energy=False, value=0.85)),
        (b"0 W", Said(energy=False, value=0.0)),
    ],
)
def test_a_line_is_an_energy_or_a_power(line: bytes, said: Said) -> None:
    found = parse(line)
    assert (found.energy, found.value) == (said.energy, pytest.approx(said.value))


@pytest.mark.parametrize(
    "line", [b"3.21", b"3.21 V", b"-1 W", b"nan W", b"1e999 W", b"W", b"\xff W", b"3 W 4 W", b"x J"]
)
def test_anything_else_is_nonsense_and_quoted(line: bytes) -> None:
    with pytest.raises(ValueError, match=r"^it says"):
        parse(line)


@given(st.binary(max_size=80))
def test_no_bytes_crash_the_parser(line: bytes) -> None:
    try:
        said = parse(line)
    except ValueError:
        return
    assert said.value >= 0


class TestIntegral:
    @given(
        watts=st.floats(0, 1e4),
        gaps=st.lists(st.floats(1e-3, 2), min_size=1, max_size=50),
        together=st.integers(1, 3),
    )
    def test_constant_power_times_time(self, watts: float, gaps: list[float], together: int) -> None:
        integral, now_s = Integral(), 7.0
        integral.add(now_s, [Said(energy=False, value=watts)])
        for gap in gaps:
            now_s += gap
            integral.add(now_s, [Said(energy=False, value=watts)] * together)
        assert integral.reading is not None
        assert integral.reading.joules == pytest.approx(watts * sum(gaps))
        assert integral.interval_s == pytest.approx(max(gaps), abs=1e-9)

    @given(st.lists(st.tuples(st.floats(1e-3, 2), st.floats(0, 100)), min_size=2, max_size=30))
    def test_energy_is_the_difference_whatever_the_moments(self, steps: list[tuple[float, float]]) -> None:
        integral, now_s, counted = Integral(), 0.0, 1000.0
        for gap, joules in steps:
            now_s, counted = now_s + gap, counted + joules
            integral.add(now_s, [Said(energy=True, value=counted)])
        assert integral.reading is not None
        assert integral.reading.joules == pytest.approx(sum(joules for _, joules in steps[1:]), abs=1e-6)

    def test_a_ramp_is_integrated_by_trapezoids(self) -> None:
        integral = Integral()
        for at_s, watts in ((0.0, 0.0), (1.0, 10.0), (3.0, 0.0)):
            integral.add(at_s, [Said(energy=False, value=watts)])
        assert integral.reading is not None
        assert integral.reading.joules == pytest.approx(15.0)

    def test_lines_that_arrive_together_are_one_reading_of_their_mean(self) -> None:
        integral = Integral()
        integral.add(0.0, [Said(energy=False, value=2.0)])
        integral.add(1.0, [Said(energy=False, value=value) for value in (1.0, 3.0)])
        assert integral.reading is not None
        assert (integral.reading.joules, integral.count) == (pytest.approx(2.0), 2)

    @pytest.mark.parametrize("then", [[Said(energy=False, value=3.0)], [Said(energy=True, value=4.9)]])
    def test_a_change_of_kind_or_energy_that_goes_back_is_refused(self, then: list[Said]) -> None:
        integral = Integral()
        integral.add(0.0, [Said(energy=True, value=5.0)])
        with pytest.raises(ValueError, match=r"went back|energy in one line"):
            integral.add(1.0, then)


class TestLines:
    @given(st.lists(st.integers(0, 30), max_size=8), st.booleans())
    def test_pieces_make_no_difference(self, cuts: list[int], skip: bool) -> None:
        text = b"1 W\n\n22 W\r\n333 W\n4"
        lines, found, at = Lines(skip=skip), [], 0
        for cut in [*sorted(cuts), len(text)]:
            found += lines.add(text[at:cut])
            at = max(at, cut)
        assert [line.strip() for line in found] == [b"1 W", b"22 W", b"333 W"][skip:]

    def test_a_line_without_end_is_refused(self) -> None:
        lines = Lines()
        lines.add(b"1" * LINE_BYTES)
        with pytest.raises(ValueError, match="longer"):
            lines.add(b"1")


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reading, writing = os.pipe()
    yield reading, writing
    for descriptor in (reading, writing):
        try:
            os.close(descriptor)
        except OSError:
            continue


class TestExternal:
    def test_reads_until_the_end_and_says_that_it_ended(self, pipe: tuple[int, int]) -> None:
        reading, writing = pipe
        with External("wattmeter", reading) as meter:
            for joules in (1.0, 2.0, 2.5, 4.0):
                os.write(writing, f"{joules} J\n".encode())
                time.sleep(0.02)
            until(lambda: meter.read_joules() == pytest.approx(3.0))
            os.close(writing)
            until(lambda: lost(meter))
            assert lost(meter) == "it ended"

    def test_joining_late_drops_the_piece_of_a_line(self, pipe: tuple[int, int]) -> None:
        reading, writing = pipe
        os.write(writing, b"5 J\n")  # may have been 100005 J
        with External("tty", reading, joined=True) as meter:
            for joules in (100006, 100007, 100008, 100009):
                time.sleep(0.02)
                os.write(writing, f"{joules} J\n".encode())
            until(lambda: meter.read_joules() == pytest.approx(3.0))

    def test_nobody_reads_before_the_first_reading(self, pipe: tuple[int, int]) -> None:
        with External("wattmeter", pipe[0]) as meter, pytest.raises(MeterLost, match="nothing yet"):
            meter.read()


def lost(meter: External) -> str:
    try:
        meter.read()
    except MeterLost as error:
        return str(error)
    return ""


def until(true: object, *, seconds: float = 5.0) -> None:
    assert callable(true)
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)
