"""A real exFAT file system, as USB sticks have it: no links, no permissions, no case."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fakes.needed import missing


@contextmanager
def exfat(folder: Path, size_bytes: int) -> Iterator[Path]:
    """Where a new one of `size_bytes` is mounted; what it takes lies in `folder`."""
    image, mounted = folder / "stick.img", folder / "mounted"
    image.write_bytes(b"")
    os.truncate(image, size_bytes)
    mounted.mkdir()
    _run("mkfs.exfat", str(image))
    device = _run("losetup", "--find", "--show", str(image))
    try:
        _run("mount.exfat-fuse", device, str(mounted))
        yield mounted
        subprocess.run(["umount", str(mounted)], check=True)
    finally:
        subprocess.run(["losetup", "--detach", device], check=True)


def _run(*command: str) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        missing(f"{command[0]} (apt install exfatprogs exfat-fuse)")
    if done.returncode:
        missing(f"a mounted exFAT file system (root with {command[0]}): {done.stderr.strip()}")
    return done.stdout.strip()
