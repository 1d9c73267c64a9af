"""Interrupted at every write, a full disk, and two at once: the old tree or the new one, for devices old and new."""

import errno
import multiprocessing
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from edgewise.core.releases import keys, publish
from edgewise.core.releases.found import found
from edgewise.core.releases.keys import Keyring
from edgewise.core.releases.rotate import key_ids, rotate
from edgewise.core.releases.web import Folder
from edgewise.errors import BadKey, Busy, EdgewiseError, PublishedMeanwhile, StoreFull, StoreUnusable
from fakes.dying_disk import DyingDisk, Killed
from fakes.releases import Releases

MOST_WRITES = 150
Work = Callable[[Releases], object]


def offering(made: Releases) -> None:
    made.publish(made.release("2"), at_once=True)


def signing_again(made: Releases) -> None:
    publish.sign_again(made.desk())


def adding(made: Releases) -> None:
    if "site-gate" not in made.desk().read().sites:
        publish.add_site(made.desk(), "gate", "")


def rotating(role: str) -> Work:
    def work(made: Releases) -> None:
        rotate(made.desk(), role, "", leaving=key_ids(made.desk().read())[role][1][:1])

    work.__name__ = f"rotating_{role}"
    return work


@pytest.mark.parametrize(
    ("work", "code"),
    [
        (offering, None),
        (offering, errno.ENOSPC),
        (signing_again, None),
        (signing_again, errno.EIO),
        (adding, None),
        (rotating("online"), None),
        (rotating("root"), None),
        (rotating("root"), errno.ENOSPC),
        (rotating("site-press-line"), None),
    ],
    ids=lambda value: value.__name__ if callable(value) else str(value),
)
def test_old_or_new_at_every_write(tmp_path: Path, work: Work, code: int | None) -> None:
    for at in range(1, MOST_WRITES):
        here = tmp_path / f"{at}"
        made = Releases.make(here, "press-line")
        first = made.publish(made.release("1"))
        with made.follower(here / "device") as device:
            device.follow()
        disk = DyingDisk(at, code)
        said: type[BaseException] | None = None
        with pytest.MonkeyPatch.context() as patch:
            disk.install(patch)
            try:
                work(made)
            except (Killed, EdgewiseError) as error:
                said = type(error)
        assert said in (None, {None: Killed, errno.ENOSPC: StoreFull, errno.EIO: StoreUnusable}[code]), at
        for folder in ("device", "fresh"):
            with made.follower(here / folder) as device:
                offers = device.follow().offers
                assert len(offers) == 1, at
                (digest,) = offers
                assert digest == first or work is offering
                assert device.release(digest)[0].version in ("1", "2")
        made.keyring = type(made.keyring)(made.keys, lambda _: "")
        work(made)
        with made.follower(here / "device") as device:
            assert device.follow().offers
        if not disk.reached:
            break
    else:
        pytest.fail(f"more than {MOST_WRITES} writes")
    assert at > 5


def test_a_founding_goes_on_where_it_was_interrupted(tmp_path: Path) -> None:
    def make(here: Path) -> Releases:
        return Releases.make(here, "press-line", root_keys=1, root_threshold=1)

    for at in range(1, MOST_WRITES):
        here = tmp_path / f"{at}"
        disk = DyingDisk(at, errno.ENOSPC if at % 2 else None)
        founded = True
        with pytest.MonkeyPatch.context() as patch:
            disk.install(patch)
            try:
                make(here)
            except (Killed, StoreFull):
                founded = False
        there = {path.name: path.read_bytes() for path in here.glob("keys/*.key")}
        if not (here / "tree/metadata/timestamp.json").exists():
            assert not founded
            make(here)
        assert {name: (here / "keys" / name).read_bytes() for name in there} == there, "no key is made twice"
        made = Releases(Folder(here / "tree"), here / "keys", Keyring(here / "keys", lambda _: ""), "press-line")
        with made.follower(here / "device") as device:
            assert device.follow().offers == {}
        with pytest.raises(BadKey, match="already"):
            make(here)
        if not disk.reached:
            break
    else:
        pytest.fail(f"more than {MOST_WRITES} writes")
    assert at > 20


def test_a_founding_goes_on_with_no_other_s_keys(tmp_path: Path) -> None:
    Releases.make(tmp_path / "other", "press-line")
    with pytest.raises(BadKey, match="already"):
        found(Folder(tmp_path / "tree"), tmp_path / "other/keys", ("press-line",), "", now_s=time.time())
    keys.make(tmp_path / "keys", "root-1", "")
    with pytest.raises(BadKey, match="not locked in the same way"):
        found(Folder(tmp_path / "tree"), tmp_path / "keys", ("press-line",), "a passphrase", now_s=time.time())
    keys.make(tmp_path / "locked", "root-1", "another")
    with pytest.raises(BadKey, match="does not open"):
        found(Folder(tmp_path / "tree"), tmp_path / "locked", ("press-line",), "a passphrase", now_s=time.time())
    (tmp_path / "tree/metadata").mkdir(parents=True)
    left = tmp_path / "tree/metadata/1.root.json"
    for content in (b"{}", (tmp_path / "other/keys/root.json").read_bytes()):
        left.write_bytes(content)
        with pytest.raises(PublishedMeanwhile):
            found(Folder(tmp_path / "tree"), tmp_path / "keys", ("press-line",), "", now_s=time.time())
    assert not (tmp_path / "tree/metadata/timestamp.json").exists()


def publish_many(folder: str, name: str, codes: "multiprocessing.Queue[list[str]]") -> None:
    here = Path(folder)
    made = Releases(Folder(here / "tree"), here / "keys", Keyring(here / "keys", lambda _: ""), "press-line")
    said = []
    for number in range(8):
        try:
            made.publish(made.release(f"{name}{number}"), at_once=True)
        except (Busy, PublishedMeanwhile) as error:
            said.append(type(error).__name__)
        else:
            said.append("done")
    codes.put(said)


def test_two_publishers_at_once_never_mix(tmp_path: Path) -> None:
    made = Releases.make(tmp_path, "press-line")
    context = multiprocessing.get_context("spawn")
    codes = context.Queue()
    both = [context.Process(target=publish_many, args=(str(tmp_path), name, codes)) for name in "ab"]
    for one in both:
        one.start()
    said = [word for _ in both for word in codes.get(timeout=60)]
    for one in both:
        one.join(60)
    assert set(said) <= {"done", "Busy", "PublishedMeanwhile"}
    with made.follower(tmp_path / "device") as device:
        followed = device.follow()
    assert followed.version == 1 + said.count("done")
    assert len(followed.offers) == 1
    assert said.count("done") >= 8
