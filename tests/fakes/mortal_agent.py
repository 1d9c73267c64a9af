"""python mortal_agent.py ROOT EVENT: the real agent, killed by SIGKILL right after a line of its journal.

The line is the first of EVENT; of events of an update, the first about another release than the journal wanted before.
"""

import os
import signal
import sys
from pathlib import Path

from edgewise.edge.agent import __main__ as process
from edgewise.edge.agent import journal
from edgewise.edge.agent.journal import Journal

root, kind = Path(sys.argv[1]), sys.argv[2]
known = journal.entries(root / "journal")[-1].state.wanted
real = Journal.write


def write(self, event, state):
    real(self, event, state)
    if event.kind == kind and (kind in ("awoke", "up") or event.release != known):
        os.kill(os.getpid(), signal.SIGKILL)


Journal.write = write  # type: ignore[method-assign]
sys.exit(process.main(root))
