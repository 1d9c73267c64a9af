"""What a strategy costs: laws that hold whatever the sizes are."""

import math
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgewise.build.choice.cadence import DEFAULTS, cadence
from edgewise.build.choice.figures import CHANGING, disk_peak, figures, shipped_bytes
from edgewise.build.choice.needs import needs
from edgewise.build.strategies.bundle import Bundle, Role, Strategy
from edgewise.nouns import ProvenanceKind
from fakes import bundles

amounts = st.fixed_dictionaries({role: st.integers(0, 10**10) for role in bundles.SIZES})
kinds = st.sampled_from(list(Strategy))
nodes = st.sampled_from(["device", "microshift", "openshift"])


@given(kinds, amounts, st.sets(st.sampled_from(CHANGING)))
def test_an_update_is_what_the_other_bundle_has_not(
    strategy: Strategy, sizes: Mapping[Role, int], changed: set[Role]
) -> None:
    old = bundles.bundle(strategy, sizes=dict(sizes))
    new = bundles.bundle(strategy, sizes=dict(sizes), versions=dict.fromkeys(changed, "2"))
    there = {piece.digest for piece in old.pieces}
    arriving = [piece for piece in new.pieces if piece.digest not in there]
    assert shipped_bytes(old, *changed) == sum(piece.size_bytes for piece in arriving)


@given(kinds, amounts, nodes, st.sampled_from(CHANGING))
def test_an_update_never_ships_more_than_everything(
    strategy: Strategy, sizes: Mapping[Role, int], node: str, role: Role
) -> None:
    site = bundles.site(node)
    found = figures(bundles.bundle(strategy, sizes=dict(sizes)), site, cadence(site))
    assert 0 <= found.update_bytes[role].value <= found.first_bytes.value


@given(kinds, st.integers(1, 10**10), st.integers(1, 10**10), st.integers(1, 1000))
def test_more_bandwidth_never_takes_longer(strategy: Strategy, slow: int, more: int, devices: int) -> None:
    bundle = bundles.bundle(strategy)
    sites = [bundles.site(bandwidth=float(speed), devices=devices) for speed in (slow, slow + more)]
    before, after = (figures(bundle, site, cadence(site)) for site in sites)
    for slower, faster in zip(
        (before.first_ms, before.update_ms, before.monthly_ms),
        (after.first_ms, after.update_ms, after.monthly_ms),
        strict=True,
    ):
        assert slower is not None
        assert faster is not None
        assert faster.value <= slower.value


@given(amounts)
def test_a_model_in_the_image_ships_what_an_external_one_does_up_to_documents(sizes: dict[Role, int]) -> None:
    made = {one: bundles.bundle(one, sizes=sizes, unpacked=sizes) for one in Strategy}
    shipped = {one: shipped_bytes(bundle, Role.MODEL) for one, bundle in made.items()}
    documents = {one: documents_of(bundle) for one, bundle in made.items()}
    assert abs(shipped[Strategy.EMBEDDED] - shipped[Strategy.EXTERNAL]) <= max(documents.values())
    assert abs(shipped[Strategy.EMBEDDED] - shipped[Strategy.MODELCAR]) <= max(documents.values())


def documents_of(bundle: Bundle) -> int:
    return sum(piece.size_bytes for piece in bundle.pieces if piece.role is Role.DOCUMENT)


@given(kinds, amounts, st.sets(st.sampled_from(CHANGING)))
def test_disk_holds_both_versions(strategy: Strategy, sizes: dict[Role, int], changed: set[Role]) -> None:
    old = bundles.bundle(strategy, sizes=sizes, unpacked=sizes)
    new = bundles.bundle(strategy, sizes=sizes, unpacked=sizes, versions=dict.fromkeys(changed, "2"))
    both = {piece.digest: piece.unpacked_bytes for piece in (*old.pieces, *new.pieces)}
    peak = disk_peak(old, tuple(changed))
    assert sum(both.values()) <= peak <= sum(both.values()) + shipped_bytes(old, *changed)


def test_plain_files_are_not_held_twice_while_they_arrive() -> None:
    big = {Role.MODEL: 10**9}
    made = {one: bundles.bundle(one, sizes=big, unpacked=big) for one in Strategy}
    peaks = {one: disk_peak(bundle, (Role.MODEL,)) for one, bundle in made.items()}
    assert peaks[Strategy.EMBEDDED] - peaks[Strategy.EXTERNAL] >= 10**9
    assert peaks[Strategy.EMBEDDED] == pytest.approx(peaks[Strategy.MODELCAR], abs=10_000)


def test_figures_by_hand() -> None:
    site = bundles.site(bandwidth=2e6, updates=4, devices=10)
    found = figures(bundles.bundle(Strategy.EMBEDDED), site, cadence(site))
    documents = 2 * bundles.DOCUMENT_BYTES
    assert found.first_bytes.value == sum(bundles.SIZES.values()) + documents
    assert found.update_bytes[Role.MODEL].value == bundles.SIZES[Role.MODEL] + documents
    assert found.update_bytes[Role.BASE].value == bundles.SIZES[Role.BASE] + documents
    monthly = sum(
        (4.0 if role is Role.MODEL else DEFAULTS[role]) * (size + documents) for role, size in bundles.SIZES.items()
    )
    assert found.monthly_bytes.value == pytest.approx(monthly)
    assert found.update_ms is not None
    assert found.update_ms.value == pytest.approx(10 * 8 * 4_004_000 / 2e6 * 1e3)
    assert found.first_bytes.provenance.kind is ProvenanceKind.MEASURED
    assert found.monthly_bytes.provenance.kind is ProvenanceKind.DECLARED
    assert "updates_per_month" in found.monthly_bytes.provenance.by


def test_without_a_link_there_are_no_times_and_over_one_of_no_speed_no_end() -> None:
    for bandwidth, expected in ((None, None), (0.0, math.inf)):
        site = bundles.site(bandwidth=bandwidth)
        found = figures(bundles.bundle(Strategy.MODELCAR), site, cadence(site))
        assert (found.update_ms and found.update_ms.value) == expected


@pytest.mark.parametrize("node", ["device", "microshift", "openshift"])
def test_the_image_alone_needs_the_fewest_things(node: str) -> None:
    found = {one: needs(one, node) for one in Strategy}  # type: ignore[arg-type]
    least = len(found[Strategy.EMBEDDED].cold_start)
    for other in (Strategy.EXTERNAL, Strategy.MODELCAR):
        assert len(found[other].cold_start) > least
        assert len(found[other].things) > len(found[Strategy.EMBEDDED].things)
    for one in found.values():
        assert len({thing.name for thing in one.things}) == len(one.things)
        assert all(thing.outage for thing in one.things)


def test_a_pod_fetches_its_files_at_every_start_and_a_device_does_not() -> None:
    cluster, device = bundles.site("openshift"), bundles.site("device")
    external = bundles.bundle(Strategy.EXTERNAL)
    assert figures(external, cluster, cadence(cluster)).restart_bytes.value == bundles.UNPACKED[Role.MODEL]
    assert figures(external, device, cadence(device)).restart_bytes.value == 0
    car = bundles.bundle(Strategy.MODELCAR)
    assert figures(car, cluster, cadence(cluster)).restart_bytes.value == 0
