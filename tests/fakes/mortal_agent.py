"""python mortal_agent.py ROOT STEP: the real agent, killed by SIGKILL right after the STEPth line of its journal."""

import os
import signal
import sys
from pathlib import Path

from edgewise.edge.agent import __main__ as process
from edgewise.edge.agent.journal import Journal

left = int(sys.argv[2])
real = Journal.write


def write(self, event, state):
    global left
    real(self, event, state)
    left -= 1
    if not left:
        os.kill(os.getpid(), signal.SIGKILL)


Journal.write = write  # type: ignore[method-assign]
sys.exit(process.main(Path(sys.argv[1])))
