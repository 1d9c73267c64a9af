"""What the agent knows, what can happen to it, and what it can be told to do: values, no decisions.

A State is all that must outlive a power cut. It is written as one line of the journal before any effect that follows
from it begins, so an effect may happen twice and must not mind.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from edgewise.errors import BadMessage

MAX_REJECTED = 64
MAX_REASON = 500


class Phase(StrEnum):
    """How far an update has come. What serves meanwhile is said by `State.booted` and `State.server`."""

    EMPTY = "empty"
    """There is no release that may serve."""
    SERVING = "serving"
    """A release is kept, and no update is under way."""
    FETCHING = "fetching"
    """A release comes, beside the one that serves."""
    HOLDING = "holding"
    """A release has come whole, and waits for the word or the hour to be applied."""
    PROVING = "proving"
    """The staged release runs on a private socket and must reproduce its golden within its budget."""
    SWITCHING = "switching"
    """The staged release is proven and takes over."""
    WATCHING = "watching"
    """The new release serves and is not yet kept."""
    RETURNING = "returning"
    """The release that served is given up, and the one before takes over again."""


class Server(StrEnum):
    """The server of the release that is booted."""

    DOWN = "down"
    STARTING = "starting"
    UP = "up"


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """All that the agent must not forget. Releases are named by digest, "" for none.

    Attributes:
        booted: what `current` names: serves, or should.
        staged: what is fetched, held, proven or about to take over.
        rollback: where to go back to; was kept on this device before.
        wanted: what the site offers to this device, as last heard.
        withdrawn: what no device may run, as last heard.
        rejected: what failed here, with the reason; not tried again until a person says so.
        hold: what has come waits for a person's word before it is applied.
        tries: how often the step under way was begun, counted over crashes.
        restarts: of the booted server, since it was last steady.
        reason: one sentence: why the last thing went as it did; never empty while nothing serves.
    """

    phase: Phase = Phase.EMPTY
    server: Server = Server.DOWN
    booted: str = ""
    staged: str = ""
    rollback: str = ""
    wanted: str = ""
    withdrawn: tuple[str, ...] = ()
    rejected: Mapping[str, str] = field(default_factory=dict)
    hold: bool = False
    tries: int = 0
    restarts: int = 0
    reason: str = "no release has come yet"

    @property
    def needed(self) -> frozenset[str]:
        """Releases that must stay on the disk."""
        return frozenset((self.booted, self.staged, self.rollback)) - {""}


class EventKind(StrEnum):
    """What can happen."""

    AWOKE = "awoke"
    """The agent's process began, after whatever ended the one before."""
    OFFERED = "offered"
    """The site's signed metadata was read."""
    FETCHED = "fetched"
    NOT_FETCHED = "not fetched"
    """It did not come whole this time; nothing is said about the release itself."""
    PROVEN = "proven"
    REFUTED = "refuted"
    """The release itself is at fault."""
    NOT_TRIED = "not tried"
    """The trial could not be made; nothing is said about the release itself."""
    SWITCHED = "switched"
    NOT_SWITCHED = "not switched"
    SOAKED = "soaked"
    """It was watched for as long as it should be, and all was well."""
    UNWELL = "unwell"
    RETURNED = "returned"
    NOT_RETURNED = "not returned"
    UP = "up"
    """The server of the booted release answers."""
    DOWN = "down"
    """It ended, or could not be started."""
    STEADY = "steady"
    """It has been up for long enough that earlier restarts no longer count."""
    TOLD_APPLY = "told to apply"
    TOLD_BACK = "told to go back"
    TOLD_RETRY = "told to try again"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened.

    Attributes:
        release: which it is about: offered, fetched, proven, …; what `current` names, of AWOKE and NOT_RETURNED.
        reason: one sentence with the evidence, where something went wrong.
        intact: of AWOKE: releases that are whole on the disk.
        withdrawn, hold: of OFFERED: see `State`.
    """

    kind: EventKind
    release: str = ""
    reason: str = ""
    intact: frozenset[str] = frozenset()
    withdrawn: tuple[str, ...] = ()
    hold: bool = False


class EffectKind(StrEnum):
    """What can be done. Each may be cut off at any instant and begun again."""

    FETCH = "fetch"
    """Bring what is missing of the staged release, and lay it out whole."""
    TRY = "try"
    """Start the staged release on a private socket, replay its golden, measure it."""
    SWITCH = "switch"
    """Point `current` at the staged release, let its server accept, and end the old one."""
    WATCH = "watch"
    """Look after the booted release for as long as it should be watched."""
    RETURN = "return"
    """Point `current` at the rollback, start its server, and end the other."""
    START = "start"
    """Start the server of the booted release."""
    STOP = "stop"
    """End every server; `current` names nothing."""
    DROP = "drop"
    """End the server of what was staged."""
    COLLECT = "collect"
    """Remove releases and blobs that nothing needs."""
    REPORT = "report"
    """Tell the hub how it is; whether that works changes nothing here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """Something to do, with the release that it is done to."""

    kind: EffectKind
    release: str = ""


def document(state: State) -> dict[str, Any]:
    """`state` as JSON."""
    return asdict(state)


def read(given: Mapping[str, Any]) -> State:
    """The state that `document` made. Fields that it lacks have their defaults, so an older agent's is read too.

    Raises:
        BadMessage: it is none.
    """
    try:
        known = {name: given[name] for name in State.__dataclass_fields__ if name in given}
        made = State(**known)
        texts = (made.booted, made.staged, made.rollback, made.wanted, made.reason, *made.withdrawn, *made.rejected)
        if not all(isinstance(text, str) for text in (*texts, *made.rejected.values())):
            raise TypeError("a release is no text")
        return State(
            **{
                **known,
                "phase": Phase(made.phase),
                "server": Server(made.server),
                "withdrawn": tuple(made.withdrawn),
                "rejected": dict(made.rejected),
                "hold": bool(made.hold),
                "tries": int(made.tries),
                "restarts": int(made.restarts),
            }
        )
    except (TypeError, ValueError, AttributeError) as error:
        raise BadMessage(f"a line of the journal holds no state: {error}") from error
