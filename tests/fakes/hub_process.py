"""A hub as its own process, that can be gone for a while, and what it knows, read from its database."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx

from edgewise.core.database import migrate
from edgewise.core.database.engine import Database
from edgewise.core.hub import fleet
from edgewise.core.hub.fleet import Device, DeviceDetail
from fakes.sites import free_port

PATIENCE_S = 60.0


class HubProcess:
    """`edgewise hub` over SQLite in `folder`; a context manager that ends it."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.port = folder, free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.database = f"sqlite:///{folder / 'hub.db'}"
        self.process: subprocess.Popen[bytes] | None = None
        self._known: Database | None = None

    def __enter__(self) -> "HubProcess":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        if self._known is not None:
            self._known.close()

    def start(self) -> None:
        """Start it, and wait until it answers."""
        command = ["hub", "--listen", f"127.0.0.1:{self.port}", "--database", self.database]
        with (self.folder / "hub.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "edgewise", *command], stdout=log, stderr=log, env=self._environment()
            )
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            try:
                if httpx.get(f"{self.url}/readyz").status_code == httpx.codes.OK:
                    return
            except httpx.HTTPError:
                time.sleep(0.05)
        raise AssertionError((self.folder / "hub.log").read_text())

    def stop(self) -> None:
        """End it as systemd would."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(PATIENCE_S)

    def says(self, *command: str) -> str:
        """What `edgewise COMMAND` writes, asked of its database."""
        done = subprocess.run(
            [sys.executable, "-m", "edgewise", *command, "--database", self.database],
            env=self._environment(),
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout

    def device(self, name: str) -> DeviceDetail:
        """All that it knows of the device."""
        if self._known is None:
            self._known = migrate.opened(self.database)
        with self._known.reading() as connection:
            return fleet.detail(connection, name, now_s=int(time.time()), silence_s=900, most=1000)

    def shown(self, name: str) -> Device:
        """The device as a list shows it."""
        return self.device(name).device

    def _environment(self) -> dict[str, str]:
        return {**os.environ, "HOME": str(self.folder), "NO_COLOR": "1", "COLUMNS": "200"}
