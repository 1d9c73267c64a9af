"""The demo's processes: a hub and an agent, ended by their ids, whatever ends the demo.

Their ids are written down with the time at which each began, so that the next demo ends what an earlier one has left,
and never a stranger's process that has got the same id.
"""

import contextlib
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from edgewise.edge.agent import servers
from edgewise.errors import ChildFailed

FILE = "running.json"
END_S = 45.0


class Running:
    """Processes of the demo in `folder`; a context manager that ends them, unless they were let go."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._started: dict[str, subprocess.Popen[bytes]] = {}
        for pid, _ in servers.orphans(folder / FILE):
            servers.end_orphan(pid, drain_s=END_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for process in reversed(self._started.values()):
            process.terminate()
        for process in reversed(self._started.values()):
            try:
                process.wait(END_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._started = {}

    def start(self, name: str, module: str, arguments: Sequence[str]) -> None:
        """Start `python -m MODULE ARGUMENTS` in a session of its own, so that Ctrl-C reaches the demo alone.

        Raises:
            ChildFailed: it could not be started.
        """
        environment = os.environ | {"NO_PROXY": ",".join((os.environ.get("NO_PROXY", ""), "127.0.0.1")).strip(",")}
        try:
            with self._log(name).open("wb") as log:
                self._started[name] = subprocess.Popen(
                    [sys.executable, "-P", "-m", module, *arguments],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    env=environment,
                    start_new_session=True,
                )
        except OSError as error:
            raise ChildFailed(f"the {name} could not be started: {error.strerror or error}") from error
        servers.remember(self._folder / FILE, (), [(one.pid, name) for name, one in self._started.items()])

    def check(self) -> None:
        """See that all of them run.

        Raises:
            ChildFailed: one has ended.
        """
        for name, process in self._started.items():
            if process.poll() is not None:
                raise ChildFailed(f"the {name} ended with exit code {process.returncode}", log=self.log(name))

    def log(self, name: str) -> str:
        """What the process called `name` wrote."""
        with contextlib.suppress(OSError):
            return self._log(name).read_text(errors="replace")
        return ""

    def let_go(self) -> list[int]:
        """Leave them running; their process ids."""
        left = [process.pid for process in self._started.values()]
        self._started = {}
        return left

    def _log(self, name: str) -> Path:
        return self._folder / f"{name}.log"
