"""A server that runs for as long as it is looked at: a child, watched at a socket that nobody else can reach."""

import contextlib
import json
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from edgewise.edge.top.source import Credentials, Source

MODULE = "edgewise.edge.serve"
DRAIN_S = 45.0
"""A little longer than the server takes for its own draining."""


class ServerBeside:
    """`python -m edgewise.edge.serve` with `arguments`, and a UNIX socket for the look at it; a context manager.

    Attributes:
        ready: its first line, as JSON; empty where it said none.

    Args:
        complain: called, by another thread, with every line that it writes on stderr.
    """

    def __init__(self, arguments: Sequence[str], *, complain: Callable[[str], None]) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="edgewise-top-")
        self._address = f"unix:{Path(self._folder.name) / 'socket'}"
        self._process = subprocess.Popen(
            [sys.executable, "-m", MODULE, f"--http={self._address}", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            close_fds=False,  # it may be told to listen at a socket that we have inherited
            start_new_session=True,  # Ctrl-C is for us: it is told once, and not twice, to end
        )
        self.ready: dict[str, Any] = {}
        self._complain = complain
        self._drained = threading.Thread(target=self._drain, name="complaints", daemon=True)
        self._drained.start()
        try:
            self.ready = self._line()
        except BaseException:
            self.end()
            raise

    def __enter__(self) -> "ServerBeside":
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    @property
    def pid(self) -> int:
        """Of its process."""
        return self._process.pid

    @property
    def ended(self) -> bool:
        """Whether it has ended by itself."""
        return self._process.poll() is not None

    def source(self, *, key_file: Path | None, tls: bool) -> Source:
        """Its metrics; the socket is in a folder of our own, so that its certificate need not prove anything."""
        return Source(self._address, Credentials(key_file=key_file, unverified=True), tls=tls)

    def end(self) -> int:
        """Let it answer what is under way, and end; its exit code, as a shell has it."""
        if self.ready.get("ready") is not False:  # else it is about to end with a code that says why
            with contextlib.suppress(ProcessLookupError):
                self._process.terminate()
        try:
            code = self._process.wait(DRAIN_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait()
        self._drained.join(timeout=1.0)
        for stream in (self._process.stdout, self._process.stderr):
            if stream is not None:
                stream.close()
        self._folder.cleanup()
        return code if code >= 0 else 128 - code

    def _line(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        try:
            found = json.loads(self._process.stdout.readline())
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}

    def _drain(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self._complain(line.rstrip("\n"))
