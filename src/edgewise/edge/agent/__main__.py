"""python -m edgewise.edge.agent ROOT [MODULE]: the agent's process, without the command line's weight.

MODULE is a child that says how a release runs in a container (`podman.ByChild`); without it, or without Podman, no
release does, and no unit is looked at.
"""

import shutil
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from edgewise.edge.agent import control, launch, settings, units
from edgewise.edge.agent.agent import Agent
from edgewise.edge.agent.backend import Backend, Way
from edgewise.edge.agent.disk import Disk
from edgewise.edge.agent.podman import ByChild, Podman
from edgewise.edge.agent.units import Unit
from edgewise.errors import EdgewiseError
from edgewise.store import lock


def main(root: Path, described: str = "") -> int:
    """Run until SIGTERM; the exit code."""
    try:
        with lock.alone(root, ".agent", why="one device has one agent"):
            agent = Agent(root, backends=backends(root, described), beside=beside(root, described))
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, lambda *_: agent.stop())
            control.listen(agent.disk.run, agent.tell)
            agent.run()
        if agent.renewed:
            launch.again(root, described)
    except EdgewiseError as error:
        sys.stderr.write(f"error: {error.message}\n" + (f"hint: {error.hint}\n" if error.hint else ""))
        return error.exit_code
    return 0


def backends(root: Path, described: str) -> dict[Way, Backend]:
    """What runs releases here beside child processes."""
    program = settings.read(root).podman
    if not described or shutil.which(program[0]) is None:
        return {}
    return {Way.CONTAINER: Podman(Disk(root), ByChild(described), program)}


def beside(root: Path, described: str) -> Callable[[], Sequence[Unit]]:
    """Looks at the units of the device's site that run releases without the agent, where there is a Podman to ask."""
    who, program = settings.identity(root), settings.read(root).podman
    if not described or who is None:
        return tuple
    return lambda: units.look(who.site, program)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), *sys.argv[2:3]))
