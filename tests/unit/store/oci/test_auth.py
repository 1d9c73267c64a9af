"""Who we are to a registry, and who hears it."""

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgewise.errors import BadConfiguration, NotAllowed
from edgewise.store.oci import retry
from edgewise.store.oci.auth import Challenge, Credentials, challenges, choose, credentials, files
from edgewise.store.oci.copy import copy
from edgewise.store.oci.layout import Layout
from edgewise.store.oci.registry import Registry
from edgewise.store.oci.transport import Transport, is_loopback
from fakes import images
from fakes.registries import FakeRegistry, Fault

Connect = Callable[..., Registry]


def entry(user: str, password: str = "secret") -> dict[str, str]:
    return {"auth": base64.b64encode(f"{user}:{password}".encode()).decode()}


def test_the_usual_places_in_the_usual_order(tmp_path: Path) -> None:
    home, run = tmp_path / "home", tmp_path / "run"
    environment = {"HOME": str(home), "XDG_RUNTIME_DIR": str(run)}
    places = [run / "containers/auth.json", home / ".config/containers/auth.json", home / ".docker/config.json"]
    assert files(environment) == places
    assert credentials("registry.example", "app", environment) is None
    for place in reversed(places):
        place.parent.mkdir(parents=True)
        place.write_text(json.dumps({"auths": {"registry.example": entry(place.name + place.parent.name)}}))
        found = credentials("registry.example", "app", environment)
        assert found is not None
        assert (found.user, found.password, found.where) == (place.name + place.parent.name, "secret", str(place))
    assert credentials("other.example", "app", environment) is None
    only = tmp_path / "auth.json"
    only.write_text(json.dumps({"auths": {}}))
    assert credentials("registry.example", "app", environment | {"REGISTRY_AUTH_FILE": str(only)}) is None


def test_the_most_specific_entry_wins() -> None:
    auths = {"h.example": entry("host"), "h.example/team": entry("team"), "h.example/team/app": entry("app")}
    for repository, user in {"team/app": "app", "team/other": "team", "app": "host", "teams": "host"}.items():
        found = choose({"auths": auths}, "h.example", repository, "file")
        assert found is not None
        assert found.user == user


def test_docker_writes_its_hub_otherwise() -> None:
    found = choose({"auths": {"https://index.docker.io/v1/": entry("me")}}, "docker.io", "library/debian", "file")
    assert found is not None
    assert found.user == "me"
    assert choose({"auths": {"https://index.docker.io/v1/": entry("me")}}, "other.example", "debian", "file") is None


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({"auths": {"h.example": {"auth": "no base64"}}}, "is damaged"),
        ({"auths": {"h.example": {"auth": "bm9jb2xvbg=="}}}, "is damaged"),
        ({"credHelpers": {"h.example": "pass"}}, "credential helper 'pass'"),
        ({"auths": {"h.example": {}}, "credsStore": "desktop"}, "credential helper 'desktop'"),
    ],
)
def test_what_cannot_be_used_is_said(document: dict[str, object], said: str) -> None:
    with pytest.raises(BadConfiguration, match=said):
        choose(document, "h.example", "app", "file")


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b"[" * 9999, b" " * (2 << 20)])
def test_a_file_that_is_none_is_said(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "auth.json"
    path.write_bytes(content)
    with pytest.raises(BadConfiguration, match="is no JSON object"):
        credentials("h.example", "app", {"REGISTRY_AUTH_FILE": str(path)})


def test_challenges_are_read() -> None:
    found = challenges(
        [
            'Basic realm="x"',
            'Bearer realm="https://a.example/token",service="s e",scope="repository:a:pull,push"',
            "New x=y",
        ]
    )
    assert found == [
        Challenge(scheme="bearer", realm="https://a.example/token", service="s e", scope="repository:a:pull,push"),
        Challenge(scheme="basic", realm="x"),
    ]


def test_what_is_secret_is_not_shown() -> None:
    assert "hunter2" not in repr(Credentials(user="me", password="hunter2", identity_token="hunter2"))


@pytest.fixture
def login(fake: FakeRegistry, tmp_path: Path) -> dict[str, str]:
    """An environment whose auth.json fits the fake registry, which wants it."""
    fake.password = "me:secret"
    path = tmp_path / "auth.json"
    path.write_text(json.dumps({"auths": {fake.host: entry("me")}}))
    return {"REGISTRY_AUTH_FILE": str(path)}


@pytest.mark.parametrize("basic_only", [True, False])
def test_a_registry_that_wants_a_login(
    layout: Layout, connect: Connect, fake: FakeRegistry, login: dict[str, str], basic_only: bool
) -> None:
    fake.basic_only = basic_only
    made = images.image(layout, "app:1")
    copy(layout, connect(environment=login), "app:1", to="1")
    assert connect(environment=login).resolve("1").digest == made.digest
    if not basic_only:
        scopes = fake.lines("^GET /token")
        assert any("repository%3Ateam%2Fapp%3Apull%2Cpush" in line for line in scopes)
        assert all("service=fake" in line for line in scopes)
    with pytest.raises(NotAllowed) as caught:
        connect().resolve("1")
    assert caught.value.exit_code == 45
    assert f"skopeo login {fake.host}" in caught.value.hint


def test_a_token_that_ran_out_is_asked_for_again(
    layout: Layout, connect: Connect, fake: FakeRegistry, login: dict[str, str]
) -> None:
    images.image(layout, "app:1")
    registry = connect(environment=login)
    copy(layout, registry, "app:1", to="1")
    before = len(fake.lines("^GET /token"))
    registry.resolve("1")
    fake.faults = [
        Fault("GET .*manifests", status=401, headers={"WWW-Authenticate": f'Bearer realm="http://{fake.host}/token"'})
    ]
    registry.resolve("1")
    assert len(fake.lines("^GET /token")) in (before + 1, before + 2)


def test_a_wrong_password_is_said_without_it(connect: Connect, fake: FakeRegistry, login: dict[str, str]) -> None:
    fake.password = "me:another"
    with pytest.raises(NotAllowed) as caught:
        connect(environment=login).resolve("1")
    assert login["REGISTRY_AUTH_FILE"] in caught.value.message
    assert "secret" not in caught.value.message


def test_a_login_never_follows_to_another_host(
    layout: Layout, other: Layout, connect: Connect, fake: FakeRegistry, login: dict[str, str]
) -> None:
    """Registries send blobs from elsewhere; 127.0.0.1 and localhost are two hosts."""
    images.image(layout, "app:1")
    copy(layout, connect(environment=login), "app:1", to="1")
    with FakeRegistry() as elsewhere:
        elsewhere.blobs = dict(fake.blobs)
        fake.faults = [
            Fault(
                f"GET (?P<p>.*/blobs/{digest})",
                status=307,
                headers={"Location": f"http://{elsewhere.host}/v2/{where}/blobs/{digest}"},
            )
            for where, digest in fake.blobs
        ]
        copy(connect(environment=login), other, "1")
        assert elsewhere.asked
        assert not any("Authorization" in one.headers for one in elsewhere.asked)


@pytest.mark.parametrize(
    ("host", "plain_http", "base"),
    [
        ("registry.example", None, "https://registry.example"),
        ("registry.example:5000", True, "http://registry.example:5000"),
        ("127.0.0.1:5000", None, "http://127.0.0.1:5000"),
        ("[::1]:5000", None, "http://[::1]:5000"),
        ("localhost:5000", None, "http://localhost:5000"),
        ("localhost:5000", False, "https://localhost:5000"),
        ("localhost.example", None, "https://localhost.example"),
        ("10.0.0.1:5000", None, "https://10.0.0.1:5000"),
        ("docker.io", None, "https://registry-1.docker.io"),
    ],
)
def test_plain_http_only_to_this_machine_or_when_asked(host: str, plain_http: bool | None, base: str) -> None:
    transport = Transport(host, plain_http=plain_http)
    assert transport.base == base
    transport.close()
    assert is_loopback(host) is (host.startswith(("127.", "[::1]", "localhost:")))


@given(st.integers(1, 100), st.none() | st.floats(0, 1e6), st.floats(0, 1))
def test_a_pause_is_never_shorter_than_asked_for_nor_longer_than_needed(
    failures: int, asked: float | None, chance: float
) -> None:
    pause = retry.pause_s(failures, asked, chance)
    assert pause >= (asked or 0)
    assert pause <= max(asked or 0, retry.LONGEST_S)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7.0),
        (" 120 ", 120.0),
        ("Wed, 25 Nov 2026 00:00:30 GMT", 30.0),
        ("Wed, 25 Nov 2015 00:00:30 GMT", 0.0),
        ("soon", None),
        ("", None),
        (None, None),
        ("-3", None),
    ],
)
def test_retry_after(header: str | None, seconds: float | None) -> None:
    assert retry.asked_s(header, datetime(2026, 11, 25, tzinfo=UTC)) == seconds


def test_only_the_registry_itself_is_answered_who_we_are(
    layout: Layout, other: Layout, connect: Connect, fake: FakeRegistry, login: dict[str, str]
) -> None:
    """Where it sends us on to may ask, and hears nothing."""
    images.image(layout, "app:1")
    copy(layout, connect(environment=login), "app:1", to="1")
    with FakeRegistry() as elsewhere:
        elsewhere.password = "me:secret"
        to = {"Location": f"http://{elsewhere.host}/v2/team/app/blobs/sha256:{'0' * 64}"}
        fake.faults = [Fault("GET .*/blobs/", times=9, status=307, headers=to)]
        with pytest.raises(NotAllowed):
            copy(connect(environment=login), other, "1")
        assert elsewhere.lines("/blobs/")
        assert elsewhere.lines("/token") == []
