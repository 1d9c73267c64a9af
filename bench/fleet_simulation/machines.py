"""The agent's own state machine as a table of numbers that grows with what is met, for arrays of devices.

A world (tests/fakes/worlds.py) is a device's state with its disk, its servers and what it is about to do. Every world
is held against the machine's laws when it is first met.
"""

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))

from edgewise.edge.agent import status
from edgewise.edge.agent.state import EffectKind, Event, EventKind, Phase, Server, State
from edgewise.exchange.message import Status
from fakes import worlds
from fakes.worlds import World

OLD, NEW = "sha256:" + "a" * 64, "sha256:" + "b" * 64


class Machines:
    """Worlds by number; `begun` is that of a device which serves the old release and has nothing to do."""

    def __init__(self) -> None:
        self._worlds: list[World] = []
        self._numbers: dict[object, int] = {}
        self._next: dict[tuple[int, str], int] = {}
        serving = State(phase=Phase.SERVING, server=Server.UP, booted=OLD, wanted=OLD, reason="it was kept")
        found = World(state=serving, awake=True, link=OLD, disk=frozenset({OLD}), served=OLD, proven=frozenset({OLD}))
        self.begun = self._number(found)

    def __len__(self) -> int:
        return len(self._worlds)

    def effect(self, number: int) -> EffectKind | None:
        """What such a device does next; None where nothing."""
        pending = self._worlds[number].pending
        return pending[0].kind if pending else None

    def sleeps(self, number: int) -> bool:
        """Whether its power is gone."""
        return not self._worlds[number].awake

    def offered(self, number: int, due: str, withdrawn: tuple[str, ...]) -> int:
        """After it has read that it shall run `due`."""
        event = Event(kind=EventKind.OFFERED, release=due, withdrawn=withdrawn)
        return self._after(number, f"offered {due} {withdrawn}", lambda world: worlds.happen(world, event))

    def ended(self, number: int, how: str) -> int:
        """After what it does has ended as `how` says, or, where it knows one ending alone, in that."""
        return self._after(number, how, lambda world: _ending(world, how))

    def cut(self, number: int) -> int:
        """After its power is gone."""
        return self._after(number, "cut", lambda world: replace(world, awake=False, pending=(), served=""))

    def booted_again(self, number: int) -> int:
        """After its power is back."""
        return self._after(number, "boot", lambda world: next(worlds.sleeping(world))[1])

    def booted(self) -> np.ndarray:
        """By number: 0 for the old release, 1 for the new one, 2 for none."""
        return np.array([{OLD: 0, NEW: 1}.get(one.state.booted, 2) for one in self._worlds])

    def served(self) -> np.ndarray:
        """By number, as `booted`: whose server accepts."""
        return np.array([{OLD: 0, NEW: 1}.get(one.served, 2) for one in self._worlds])

    def said(self, number: int) -> tuple[Status, str, tuple[str, ...]]:
        """What such a device reports: its status, what it has booted, what it has rejected."""
        state = self._worlds[number].state
        return status.word(state), state.booted, tuple(state.rejected)

    def _after(self, number: int, what: str, change: Callable[[World], World]) -> int:
        key = number, what
        if key not in self._next:
            self._next[key] = self._number(change(self._worlds[number]))
        return self._next[key]

    def _number(self, world: World) -> int:
        found = self._numbers.get(world.key())
        if found is None:
            worlds.check(world)
            found = self._numbers[world.key()] = len(self._worlds)
            self._worlds.append(world)
        return found


def _ending(world: World, how: str) -> World:
    endings = {name.rpartition(": ")[2]: after for name, after in worlds.done(world, world.pending[0])}
    return endings[how] if how in endings else next(iter(endings.values()))
