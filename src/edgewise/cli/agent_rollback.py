"""`edgewise agent rollback`."""

from edgewise.cli._agent import RootFlag, enrolled, folder, short, state
from edgewise.cli._say import note
from edgewise.edge.agent import control
from edgewise.errors import NoRollback


def run(root: RootFlag = None) -> None:
    """Go back to the release before, and do not take this one again until told to."""
    where = folder(root)
    enrolled(where)
    found = state(where)
    if not found.rollback:
        raise NoRollback("there is no earlier release on this device", hint="edgewise agent status")
    control.tell(where, "rollback")
    note(f"the agent was told to go back to {short(found.rollback)}")
