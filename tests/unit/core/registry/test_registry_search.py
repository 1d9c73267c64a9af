"""Versions found by what is known of them, and where they run."""

import pytest

from edgewise.core.database.engine import Database
from edgewise.core.registry import entries, releases, search
from edgewise.core.registry.entries import ARTIFACT, MODEL, VERSION
from edgewise.core.registry.search import Filter
from edgewise.errors import BadInput, NotFound
from edgewise.exchange import release as documents
from edgewise.exchange.release import Part, PartKind, Release, Strategy
from fakes.hubs import NOW_S, FakeDevice

FIRST, DATA = "sha256:" + "1" * 64, "sha256:" + "d" * 64


def tag(text: str) -> dict[str, str]:
    return {"metadataType": "MetadataStringValue", "string_value": text}


def metric(value: float) -> dict[str, object]:
    return {"metadataType": "MetadataDoubleValue", "double_value": value}


def released(version: str) -> bytes:
    part = Part(name="model", kind=PartKind.MODEL, digest=FIRST, size_bytes=1, source="oci:x")
    return documents.written(
        Release(
            site="press-line",
            version=f"meter-reader {version}",
            strategy=Strategy.EXTERNAL,
            parts=(part,),
            model_name="meter-reader",
            model_version=version,
            model_digest=FIRST,
        )
    )


@pytest.fixture
def filled(database: Database) -> Database:
    """Two versions; one device runs the second."""
    with database.writing() as connection:
        model = entries.create(connection, MODEL, {"name": "meter-reader"}, now_ms=1)
        for name, accuracy in (("1", 0.9), ("2", 0.95)):
            custom = {"accuracy": metric(accuracy), "team": tag("press"), "data_digest": tag(DATA)}
            custom |= {"parent_version": tag("1")} if name == "2" else {}
            about = {"name": name, "registeredModelId": model["id"], "customProperties": custom}
            made = entries.create(connection, VERSION, about, now_ms=int(name))
            stored = {"artifactType": "model-artifact", "uri": f"oci://x@sha256:{name * 64}"}
            entries.create(connection, ARTIFACT, stored, now_ms=1, version=int(made["id"]))
        kept = releases.keep(connection, released("2"), who="anna", now_s=NOW_S)
        assert releases.keep(connection, released("2"), who="anna", now_s=NOW_S) == kept
    device = FakeDevice()
    device.enrols(database)
    device.says(database, device.report(booted=kept.digest))
    return database


@pytest.mark.parametrize(
    ("wanted", "names"),
    [
        (Filter(), ["2", "1"]),
        (Filter(model="other"), []),
        (Filter(tag="team=press"), ["2", "1"]),
        (Filter(tag="team=pres"), []),
        (Filter(metric="accuracy>=0.95"), ["2"]),
        (Filter(metric="accuracy>0.95"), []),
        (Filter(metric="accuracy<0.95"), ["1"]),
        (Filter(digest=FIRST), ["1"]),
        (Filter(digest=DATA), ["2", "1"]),
        (Filter(site="press-line"), ["2"]),
        (Filter(site="gate"), []),
    ],
)
def test_versions_are_found_by(filled: Database, wanted: Filter, names: list[str]) -> None:
    with filled.reading() as connection:
        assert [one.name for one in search.listed(connection, wanted).versions] == names


def test_a_version_says_where_it_comes_from_and_where_it_runs(filled: Database) -> None:
    with filled.reading() as connection:
        found = search.version(connection, "meter-reader", "2")
    assert (found.parent, found.data_digest, found.sites) == ("1", DATA, {"press-line": 1})
    assert found.metrics == {"accuracy": 0.95}
    assert found.tags["team"] == "press"
    assert [one.digest for one in found.artifacts] == ["sha256:" + "2" * 64]


def test_an_alias_moves_and_goes(filled: Database) -> None:
    with filled.writing() as connection:
        search.name_alias(connection, "meter-reader", "champion", "1")
        assert search.version(connection, "meter-reader", "champion").name == "1"
        search.name_alias(connection, "meter-reader", "champion", "2")
        assert search.version(connection, "meter-reader", "champion").aliases == ["champion"]
        search.name_alias(connection, "meter-reader", "champion", "")
        with pytest.raises(NotFound):
            search.version(connection, "meter-reader", "champion")
        with pytest.raises(NotFound):
            search.name_alias(connection, "meter-reader", "champion", "9")


@pytest.mark.parametrize("wanted", [Filter(tag="team"), Filter(metric="accuracy"), Filter(metric="accuracy>=a.b")])
def test_a_question_that_asks_nothing_is_refused(filled: Database, wanted: Filter) -> None:
    with filled.reading() as connection, pytest.raises(BadInput):
        search.listed(connection, wanted)


def test_pages_of_versions_and_models(filled: Database) -> None:
    with filled.reading() as connection:
        first = search.listed(connection, Filter(), most=1)
        second = search.listed(connection, Filter(), most=1, after=int(first.next))
        models = search.listed_models(connection, search="meter")
        assert search.listed_models(connection, search="%").models == []
    assert [first.versions[0].name, second.versions[0].name, second.next] == ["2", "1", ""]
    assert [(one.name, one.versions, one.newest) for one in models.models] == [("meter-reader", 2, "2")]
