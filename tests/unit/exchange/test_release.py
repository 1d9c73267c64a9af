"""A release's document: what is written is read, and what is not one is refused."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgewise.errors import BadMessage
from edgewise.exchange import release
from edgewise.exchange.release import Allowance, Chosen, Part, PartKind, Release, Strategy

DIGEST = "sha256:" + "a" * 64
digests = st.text("0123456789abcdef", min_size=64, max_size=64).map(lambda digits: f"sha256:{digits}")
names = st.from_regex(r"[a-z0-9](?:[a-z0-9-]{0,20}[a-z0-9])?", fullmatch=True)
texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=60)
sizes = st.integers(0, 1 << 53)
parts = st.builds(Part, name=names, kind=st.sampled_from(PartKind), digest=digests, size_bytes=sizes, source=texts)
amounts = st.none() | st.floats(0, 1e12)
releases = st.builds(
    Release,
    site=names,
    version=texts,
    strategy=st.sampled_from(Strategy),
    parts=st.lists(parts, min_size=1, max_size=4, unique_by=lambda part: part.name).map(tuple),
    model_name=names,
    model_version=names,
    model_digest=digests,
    allowance=st.builds(
        Allowance,
        latency_p99_ms=amounts,
        memory_bytes=st.none() | sizes,
        disk_bytes=st.none() | sizes,
        error_share=st.floats(0, 1),
    ),
    design=st.none()
    | st.builds(
        Chosen,
        name=texts,
        machine=texts,
        accelerator=texts,
        on_cpu=st.booleans(),
        runtime=texts,
        threads=st.integers(0, 512),
        memory_bytes=st.none() | sizes,
    ),
    settings=st.dictionaries(texts, texts, max_size=3),
    soak_s=st.floats(0, 1e6),
    created_s=sizes,
)


def example(**changes: object) -> Release:
    part = Part(name="model", kind=PartKind.MODEL, digest=DIGEST, size_bytes=10, source="registry.example/m")
    given = {
        "site": "press-line",
        "version": "meter-reader 1",
        "strategy": Strategy.EXTERNAL,
        "parts": (part,),
        "model_name": "meter-reader",
        "model_version": "1",
        "model_digest": DIGEST,
    }
    return Release(**{**given, **changes})  # type: ignore[arg-type]


@given(releases)
def test_what_is_written_is_read(made: Release) -> None:
    assert release.read(release.written(made)) == made
    assert release.written(release.read(release.written(made))) == release.written(made)


def test_its_name_is_the_digest_of_its_bytes() -> None:
    one, other = example(), example(version="meter-reader 2")
    assert release.digest(release.written(one)) == release.digest(release.written(example()))
    assert release.digest(release.written(one)) != release.digest(release.written(other))


@pytest.mark.parametrize(
    ("field", "value", "word"),
    [
        ("site", "Press Line", "site"),
        ("site", None, "site"),
        ("strategy", "modelcart", "modelcar"),
        ("parts", [], "parts"),
        ("parts", [{"name": "m", "kind": "model", "digest": "sha256:1", "size_bytes": 1, "source": ""}], "digest"),
        ("soak_s", -1, "soak_s"),
        ("soak_s", "5", "soak_s"),
        ("created_s", True, "created_s"),
        ("settings", {"A": 1}, "settings"),
        ("design", "int8", "design"),
        ("design", {"name": "int8", "machine": "this", "accelerator": "cpu", "runtime": "x", "threads": -1}, "threads"),
        ("model", {"name": "", "version": "", "digest": ""}, "names it"),
        ("apiVersion", "edgewise/v2", "apiVersion"),
        ("kind", "Report", "kind"),
    ],
)
def test_what_is_wrong_is_named(field: str, value: object, word: str) -> None:
    document = json.loads(release.written(example()))
    document[field] = value
    with pytest.raises(BadMessage, match=word):
        release.read(json.dumps(document).encode())


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"{",
        b"\xff",
        b'{"kind":"Release","kind":"Release"}',
        b"[" * 100_000,
        b" " * (release.LIMIT_BYTES + 1),
    ],
    ids=["empty", "list", "broken", "no text", "twice", "deep", "long"],
)
def test_what_is_no_document_is_refused(content: bytes) -> None:
    with pytest.raises(BadMessage):
        release.read(content)


@given(st.binary(max_size=300))
def test_bytes_from_anywhere_are_refused_in_a_sentence(content: bytes) -> None:
    with pytest.raises(BadMessage):
        release.read(content)


def test_two_parts_of_one_name_are_refused() -> None:
    part = example().parts[0]
    with pytest.raises(BadMessage, match="different names"):
        release.read(release.written(example(parts=(part, part))))
