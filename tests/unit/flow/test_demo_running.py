"""The demo's processes: ended whatever ends the demo, by the next one where it could not, and nobody else's."""

import os
from pathlib import Path

import pytest

from edgewise.edge.agent import servers
from edgewise.errors import ChildFailed
from edgewise.flow.demo.running import FILE, Running

SERVER = ("http.server", ["0", "--bind", "127.0.0.1"])


def test_whatever_ends_the_demo_ends_what_it_started(tmp_path: Path) -> None:
    def interrupted() -> None:
        with Running(tmp_path) as running:
            running.start("hub", *SERVER)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert servers.orphans(tmp_path / FILE) == []


def test_what_is_let_go_runs_on_until_the_next_demo(tmp_path: Path) -> None:
    with Running(tmp_path) as running:
        running.start("hub", *SERVER)
        process = running._started["hub"]
        assert running.let_go() == [process.pid]
    assert process.poll() is None
    Running(tmp_path)
    assert servers.orphans(tmp_path / FILE) == []
    assert process.wait() < 0


def test_a_process_that_ends_is_told_with_what_it_wrote(tmp_path: Path) -> None:
    with Running(tmp_path) as running:
        running.start("hub", "edgewise.no_such_module", [])
        os.waitid(os.P_PID, running._started["hub"].pid, os.WEXITED | os.WNOWAIT)
        with pytest.raises(ChildFailed, match="the hub ended with exit code 1") as told:
            running.check()
        assert "no_such_module" in told.value.log
