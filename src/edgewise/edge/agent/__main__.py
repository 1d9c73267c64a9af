"""python -m edgewise.edge.agent ROOT: the agent's process, without the command line's weight."""

import signal
import sys
from pathlib import Path

from edgewise.edge.agent import control
from edgewise.edge.agent.agent import Agent
from edgewise.errors import EdgewiseError
from edgewise.store import lock


def main(root: Path) -> int:
    """Run until SIGTERM; the exit code."""
    try:
        with lock.alone(root, ".agent", why="one device has one agent"):
            agent = Agent(root)
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, lambda *_: agent.stop())
            control.listen(agent.disk.run, agent.tell)
            agent.run()
    except EdgewiseError as error:
        sys.stderr.write(f"error: {error.message}\n" + (f"hint: {error.hint}\n" if error.hint else ""))
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
