"""How the device is, in one word and one sentence. Pure."""

from edgewise.edge.agent.state import Phase, Server, State
from edgewise.exchange.message import Status

UNDER_WAY = (Phase.FETCHING, Phase.HOLDING, Phase.PROVING, Phase.SWITCHING, Phase.WATCHING)


def word(state: State) -> Status:
    """The first that applies, in the order of `Status`.

    A device that refused what it should run is not up to date, whatever else it does.
    """
    if state.server is not Server.UP:
        return Status.FAILED
    if state.phase is Phase.RETURNING or (state.wanted in state.rejected and state.wanted != state.booted):
        return Status.ROLLED_BACK
    if state.phase in UNDER_WAY or (state.wanted and state.wanted != state.booted):
        return Status.UPDATING
    return Status.ONLINE


def sentence(state: State) -> str:
    """Why it is so."""
    match word(state):
        case Status.FAILED:
            starting = "its server is being started; " if state.server is Server.STARTING else ""
            return f"nothing serves: {starting}{state.reason}"
        case Status.ROLLED_BACK:
            return state.rejected.get(state.wanted, state.reason)
        case _:
            return state.reason
