"""`edgewise hub` as a process: it says where it is, answers, ends tidily, and does not share its port."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx

from edgewise.errors import BadConfiguration


def start(folder: Path, port: int) -> "subprocess.Popen[bytes]":
    environment = {**os.environ, "EDGEWISE_HUB_LISTEN": f"127.0.0.1:{port}", "HOME": str(folder)}
    environment["EDGEWISE_DATABASE"] = f"sqlite:///{folder / 'hub.db'}"
    return subprocess.Popen([sys.executable, "-m", "edgewise", "hub"], env=environment, stderr=subprocess.PIPE)


def test_it_answers_until_it_is_told_to_end(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    hub = start(tmp_path, port)
    try:
        until = time.monotonic() + 60
        ready = 0
        while time.monotonic() < until and ready != 200:
            try:
                ready = httpx.get(f"http://127.0.0.1:{port}/readyz").status_code
            except httpx.HTTPError:
                time.sleep(0.1)
        assert ready == 200
        second = start(tmp_path, port)
        assert second.wait(60) == BadConfiguration.exit_code
        assert second.stderr is not None
        assert b"cannot be listened at" in second.stderr.read()
        second.stderr.close()
        hub.send_signal(signal.SIGTERM)
        assert hub.wait(60) in (0, -signal.SIGTERM)
        assert hub.stderr is not None
        said = hub.stderr.read().decode()
        assert f"hub at http://127.0.0.1:{port}" in said
        assert "nobody has a token yet" in said
        assert "ewu_" not in said
    finally:
        hub.kill()
        hub.wait(60)
        if hub.stderr:
            hub.stderr.close()
