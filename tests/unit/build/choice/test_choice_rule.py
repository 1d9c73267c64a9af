"""Which strategy suits a site, by the rule of docs/adr/0016."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgewise.build.choice.cadence import Cadence
from edgewise.build.choice.figures import too_much_for_a_month
from edgewise.build.choice.rule import SAVING_MS, SAVING_SHARE, choose, equal, saves
from edgewise.build.strategies.bundle import Bundle, Role, Strategy
from edgewise.nouns import Site
from fakes import bundles

amounts = st.fixed_dictionaries({role: st.integers(0, 10**10) for role in bundles.SIZES})
sites = st.builds(
    bundles.site,
    st.sampled_from(["device", "microshift", "openshift"]),
    bandwidth=st.none() | st.floats(0, 1e10),
    updates=st.floats(0, 1000),
    devices=st.integers(1, 10_000),
    disk_free=st.none() | st.floats(0, 1e11),
)


def three(sizes: dict[Role, int] | None = None, unpacked: dict[Role, int] | None = None) -> list[Bundle]:
    return [bundles.bundle(one, sizes=sizes, unpacked=unpacked) for one in Strategy]


@given(sites, amounts, amounts)
def test_the_order_of_bundles_does_not_matter(site: Site, sizes: dict[Role, int], unpacked: dict[Role, int]) -> None:
    found = [choose(list(order), site) for order in itertools.permutations(three(sizes, unpacked))]
    assert all(one == found[0] for one in found)


@given(sites, amounts, amounts)
def test_what_is_ruled_out_is_never_chosen(site: Site, sizes: dict[Role, int], unpacked: dict[Role, int]) -> None:
    found = choose(three(sizes, unpacked), site)
    free = site.machines[0].disk_free_bytes
    for one in found.figures:
        short = free is not None and one.disk_peak_bytes.value > free
        assert (one.strategy in found.ruled_out) is (short or too_much_for_a_month(one))
    assert found.by_figures not in found.ruled_out
    assert (found.by_figures is None) is (len(found.ruled_out) == len(Strategy))
    assert all(reason.strip() for reason in found.reasons)


@given(sites, amounts, amounts)
def test_more_to_start_is_taken_for_a_saving_alone(
    site: Site, sizes: dict[Role, int], unpacked: dict[Role, int]
) -> None:
    found = choose(three(sizes, unpacked), site)
    fitting = [one for one in found.figures if one.strategy not in found.ruled_out]
    winner = next((one for one in fitting if one.strategy is found.by_figures), None)
    for other in fitting if winner else ():
        assert winner is not None
        if len(other.needs.cold_start) < len(winner.needs.cold_start):
            assert saves(winner, other)
        assert not saves(other, winner) or len(other.needs.cold_start) >= len(winner.needs.cold_start)


@pytest.mark.parametrize("node", ["device", "microshift", "openshift"])
def test_a_small_model_is_embedded_for_fewest_things_must_run(node: str) -> None:
    found = choose(three(), bundles.site(node))
    assert found.strategy is found.by_figures is Strategy.EMBEDDED
    assert "fewest things" in found.reasons[0]
    assert "container engine" in found.reasons[0]
    assert any("modelcar" in reason for reason in found.reasons[1:])
    assert any("starts" in reason and "anew" in reason for reason in found.reasons)


def test_a_model_that_does_not_fit_twice_is_kept_as_files() -> None:
    big = {Role.MODEL: 4 * 10**9}
    found = choose(three(big, big), bundles.site(bandwidth=1e9, updates=1, disk_free=9e9))
    assert found.by_figures is Strategy.EXTERNAL
    assert set(found.ruled_out) == {Strategy.EMBEDDED, Strategy.MODELCAR}
    assert "free" in found.ruled_out[Strategy.EMBEDDED]
    assert "only one" in found.reasons[0]


def test_nothing_fits_where_the_link_is_too_slow() -> None:
    found = choose(three(), bundles.site(bandwidth=100.0, updates=30))
    assert found.by_figures is None
    assert found.strategy is None
    assert len(found.ruled_out) == 3
    assert "longer than a month" in found.ruled_out[Strategy.EMBEDDED]


def test_a_saving_displaces_the_simplest_just_above_the_threshold() -> None:
    """Files that travel unpacked are larger or, with incompressible layers and padding, smaller."""
    layers = {Role.BASE: 0, Role.RUNTIME: 0, Role.SERVER: 0, Role.MODEL: 100_000_000}
    often = Cadence(per_month={Role.MODEL: 10.0, Role.SERVER: 0, Role.BASE: 0, Role.RUNTIME: 0}, by="a test")
    spared = {100_000_000 - 79_000_000: True, 100_000_000 - 81_000_000: False}
    for less, wins in spared.items():
        files = {**layers, Role.MODEL: 100_000_000 - less}
        made = three(layers, files)
        found = choose(made, bundles.site(bandwidth=1e5, updates=10), cadence=often)
        assert (found.by_figures is Strategy.EXTERNAL) is wins, less
        assert ("spares" in found.reasons[0]) is wins


def test_a_large_share_of_little_displaces_nothing() -> None:
    layers = {Role.BASE: 0, Role.RUNTIME: 0, Role.SERVER: 0, Role.MODEL: 100_000}
    found = choose(three(layers, {**layers, Role.MODEL: 1_000}), bundles.site(bandwidth=1e6, updates=4))
    embedded, external = (
        next(one for one in found.figures if one.strategy is which) for which in (Strategy.EMBEDDED, Strategy.EXTERNAL)
    )
    assert external.monthly_bytes.value < (1 - SAVING_SHARE) * embedded.monthly_bytes.value
    assert embedded.monthly_ms is not None
    assert embedded.monthly_ms.value < SAVING_MS
    assert found.by_figures is Strategy.EMBEDDED
    assert any("would spare" in reason for reason in found.reasons)


def test_what_cannot_be_told_apart_is_said() -> None:
    found = choose(three(), bundles.site())
    assert any("embedded and modelcar cannot be told apart" in tie for tie in found.ties)
    assert equal(100, 101)
    assert not equal(100, 103)
    assert equal(0, 0)


def test_edge_yaml_decides_and_the_figures_say_what_they_think() -> None:
    found = choose(three(), bundles.site(strategy="modelcar"))
    assert found.strategy is Strategy.MODELCAR
    assert found.by_figures is Strategy.EMBEDDED
    assert "edge.yaml asks for modelcar" in found.reasons[0]


def test_two_of_a_kind_or_of_two_platforms_are_no_choice() -> None:
    one = bundles.bundle(Strategy.EMBEDDED)
    for wrong in ([one, one], [], [one, bundles.bundle(Strategy.EXTERNAL, platform="linux/amd64")]):
        with pytest.raises(ValueError, match="one platform"):
            choose(wrong, bundles.site())
