"""`edgewise agent run`: the agent's process, in the place of this one."""

import os
import sys

from edgewise.cli._agent import RootFlag, enrolled, folder

CONTAINED = "edgewise.flow.deploy.contained"
"""Says how a release runs in a container: the agent's room does not know, and is told whom to ask."""


def run(root: RootFlag = None) -> None:
    """Follow the site's releases on this device, until it is stopped.

    The process becomes `python -m edgewise.edge.agent`, which is smaller than this command: the code that the release
    brings, where it brings an agent, else what is installed.
    """
    where = folder(root)
    enrolled(where)
    sys.stdout.flush()
    argv = [sys.executable, "-P", "-m", "edgewise.edge.agent.launch", str(where), CONTAINED]
    os.execv(sys.executable, argv)  # noqa: S606
