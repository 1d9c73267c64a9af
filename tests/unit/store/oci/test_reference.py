"""Names of images."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgewise.errors import BadReference
from edgewise.store.oci.reference import InLayout, InRegistry, check_name, parse

DIGEST = "sha256:" + "0123456789abcdef" * 4
PART = st.from_regex(r"[a-z0-9]{1,8}((\.|_|__|-)[a-z0-9]{1,8}){0,2}", fullmatch=True)
TAG = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,20}", fullmatch=True)
HOST = st.one_of(
    st.from_regex(r"[a-z][a-z0-9]{0,8}(\.[a-z][a-z0-9]{0,8}){1,2}", fullmatch=True),
    st.builds(lambda name, port: f"{name}:{port}", st.from_regex(r"[a-z]{1,9}", fullmatch=True), st.integers(1, 65535)),
    st.sampled_from(["localhost", "[::1]:5000", "127.0.0.1:5000"]),
)
DIGESTS = st.one_of(st.just(""), st.binary(min_size=32, max_size=32).map(lambda raw: f"sha256:{raw.hex()}"))


@given(HOST, st.lists(PART, min_size=1, max_size=3), TAG, DIGESTS)
def test_a_name_in_a_registry_is_read_as_it_is_written(host: str, parts: list[str], tag: str, digest: str) -> None:
    found = InRegistry(host=host, repository="/".join(parts), tag=tag, digest=digest)
    assert parse(str(found)) == found
    assert found.name == (digest or tag)


@given(st.from_regex(r"/?[A-Za-z0-9 ._-]{1,9}(/[A-Za-z0-9@ ._-]{1,9}){0,3}", fullmatch=True), TAG, DIGESTS)
def test_a_name_in_a_folder_is_read_as_it_is_written(folder: str, tag: str, digest: str) -> None:
    tag = tag.strip("._-") or "x"
    try:
        check_name(tag)
    except BadReference:
        return
    found = InLayout(folder=folder, tag=tag, digest=digest)
    assert parse(str(found)) == found


@given(st.text(max_size=60))
def test_any_text_is_a_name_or_a_bad_reference(text: str) -> None:
    try:
        found = parse(text)
    except BadReference as error:
        found, hint = None, error.hint
    if found is None:
        assert hint
    else:
        assert parse(str(found)) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (
            "registry.example:5000/team/app",
            InRegistry(host="registry.example:5000", repository="team/app", tag="latest"),
        ),
        (
            f"registry.example:5000/team/app:tag@{DIGEST}",
            InRegistry(host="registry.example:5000", repository="team/app", tag="tag", digest=DIGEST),
        ),
        (f"docker.io/debian@{DIGEST}", InRegistry(host="docker.io", repository="debian", digest=DIGEST)),
        ("localhost/app:1", InRegistry(host="localhost", repository="app", tag="1")),
        ("oci:/media/usb:app", InLayout(folder="/media/usb", tag="app")),
        ("oci:images", InLayout(folder="images")),
        ("./folder", InLayout(folder="./folder")),
        ("/a/b:registry.example:5000/app:1", InLayout(folder="/a/b", tag="registry.example:5000/app:1")),
        (f"oci:/a@{DIGEST}", InLayout(folder="/a", digest=DIGEST)),
    ],
)
def test_examples(text: str, found: InRegistry | InLayout) -> None:
    assert parse(text) == found


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "names no registry"),
        ("app:1", "names no registry"),
        ("team/app:1", "names no registry"),
        ("docker://registry.example/app", "begins with docker://"),
        ("oci://registry.example/app", "begins with oci://"),
        ("oci:", "names no folder"),
        ("registry.example/App:1", "cannot be a repository"),
        ("registry.example/app:", "cannot be a tag"),
        ("registry.example/../etc:1", "cannot be a repository"),
        ("registry.example:99999/app", "is no host"),
        ("registry.example/app@sha512:" + "0" * 128, "is no digest"),
        ("registry.example/app@sha256:abc", "is no digest"),
        ("user@registry.example/app", "is no host"),
        ("oci:/a:b c", "cannot name an image"),
    ],
)
def test_what_is_no_name_is_said(text: str, said: str) -> None:
    with pytest.raises(BadReference, match=said):
        parse(text)
