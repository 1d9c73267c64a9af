"""Where the agent keeps what: every release in a folder of its own, and one link that names the one that serves.

ROOT/device.key, device.json, agent.json    who this is, and whom it follows
ROOT/trust/root.json                        shipped with the device
ROOT/journal                                see journal.py
ROOT/current -> releases/<hex>              what serves; changed by one rename
ROOT/releases/<hex>/release.json, model/    laid out beside and renamed when whole; never changed
ROOT/store/                                 blobs, as an OCI image layout; releases link to them
ROOT/tuf/                                   metadata that was verified
ROOT/cases/                                 what servers escalated and the agent has not signed yet
ROOT/outbox/<sequence>                      messages that the hub has not acknowledged
ROOT/run/, log/                             sockets, the servers that run, what they said
"""

import contextlib
import os
import shutil
from pathlib import Path

from edgewise.errors import EdgewiseError
from edgewise.exchange import release as releases
from edgewise.exchange.release import PartKind, Release
from edgewise.runtimes import served
from edgewise.store import atomic


class Disk:
    """What lies below `root`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.releases = root / "releases"
        self.current = root / "current"
        self.run = root / "run"
        self.cases = root / "cases"
        self.log = root / "log" / "server.log"

    def folder(self, release: str) -> Path:
        """Of the release, whether it is there or not."""
        return self.releases / release.removeprefix("sha256:")

    def model(self, release: str) -> Path:
        """The model folder of the release."""
        return self.folder(release) / "model"

    def serves(self) -> str:
        """The release that `current` names; "" for none."""
        try:
            return f"sha256:{Path(os.readlink(self.current)).name}"  # noqa: PTH115 - a name, no path
        except OSError:
            return ""

    def point(self, release: str) -> None:
        """Let `current` name `release`, or nothing. Once it returns, a power cut does not change it."""
        if release:
            atomic.point(self.current, f"releases/{release.removeprefix('sha256:')}")
        else:
            atomic.remove(self.current)

    def read(self, release: str) -> Release:
        """The release's document.

        Raises:
            BadMessage: it is damaged, or another's.
            StoreUnusable: it cannot be read.
        """
        path = self.folder(release) / "release.json"
        try:
            content = path.read_bytes()
        except OSError as error:
            raise atomic.explain(error, path) from error
        if releases.digest(content) != release:
            raise atomic.explain(OSError(0, "its content is not what its name says"), path)
        return releases.read(content)

    def whole(self) -> frozenset[str]:
        """Releases whose document is right and whose files have the sizes that model.json says.

        Content was checked by digest before the folder got its name, and the server checks it again as it loads.
        """
        try:
            names = os.listdir(self.releases)  # noqa: PTH208
        except OSError:
            return frozenset()
        return frozenset(f"sha256:{name}" for name in names if len(name) == 64 and self._is_whole(f"sha256:{name}"))

    def _is_whole(self, release: str) -> bool:
        try:
            made = self.read(release)
            if made.part(PartKind.MODEL) is None:
                return True  # it came as images, which its backend has checked
            folder = self.model(release)
            model = served.read((folder / served.NAME).read_bytes())
            files = (*model.files, *((model.golden.file,) if model.golden else ()))
            return all((folder / one.name).stat().st_size == one.size_bytes for one in files)
        except (EdgewiseError, OSError):
            return False

    def collect(self, needed: frozenset[str]) -> None:
        """Remove the folders of all other releases, and what was left half done."""
        kept = {release.removeprefix("sha256:") for release in {*needed, self.serves()}}
        with contextlib.suppress(OSError):
            for path in list(self.releases.iterdir()):
                if path.name not in kept:
                    discard(path)


def discard(folder: Path) -> None:
    """Remove `folder`, which is never half there under its name."""
    away = folder.with_name(f"{atomic.TEMPORARY_PREFIX}gone-{folder.name[-64:]}")
    with contextlib.suppress(OSError):
        folder.replace(away)
    shutil.rmtree(away, ignore_errors=True)
