"""Quantities keep their unit: what is written is what is read, and what is unclear is refused with a way out."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgewise import units
from edgewise.units import Dimension, parse, show

DIMENSIONS = (
    units.TIME,
    units.SIZE,
    units.LINK,
    units.BANDWIDTH,
    units.POWER,
    units.ENERGY,
    units.PRICE,
    units.RATE,
    units.COMPUTE,
    units.RATIO,
)
WITH_UNITS = [dimension for dimension in DIMENSIONS if dimension.base]


def refusal(text: object, dimension: Dimension) -> str:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the message is what the tests look at
        parse(text, dimension)
    return str(caught.value)


class TestParse:
    @pytest.mark.parametrize(
        ("text", "dimension", "value"),
        [
            ("10ms", units.TIME, 10),
            ("2 s", units.TIME, 2000),
            (" 1.5e3us ", units.TIME, 1.5),
            ("50µs", units.TIME, 0.05),
            ("50\u03bcs", units.TIME, 0.05),
            (".5h", units.TIME, 1.8e6),
            ("64MiB", units.SIZE, 64 * 2**20),
            ("64MB", units.SIZE, 64e6),
            ("2Mbit/s", units.LINK, 2e6),
            ("25.6GB/s", units.BANDWIDTH, 25.6e9),
            ("3W", units.POWER, 3),
            ("5 J", units.ENERGY, 5000),
            ("150USD", units.PRICE, 150),
            ("90/min", units.RATE, 1.5),
            ("4TOPS", units.COMPUTE, 4e12),
            ("1%", units.RATIO, 0.01),
            ("0.01", units.RATIO, 0.01),
            (0.01, units.RATIO, 0.01),
            (0, units.RATIO, 0),
            ("+1ms", units.TIME, 1),
        ],
    )
    def test_gives_the_value_in_the_base_unit(self, text: object, dimension: Dimension, value: float) -> None:
        assert parse(text, dimension) == pytest.approx(value)

    @pytest.mark.parametrize("dimension", WITH_UNITS, ids=lambda dimension: dimension.name)
    @pytest.mark.parametrize("text", ["10", 10, 10.5])
    def test_a_number_without_its_unit_is_refused_with_the_units(self, text: object, dimension: Dimension) -> None:
        message = refusal(text, dimension)
        assert "without a unit" in message
        assert all(f"10{unit}" in message for unit in dimension.shown)

    @pytest.mark.parametrize(
        ("text", "dimension", "nearest"),
        [
            ("10 msec", units.TIME, "ms"),
            ("64mib", units.SIZE, "MiB"),
            ("64Mb", units.SIZE, "MB"),
            ("2Mbps", units.LINK, "Mbit/s"),
            ("150Usd", units.PRICE, "USD"),
            ("3w", units.POWER, "W"),
        ],
    )
    def test_a_wrong_unit_names_the_nearest(self, text: str, dimension: Dimension, nearest: str) -> None:
        assert refusal(text, dimension).endswith(f"did you mean {nearest}?")

    def test_a_unit_of_another_dimension_is_refused(self) -> None:
        assert refusal("10W", units.SIZE).startswith("found the unit 'W'; allowed is a size such as 10B")

    @pytest.mark.parametrize("text", ["-1ms", "-0.001ms", "1e400ms", "1e308h"])
    def test_negative_and_endless_values_are_refused(self, text: str) -> None:
        assert "not negative and finite" in refusal(text, units.TIME)

    @pytest.mark.parametrize(
        "text",
        [True, False, None, [], ["10ms"], {"ms": 10}, b"10ms", math.nan, math.inf, -math.inf, "nan", "inf ms", "",
         "ms", "1e", "--1ms", "1..2ms", "\u0663ms"],
    )  # fmt: skip
    def test_what_is_no_quantity_is_refused(self, text: object) -> None:
        assert "found " in refusal(text, units.TIME)

    @pytest.mark.parametrize("text", ["10EUR", "0EUR"])
    def test_another_currency_is_refused_by_name(self, text: str) -> None:
        assert "kept in USD" in refusal(text, units.PRICE)

    def test_a_tiny_exponent_is_zero(self) -> None:
        assert parse("1e-400ms", units.TIME) == 0

    def test_a_hundred_characters_are_read_whole_and_more_are_refused(self) -> None:
        assert parse("10ms".rjust(100, "0"), units.TIME) == 10
        assert "found '000" in refusal("10ms".rjust(101, "0"), units.TIME)

    def test_nothing_is_cut_off_before_it_is_read(self) -> None:
        assert "found" in refusal(" " * 99 + "15", units.RATIO)
        assert "found" in refusal("1" + "0" * 98 + "min", units.TIME)

    @pytest.mark.parametrize("text", [10**5000, -(10**5000), "9" * 5000, ["x"] * 10_000, {"x" * 10_000: 1}], ids=type)
    def test_messages_stay_short_whatever_was_found(self, text: object) -> None:
        assert len(refusal(text, units.RATIO)) < 200

    @given(st.text(max_size=120) | st.integers() | st.floats() | st.booleans() | st.none(), st.sampled_from(DIMENSIONS))
    def test_gives_a_finite_value_or_one_sentence(self, text: object, dimension: Dimension) -> None:
        try:
            value, sentence = parse(text, dimension), "found "
        except ValueError as error:
            value, sentence = 0, str(error)
        assert 0 <= value < math.inf
        assert sentence.startswith("found ")
        assert len(sentence) < 400


class TestShow:
    @pytest.mark.parametrize(
        ("value", "dimension", "text"),
        [
            (0, units.TIME, "0 us"),
            (0.0123, units.TIME, "12.3 us"),
            (9.87, units.TIME, "9.87 ms"),
            (999.4, units.TIME, "999 ms"),
            (1234, units.TIME, "1.23 s"),
            (64 * 2**20, units.SIZE, "64.0 MiB"),
            (2e6, units.LINK, "2.00 Mbit/s"),
            (50, units.RATE, "50.0/s"),
            (0.01, units.RATIO, "0.0100"),
            (-0.5, units.POWER, "-500 mW"),
            (math.inf, units.TIME, "inf"),
            (123456, units.PRICE, "123456 USD"),
        ],
    )
    def test_picks_the_unit_that_reads_best(self, value: float, dimension: Dimension, text: str) -> None:
        assert show(value, dimension) == text

    @given(
        dimension=st.sampled_from(DIMENSIONS),
        mantissa=st.floats(1, 9.999999),
        exponent=st.integers(-3, 5),
        unit=st.integers(0, 10),
        digits=st.integers(1, 9),
    )
    def test_what_is_shown_reads_back_within_its_digits(
        self, dimension: Dimension, mantissa: float, exponent: int, unit: int, digits: int
    ) -> None:
        value = mantissa * 10.0**exponent * dimension.units[dimension.shown[unit % len(dimension.shown)]]
        again = parse(show(value, dimension, digits=digits), dimension)
        assert again == pytest.approx(value, rel=0.5001 * 10.0 ** (1 - digits))

    @given(st.sampled_from(DIMENSIONS), st.floats(0.001, 1e9), st.floats(0.001, 1e9))
    def test_a_larger_value_never_reads_as_smaller(self, dimension: Dimension, first: float, second: float) -> None:
        low, high = sorted((first, second))
        base = dimension.units[dimension.shown[0]]
        shown = [parse(show(value * base, dimension), dimension) for value in (low, high)]
        assert shown[0] <= shown[1]


@given(st.floats(allow_nan=True, allow_infinity=True), st.integers(1, 9))
def test_figures_are_never_in_exponent_form(value: float, digits: int) -> None:
    assert "e" not in units.figures(value, digits)


def test_quoted_speaks_the_documents_language() -> None:
    found = [units.quoted(value) for value in (None, True, [], [1], {}, {"a": 1}, "a", 1.5)]
    assert found == ["nothing", "true", "an empty list", "a list", "an empty mapping", "a mapping", "'a'", "1.5"]
