"""ngclient writes its metadata without fsync: whatever a power cut leaves of it, the tree is followed again."""

from pathlib import Path

import pytest

from fakes.releases import Releases


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_torn_metadata_comes_again(tmp_path: Path, share: float):
    made = Releases.make(tmp_path, "press-line")
    digest = made.publish(made.release(version="1"))
    device = tmp_path / "device"
    with made.follower(device) as follower:
        follower.follow()
    files = [path for path in device.rglob("*") if path.is_file() and not path.is_symlink()]
    assert len(files) >= 5
    for path in files:
        whole = path.read_bytes()
        path.write_bytes(whole[: int(len(whole) * share)])
        with made.follower(device) as follower:
            assert digest in follower.follow().offers, path.name
