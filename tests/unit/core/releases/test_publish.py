"""Publishing to a folder, and following it with TUF's own client."""

import time
from pathlib import Path

import pytest

from edgewise.core.releases import publish
from edgewise.errors import BadKey, NotFound, NotTrusted, RolloutRefused
from edgewise.exchange.offer import Offered, Stage, Standing, due
from edgewise.exchange.release import written
from fakes.releases import Releases


@pytest.fixture
def made(tmp_path: Path) -> Releases:
    return Releases.make(tmp_path, "press-line", "gate")


def test_a_device_sees_what_was_published(made: Releases, tmp_path: Path) -> None:
    first = made.release("1")
    digest = made.publish(first)
    with made.follower(tmp_path / "device") as device:
        followed = device.follow()
        assert followed.offers == {digest: Offered(standing=Standing.STABLE)}
        assert due("d" * 32, {}, followed.offers) == digest
        assert device.release(digest) == (first, written(first))
        assert followed.sizes[digest] == len(written(first))
        assert followed.expires_s > time.time() + 6 * 86400


def test_the_second_waits_for_its_rollout(made: Releases, tmp_path: Path) -> None:
    first, second = made.publish(made.release("1")), made.publish(made.release("2"))
    with made.follower(tmp_path / "device") as device:
        before = device.follow()
        assert {due(f"{number:032x}", {"ring": "canary"}, before.offers) for number in range(50)} == {first}
        made.offer(second, Offered(standing=Standing.CANDIDATE, stage=Stage(percent=100)))
        after = device.follow()
        assert due("0" * 32, {}, after.offers) == second
        assert after.version == before.version + 1


def test_at_once_takes_the_place_of_the_stable_one(made: Releases, tmp_path: Path) -> None:
    made.publish(made.release("1"))
    waiting = made.publish(made.release("2"))
    third = made.publish(made.release("3"), at_once=True)
    with made.follower(tmp_path / "device") as device:
        assert list(device.follow().offers) == [third]
    assert made.publish(made.release("2")) == waiting
    assert made.publish(made.release("2"), at_once=True) == waiting
    with made.follower(tmp_path / "device") as device:
        assert list(device.follow().offers) == [waiting]


def test_publishing_twice_changes_nothing(made: Releases) -> None:
    made.publish(made.release("1"))
    before = {path: path.read_bytes() for path in made.folder.rglob("*") if path.is_file()}
    made.publish(made.release("1"))
    assert {path: path.read_bytes() for path in made.folder.rglob("*") if path.is_file()} == before


def test_what_was_withdrawn_or_is_under_way_is_refused(made: Releases) -> None:
    made.publish(made.release("1"))
    second = made.publish(made.release("2"))
    made.offer(second, Offered(standing=Standing.CANDIDATE, stage=Stage(percent=5)))
    with pytest.raises(RolloutRefused, match="under way"):
        made.publish(made.release("3"))
    made.offer(second, Offered(standing=Standing.WITHDRAWN))
    with pytest.raises(RolloutRefused, match="was withdrawn"):
        made.publish(made.release("2"), at_once=True)
    made.publish(made.release("3"))


def test_sites_know_nothing_of_each_other(made: Releases, tmp_path: Path) -> None:
    made.publish(made.release("1"))
    gate = made.publish(made.release("1", site="gate"))
    with made.follower(tmp_path / "device") as device:
        device.follow()
        with pytest.raises(NotTrusted, match="offered no release"):
            device.release(gate)
    with pytest.raises(NotFound, match="no site quay"):
        made.publish(made.release("1", site="quay"))


def test_a_tree_is_not_founded_twice(made: Releases, tmp_path: Path) -> None:
    with pytest.raises(BadKey, match="already"):
        Releases.make(tmp_path, "press-line")


def test_no_two_timestamps_within_a_second_look_alike_to_a_web_server(tmp_path: Path) -> None:
    """Nginx makes an entity tag of the whole seconds of a file's time and of its length."""
    made = Releases.make(tmp_path, "press-line")
    path, tags = made.folder / "metadata/timestamp.json", []
    for _ in range(4):
        publish.sign_again(made.desk())
        tags.append((int(path.stat().st_mtime) // 2, path.stat().st_size))
    assert len(set(tags)) == len(tags)
