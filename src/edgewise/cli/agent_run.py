"""`edgewise agent run`: the agent's process, in the place of this one."""

import os
import sys

from edgewise.cli._agent import RootFlag, enrolled, folder


def run(root: RootFlag = None) -> None:
    """Follow the site's releases on this device, until it is stopped.

    The process becomes `python -m edgewise.edge.agent`, which is smaller than this command.
    """
    where = folder(root)
    enrolled(where)
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-P", "-m", "edgewise.edge.agent", str(where)])  # noqa: S606
