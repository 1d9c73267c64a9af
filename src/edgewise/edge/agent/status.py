"""How the device is, in one word and one sentence. Pure."""

from collections.abc import Sequence

from edgewise.edge.agent.state import Phase, Server, State
from edgewise.edge.agent.units import Unit
from edgewise.exchange.message import Status

UNDER_WAY = (Phase.FETCHING, Phase.HOLDING, Phase.PROVING, Phase.SWITCHING, Phase.WATCHING)


def word(state: State, unwell: str = "", units: Sequence[Unit] = ()) -> Status:
    """The first that applies, in the order of `Status`.

    A device that refused what it should run is not up to date, whatever else it does.

    Args:
        unwell: what of the release's limits was exceeded since the report before, or which unit is not well, in a
            sentence; "" for nothing.
        units: that run beside the agent, the worst first. A device whose agent has nothing to run is as they are.
    """
    if state.server is not Server.UP:
        return units[0].word if _serves_by(state, units) else Status.FAILED
    if state.phase is Phase.RETURNING or (state.wanted in state.rejected and state.wanted != state.booted):
        return Status.ROLLED_BACK
    if state.phase in UNDER_WAY or (state.wanted and state.wanted != state.booted):
        return Status.UPDATING
    return Status.DEGRADED if unwell else Status.ONLINE


def sentence(state: State, unwell: str = "", units: Sequence[Unit] = ()) -> str:
    """Why it is so."""
    match word(state, unwell, units):
        case Status.FAILED:
            starting = "its server is being started; " if state.server is Server.STARTING else ""
            return f"nothing serves: {starting}{state.reason}"
        case Status.ROLLED_BACK:
            return state.rejected.get(state.wanted, state.reason)
        case Status.DEGRADED:
            return unwell
        case _:
            return str(units[0]) if _serves_by(state, units) else state.reason


def _serves_by(state: State, units: Sequence[Unit]) -> bool:
    return bool(units) and state.server is not Server.UP and not (state.booted or state.wanted)
