"""python -m edgewise.edge.agent.launch ROOT [MODULE]: becomes the agent, and guards one that is on trial.

This is what is installed on the device and started by its unit. It belongs to no release, so no release can spoil it:
it counts the starts of an agent that is not confirmed, and leaves a guard beside it, which ends that agent and puts the
one before back where it does not do its work in time. Whoever started this, systemd, starts it again.
"""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

from edgewise.edge.agent import own
from edgewise.edge.agent.own import Trial

AGENT, GUARD, SELF = "edgewise.edge.agent", "--guard", "edgewise.edge.agent.launch"
POLL_S = 0.2


def launch(root: Path, *rest: str) -> None:
    """Become the agent; does not return."""
    sys.stdout.flush()
    made = _counted(root)
    if made is not None:
        _leave_guard(root)
    os.execve(sys.executable, command(AGENT, root, *rest), own.environment(root, own.linked(root)))  # noqa: S606


def again(root: Path, *rest: str) -> None:
    """Begin anew in this process, which is an agent's, with what is installed; does not return."""
    os.execve(sys.executable, command(SELF, root, *rest), own.environment(root, ""))  # noqa: S606


def command(module: str, root: Path, *rest: str) -> list[str]:
    """The command line of `module`."""
    return [sys.executable, "-P", "-m", module, str(root), *rest]


def guard(root: Path, pid: int) -> None:
    """Wait beside the process `pid` until its trial is confirmed; if that takes too long, put back and end it."""
    process = os.pidfd_open(pid)
    begun = own.trial(root)
    until = time.monotonic() + (begun.bound_s if begun else 0.0)
    while (found := own.trial(root)) is not None and found == begun:
        if time.monotonic() > until:
            with own.held(root):
                if own.trial(root) == begun:
                    reason = f"no poll of it was answered within {found.bound_s:g} s of its start"
                    own.put_back(root, found, reason)
                    signal.pidfd_send_signal(process, signal.SIGKILL)
            return
        time.sleep(POLL_S)


def _counted(root: Path) -> Trial | None:
    """The trial under way, with this start written down; None where there is none any more."""
    with own.held(root):
        made = own.trial(root)
        if made is not None and made.starts >= own.MAX_STARTS:
            own.put_back(root, made, f"it ended {own.MAX_STARTS} times before a poll of it was answered")
            return None
        if made is not None:
            made = replace(made, starts=made.starts + 1)
            own.keep(root, made)
        return made


def _leave_guard(root: Path) -> None:
    subprocess.Popen(
        [*command(SELF, root), GUARD, str(os.getpid())],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        env=own.environment(root, ""),
    )


if __name__ == "__main__":
    if sys.argv[2:3] == [GUARD]:
        guard(Path(sys.argv[1]), int(sys.argv[3]))
    else:
        launch(Path(sys.argv[1]), *sys.argv[2:])
