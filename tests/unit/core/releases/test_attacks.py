"""What an attacker who serves the files can do, from TUF's own list; and keys that leave."""

import json
import shutil
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import Metadata

from edgewise.core.releases import publish
from edgewise.core.releases.keys import Keyring
from edgewise.core.releases.rotate import key_ids, rotate
from edgewise.errors import BadKey, BelowThreshold, MetadataExpired, NotTrusted, TreeUnreachable
from edgewise.exchange.offer import Standing
from fakes.releases import Releases


@pytest.fixture
def made(tmp_path: Path) -> Releases:
    made = Releases.make(tmp_path, "press-line")
    made.publish(made.release("1"))
    return made


def versions(made: Releases, device: Path) -> int:
    with made.follower(device) as follower:
        return follower.follow().version


def refused(made: Releases, device: Path, kind: type[Exception], match: str | None = None) -> None:
    with made.follower(device) as follower, pytest.raises(kind, match=match):
        follower.follow()


def forge(made: Releases, path: Path, signer: CryptoSigner, **fields: object) -> None:
    """Sign what stands at `path` with another key, with `fields` changed."""
    document = Metadata.from_bytes(path.read_bytes())
    for name, value in fields.items():
        setattr(document.signed, name, value)
    document.signatures.clear()
    document.sign(signer)
    path.write_bytes(document.to_bytes())


def test_rollback_is_refused_and_what_was_known_stays(made: Releases, tmp_path: Path) -> None:
    old = tmp_path / "old"
    shutil.copytree(made.folder, old)
    second = made.publish(made.release("2"), at_once=True)
    assert versions(made, tmp_path / "device") == 3
    shutil.rmtree(made.folder)
    shutil.copytree(old, made.folder)
    refused(made, tmp_path / "device", NotTrusted, "version")
    assert second in (tmp_path / "device/site-press-line.json").read_text().replace(second[7:], second)


def test_freeze_ends_when_the_timestamp_expires(tmp_path: Path) -> None:
    made = Releases.make(tmp_path, "press-line")
    publish.sign_again(made.desk(after_s=-8 * 86400))
    refused(made, tmp_path / "device", MetadataExpired, "timestamp")
    publish.sign_again(made.desk())
    assert versions(made, tmp_path / "device") == 1


@pytest.mark.parametrize("role", ["targets", "site-press-line", "snapshot"])
def test_what_expired_is_refused_until_it_is_signed_again(made: Releases, tmp_path: Path, role: str) -> None:
    from edgewise.core.releases.roles import Lifetimes

    now = time.time()
    short = Lifetimes(**{{"site-press-line": "site"}.get(role, role): 1 / 86400})
    desk = publish.Desk(web=made.web, root=made.root, keyring=made.keyring, now_s=now - 60, lifetimes=short)
    if role == "targets":
        publish.add_site(desk, "gate", "")
    publish.renew(desk, "press-line")
    publish.sign_again(made.desk()) if role != "snapshot" else None
    if role == "targets":
        rotate_back = made.desk()
        refused(made, tmp_path / "device", MetadataExpired, "targets")
        publish.add_site(rotate_back, "quay", "")
    else:
        refused(made, tmp_path / "device", MetadataExpired, role.removeprefix("site-"))
        publish.renew(made.desk(), "press-line")
    assert versions(made, tmp_path / "device") > 0


def test_mix_and_match_is_refused(made: Releases, tmp_path: Path) -> None:
    made.publish(made.release("2"), at_once=True)
    newest = sorted(
        (made.folder / "metadata").glob("*.site-press-line.json"), key=lambda path: int(path.name.split(".")[0])
    )
    newest[-1].write_bytes(newest[-2].read_bytes())
    refused(made, tmp_path / "device", NotTrusted)


def test_endless_data_is_refused(made: Releases, tmp_path: Path) -> None:
    snapshot = max((made.folder / "metadata").glob("*.snapshot.json"), key=lambda path: int(path.name.split(".")[0]))
    snapshot.write_bytes(snapshot.read_bytes() + b" " * 100_000)
    refused(made, tmp_path / "device", NotTrusted, "more than was signed")
    (made.folder / "metadata/timestamp.json").write_bytes(b"{" * 5_000_000)
    refused(made, tmp_path / "other", NotTrusted)


@pytest.mark.parametrize("name", ["timestamp.json", "2.root.json"])
def test_a_wrong_signer_is_refused(made: Releases, tmp_path: Path, name: str) -> None:
    path = made.folder / "metadata" / name
    if name == "2.root.json":
        path.write_bytes((made.folder / "metadata/1.root.json").read_bytes())
        forge(made, path, CryptoSigner.generate_ed25519(), version=2)
    else:
        forge(made, path, CryptoSigner.generate_ed25519(), version=9)
    refused(made, tmp_path / "device", NotTrusted)
    with pytest.raises(NotTrusted, match="cannot be trusted"):
        made.publish(made.release("2"))


def test_a_site_s_key_cannot_sign_for_another_site(tmp_path: Path) -> None:
    made = Releases.make(tmp_path, "press-line", "gate")
    other = next(iter(key_ids(made.desk().read())["site-gate"][1]))
    signer = made.keyring.signers("site-gate", [other], 1)[0]
    site = made.folder / "metadata/1.site-press-line.json"
    forge(made, site, signer)
    refused(made, tmp_path / "device", NotTrusted)


def test_a_changed_release_is_refused(made: Releases, tmp_path: Path) -> None:
    (path,) = (made.folder / "targets/press-line").iterdir()
    path.write_bytes(path.read_bytes().replace(b'"version":"1"', b'"version":"2"'))
    with made.follower(tmp_path / "device") as follower:
        (digest,) = follower.follow().offers
        with pytest.raises(NotTrusted):
            follower.release(digest)


def test_a_tree_that_is_not_there_is_said(made: Releases, tmp_path: Path) -> None:
    nowhere = (tmp_path / "nowhere").as_uri()
    with (
        made.follower(tmp_path / "device", base=nowhere) as follower,
        pytest.raises(TreeUnreachable, match="nowhere"),
    ):
        follower.follow()


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_no_change_of_any_byte_is_accepted(data: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
    """One byte of one file is another: refused, or the same is understood as before (a space in the envelope)."""
    folder = tmp_path_factory.getbasetemp() / "one-byte"
    if not folder.exists():
        made = Releases.make(folder, "press-line")
        made.publish(made.release("1"))
    made = Releases(publish_web(folder), folder / "keys", Keyring(folder / "keys", lambda _: ""), "press-line")
    files = sorted(path for path in made.folder.rglob("*.json"))
    path = data.draw(st.sampled_from(files))
    content = path.read_bytes()
    at = data.draw(st.integers(0, len(content) - 1))
    byte = data.draw(st.integers(0, 255))
    with made.follower(tmp_path_factory.mktemp("device")) as device:
        truth = device.follow()
        document = device.release(next(iter(truth.offers)))
    try:
        path.write_bytes(content[:at] + bytes([byte]) + content[at + 1 :])
        with made.follower(tmp_path_factory.mktemp("device")) as device:
            try:
                found = device.follow()
                release = device.release(next(iter(found.offers)))
            except (NotTrusted, TreeUnreachable, MetadataExpired):
                return
            assert (found, release) == (truth, document)
    finally:
        path.write_bytes(content)


def publish_web(folder: Path):
    from edgewise.core.releases.web import Folder

    return Folder(folder / "tree")


@pytest.mark.parametrize("role", ["root", "targets", "online", "site-press-line"])
@pytest.mark.parametrize("lost", [False, True])
def test_devices_follow_a_rotation_and_the_old_key_is_worth_nothing(
    made: Releases, tmp_path: Path, role: str, lost: bool
) -> None:
    before = made.desk().read()
    threshold, ids = key_ids(before)[role]
    versions(made, tmp_path / "old")
    new = rotate(made.desk(), role, "", leaving=ids[:1], lost=lost)
    after_threshold, after = key_ids(made.desk().read())[role]
    assert (after_threshold, set(after)) == (threshold, {*ids[1:], new})
    third = made.publish(made.release("3"), at_once=True)
    for device in ("old", "fresh"):
        with made.follower(tmp_path / device) as follower:
            assert follower.follow().offers[third].standing is Standing.STABLE
    if role in ("online", "site-press-line"):
        path = made.folder / "metadata/timestamp.json"
        if role != "online":
            number = before.snapshot.meta["site-press-line.json"].version + 2
            path = made.folder / f"metadata/{number}.site-press-line.json"
        assert path.exists()
        forge(made, path, made.keyring.signers(role, ids, 1)[0])
        refused(made, tmp_path / "another", NotTrusted)


def test_below_the_threshold_nothing_is_signed(made: Releases) -> None:
    before = {path: path.read_bytes() for path in made.folder.rglob("*") if path.is_file()}
    _, ids = key_ids(made.desk().read())["root"]
    with pytest.raises(BelowThreshold, match=r"3 must sign|2 keys"):
        rotate(made.desk(), "root", "", leaving=ids[:2], threshold=3)
    for name in ("root-1.key", "root-2.key"):
        (made.keys / name).rename(made.keys / f"{name}.away")
    few = Keyring(made.keys, lambda _: "")
    with pytest.raises(BelowThreshold, match="root needs 2 of its keys, and 1 are"):
        rotate(made.desk(keyring=few), "online", "")
    assert {path: path.read_bytes() for path in made.folder.rglob("*") if path.is_file()} == before
    assert not (made.keys / "online-2.key").exists()
    assert publish.offer_release(made.desk(keyring=Keyring(made.keys, lambda _: "")), release(made)) == digest(made)


def release(made: Releases) -> bytes:
    from edgewise.exchange.release import written

    return written(made.release("2"))


def digest(made: Releases) -> str:
    from edgewise.exchange import release as releases

    return releases.digest(release(made))


def test_a_wrong_passphrase_and_a_key_in_the_environment(tmp_path: Path) -> None:
    from edgewise.core.releases.found import found
    from edgewise.core.releases.web import Folder

    web, keys = Folder(tmp_path / "tree"), tmp_path / "keys"
    found(web, keys, ["press-line"], "right", now_s=time.time())
    assert b"ENCRYPTED" in (keys / "online.key").read_bytes()
    assert (keys / "online.key").stat().st_mode & 0o777 == 0o600
    made = Releases(web, keys, Keyring(keys, lambda _: "wrong"), "press-line")
    before = (web.folder / "metadata/timestamp.json").read_bytes()
    with pytest.raises(BadKey, match="passphrase does not open"):
        publish.sign_again(made.desk())
    assert (web.folder / "metadata/timestamp.json").read_bytes() == before
    text = (keys / "online.key").read_text()
    environment = [("EDGEWISE_KEY_ONLINE", text), ("EDGEWISE_KEY_PASSPHRASE", "right"), ("HOME", "/")]
    ring = Keyring(tmp_path / "none", lambda _: "right", environment)
    publish.sign_again(made.desk(keyring=ring))
    assert json.loads((web.folder / "metadata/timestamp.json").read_bytes())["signed"]["version"] == 2
