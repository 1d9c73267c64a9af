"""A tree in a bucket and on a web root: published whole, by one of two, or not at all."""

import base64
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgewise.core.releases import asked
from edgewise.core.releases.bucket import Bucket, Credentials
from edgewise.core.releases.dav import WebRoot
from edgewise.errors import NotAllowed, PublishedMeanwhile, TreeUnreachable
from fakes.releases import Releases
from fakes.webs import KEY, SECRET, Webs, _Answers, serving, weak

WAIT_S = 0.01
SITE = "press-line"
Place = Bucket | WebRoot


def place(kind: str, address: str, *, secret: str = SECRET, password: str = "", alone: bool = False) -> Place:
    if kind == "bucket":
        credentials = Credentials(key=KEY, secret=secret, token="session")
        return Bucket("s3://plant/our releases ü", credentials, endpoint=address, wait_s=WAIT_S)
    user = "publisher" if password else ""
    return WebRoot(f"{address}/releases", user, password, alone=alone, wait_s=WAIT_S)


@pytest.fixture(params=["bucket", "root"])
def server(request: pytest.FixtureRequest) -> Iterator[Webs]:
    with serving(request.param) as made:
        yield made


@pytest.fixture
def root() -> Iterator[Webs]:
    with serving("root") as made:
        yield made


def test_what_is_published_again_is_not_written_again(server: Webs, tmp_path: Path) -> None:
    with place(server.kind, server.address) as web:
        releases = Releases.make(tmp_path, SITE, web=web)
        for version in ("1", "2"):
            releases.publish(releases.release(version))
        there, writes = releases.desk().read(), server.writes
        assert len(there.site(SITE).targets) == 2
        releases.publish(releases.release("2"))
        assert releases.desk().read().timestamp.version == there.timestamp.version
        assert server.writes == writes


def test_of_two_who_publish_the_later_reads_again(
    server: Webs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with place(server.kind, server.address) as web, place(server.kind, server.address) as theirs:
        releases = Releases.make(tmp_path, SITE, web=web)
        releases.publish(releases.release("1"))
        other = Releases(theirs, releases.keys, releases.keyring, releases.site)
        swap, tries = web.swap, 0

        def late(path: str, old: bytes | None, new: bytes) -> None:
            nonlocal tries
            tries += 1
            if tries == 1:
                other.publish(releases.release("theirs"), at_once=True)
            swap(path, old, new)

        monkeypatch.setattr(web, "swap", late)
        mine = releases.publish(releases.release("mine"), at_once=True)
        assert tries == 2
        assert mine.removeprefix("sha256:") in str(releases.desk().read().site(SITE).targets)


def test_who_always_comes_late_is_told(server: Webs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with place(server.kind, server.address) as web, place(server.kind, server.address) as theirs:
        releases = Releases.make(tmp_path, SITE, web=web)
        other = Releases(theirs, releases.keys, releases.keyring, releases.site)
        swap, versions = web.swap, iter(range(100))

        def late(path: str, old: bytes | None, new: bytes) -> None:
            other.publish(releases.release(f"theirs-{next(versions)}"), at_once=True)
            swap(path, old, new)

        monkeypatch.setattr(web, "swap", late)
        with pytest.raises(PublishedMeanwhile):
            releases.publish(releases.release("mine"), at_once=True)
        assert releases.desk().read().site(SITE).targets


def test_a_wrong_secret_writes_nothing(server: Webs, tmp_path: Path) -> None:
    server.authorization = "Basic " + base64.b64encode(b"publisher:right").decode()
    with place(server.kind, server.address, secret="wrong", password="wrong") as web, pytest.raises(NotAllowed):
        Releases.make(tmp_path, SITE, web=web)
    assert not server.files


def test_a_server_that_stumbles_is_asked_again_and_one_that_lies_down_is_told(server: Webs, tmp_path: Path) -> None:
    with place(server.kind, server.address) as web:
        releases = Releases.make(tmp_path, SITE, web=web)
        server.fails = 3
        releases.publish(releases.release("1"))
        before, server.fails = dict(server.files), 1000
        with pytest.raises(TreeUnreachable):
            releases.publish(releases.release("2"))
        assert server.files == before


def test_a_write_whose_answer_is_lost_was_ours(server: Webs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with place(server.kind, server.address) as web:
        releases = Releases.make(tmp_path, SITE, web=web)
        releases.publish(releases.release("1"))
        swap = web.swap

        def lossy(path: str, old: bytes | None, new: bytes) -> None:
            server.loses = 1
            swap(path, old, new)

        monkeypatch.setattr(web, "swap", lossy)
        digest = releases.publish(releases.release("2"), at_once=True)
        assert server.loses == 0
        assert digest.removeprefix("sha256:") in str(releases.desk().read().site(SITE).targets)


@pytest.mark.parametrize("kind", ["bucket", "root"])
def test_nobody_there(kind: str, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with place(kind, f"http://127.0.0.1:{port}") as web, pytest.raises(TreeUnreachable):
        Releases.make(tmp_path, SITE, web=web)


def test_an_answer_without_end_is_not_read_to_its_end(server: Webs, tmp_path: Path) -> None:
    with place(server.kind, server.address) as web:
        releases = Releases.make(tmp_path, SITE, web=web)
        path = next(path for path in server.files if path.endswith("timestamp.json"))
        server.files[path] = b" " * (asked.MAX_BYTES + 1)
        with pytest.raises(TreeUnreachable, match="more than 8 MiB"):
            releases.desk().read()


def test_a_server_without_conditions_is_refused(server: Webs, tmp_path: Path) -> None:
    server.conditions = False
    with place(server.kind, server.address) as web, pytest.raises(TreeUnreachable):
        Releases.make(tmp_path, SITE, web=web)


def test_what_proves_a_server_is_taken_away_again(server: Webs, tmp_path: Path) -> None:
    with place(server.kind, server.address) as web:
        Releases.make(tmp_path, SITE, web=web)
    assert server.files
    assert not [path for path in server.files if "conditions" in path]


def test_it_stays_where_deleting_is_not_granted(server: Webs, tmp_path: Path) -> None:
    server.deletes = False
    with place(server.kind, server.address) as web:
        releases = Releases.make(tmp_path, SITE, web=web)
        releases.publish(releases.release("1"))
    assert len([path for path in server.files if "conditions" in path]) == 1


def test_another_who_takes_it_away_meanwhile_is_no_proof(
    server: Webs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken_away = []

    def written(self: _Answers, content: bytes) -> int | None:
        status = real(self, content)
        if "conditions" in self.path and len(taken_away) < 2:
            taken_away.append(server.files.pop(self.path))
        return status

    real = _Answers._written
    monkeypatch.setattr(_Answers, "_written", written)
    with place(server.kind, server.address) as web:
        Releases.make(tmp_path, SITE, web=web)
    assert len(taken_away) == 2


def test_folders_that_a_web_root_wants_first_are_made(root: Webs, tmp_path: Path) -> None:
    root.collections = {""}
    with place("root", root.address) as web:
        releases = Releases.make(tmp_path, SITE, web=web)
        releases.publish(releases.release("1"))
        assert releases.desk().read().site(SITE).targets
    assert "/releases/metadata" in root.collections


@pytest.mark.parametrize("tag", [weak, lambda content: ""], ids=["weak", "none"])
def test_without_strong_tags_nobody_publishes_but_alone(root: Webs, tmp_path: Path, tag) -> None:
    root.tag = tag
    with place("root", root.address) as web:
        releases = Releases.make(tmp_path, SITE, web=web)
        with pytest.raises(TreeUnreachable, match="strong ETag"):
            releases.publish(releases.release("1"))
    with place("root", root.address, alone=True) as web:
        alone = Releases(web, releases.keys, releases.keyring, releases.site)
        alone.publish(releases.release("1"))
        assert len(alone.desk().read().site(SITE).targets) == 1
