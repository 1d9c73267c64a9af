"""What cores compute in a cycle: the tables say where every figure is from, and peaks follow from them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from edgewise import units
from edgewise.hardware import calibration, catalogue, cores
from edgewise.hardware.catalogue._document import AcceleratorDocument
from edgewise.hardware.cores._document import CoresDocument
from edgewise.nouns import AcceleratorKind, Cluster, Measurement, Provenance, ProvenanceKind

SOURCE = Provenance(kind=ProvenanceKind.PUBLISHED, by="https://example.org", date="2026-01-01")


def cluster(core: str, count: int, ghz: float | None) -> Cluster:
    clock = None if ghz is None else Measurement.exact(ghz * 1e9, units.FREQUENCY.base, SOURCE)
    return Cluster(core=core, cores=count, clock=clock)


def test_every_rate_says_where_it_is_from() -> None:
    for core in cores.cores().values():
        for rate in core.macs_per_cycle.values():
            assert rate.why
            assert rate.provenance.by.startswith("https://")
            assert rate.provenance.date


def test_narrower_numbers_are_never_slower() -> None:
    for core in cores.cores().values():
        rates = {dtype: rate.value for dtype, rate in core.macs_per_cycle.items()}
        assert rates.get("float32", 0) <= rates.get("float16", rates["int8"]) <= rates["int8"], core.name


@pytest.mark.parametrize(
    ("core", "ghz", "dtype", "gops"),
    [
        ("cortex-a76", 2.4, "float32", 38.37),
        ("cortex-a76", 2.4, "int8", 153.5),
        ("cortex-a55", 1.8, "float32", 14.6),
        ("gracemont", 3.4, "float32", 54.25),
        ("gracemont", 3.4, "int8", 108.5),
        ("zen-4", 5.1, "float32", 163.6),
        ("zen-4", 5.1, "int8", 648.0),
        ("skymont", 4.4, "int8", 561.4),
    ],
)
def test_peaks_are_those_that_cpufp_published(core: str, ghz: float, dtype: str, gops: float) -> None:
    rate = cores.macs_per_second([cluster(core, 4, ghz)], dtype, threads=1)
    assert rate is not None
    assert 2 * rate / 1e9 == pytest.approx(gops, rel=0.05)


def test_threads_take_the_first_cores_first() -> None:
    hybrid = [cluster("lion-cove", 2, 5.0), cluster("skymont", 4, 4.0)]
    assert cores.macs_per_second(hybrid, "float32", threads=3) == pytest.approx(16 * (2 * 5e9 + 4e9))
    assert cores.macs_per_second(hybrid, "float32") == pytest.approx(16 * (2 * 5e9 + 4 * 4e9))


@given(threads=st.integers(1, 40))
def test_more_threads_never_lower_the_peak(threads: int) -> None:
    hybrid = [cluster("raptor-cove", 4, 4.6), cluster("gracemont", 8, 3.4)]
    fewer, more = (cores.macs_per_second(hybrid, "int8", threads=count) for count in (threads, threads + 1))
    assert fewer is not None
    assert more is not None
    assert fewer <= more


def test_what_is_not_known_gives_no_peak() -> None:
    assert cores.macs_per_second([cluster("cortex-a53", 4, None)], "int8") is None
    assert cores.macs_per_second([cluster("cortex-a53", 4, 1.5)], "float16") is None
    assert cores.macs_per_second([cluster("no-such-core", 4, 1.5)], "int8") is None
    assert cores.macs_per_second([], "int8") is None


def test_the_second_cluster_is_not_needed_where_the_first_does() -> None:
    parts = [cluster("cortex-a76", 2, 2.0), cluster("cortex-a53", 4, None)]
    assert cores.macs_per_second(parts, "int8", threads=2) == pytest.approx(2 * 2e9 * 32)


def test_boards_are_those_that_rows_speak_of_and_the_catalogue_lacks() -> None:
    rows = {(row.machine, row.accelerator) for row in calibration.rows()}
    for board, part in cores.boards():
        assert (board, part) in rows
        assert board not in catalogue.machines()


def test_boards_and_machines_name_cores_that_are_described() -> None:
    machines = [part.clusters for entry in catalogue.machines().values() for part in entry.accelerators]
    for clusters in (*cores.boards().values(), *machines):
        assert {one.core for one in clusters} <= set(cores.cores())


def test_clusters_are_of_cpus_and_have_all_their_cores() -> None:
    for entry in catalogue.machines().values():
        for part in entry.accelerators:
            if part.clusters:
                assert part.kind is AcceleratorKind.CPU
                assert part.cores == sum(one.cores for one in part.clusters)


def test_an_accelerator_with_a_core_that_nobody_described_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(ValidationError, match="did you mean cortex-a76"):
        AcceleratorDocument.model_validate(
            {
                "kind": "cpu",
                "title": "x",
                "dtypes": ["int8"],
                "cores": 4,
                "clusters": [{"core": "cortex-a77", "cores": 4}],
            }
        )


def test_clusters_that_do_not_add_up_are_refused() -> None:
    with pytest.raises(ValidationError, match="have 2 cores together, but cores is 4"):
        AcceleratorDocument.model_validate(
            {"kind": "cpu", "title": "x", "dtypes": ["int8"], "cores": 4, "clusters": [{"core": "zen-3", "cores": 2}]}
        )


def test_a_rate_without_its_source_is_refused() -> None:
    rate = {"value": 8.0, "how": "measured", "source": "nowhere", "why": "a figure"}
    with pytest.raises(ValidationError, match="nowhere"):
        CoresDocument.model_validate(
            {"family": "x86", "sources": {}, "cores": {"new": {"title": "New", "macs_per_cycle": {"int8": rate}}}}
        )
