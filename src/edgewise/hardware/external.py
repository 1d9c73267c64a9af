"""A meter outside the machine (USB power meter, wattmeter, shunt) that says one reading a line.

    12.34 J        energy so far, counted upwards from anywhere
    3.21 W         power at this moment

Any unit of energy or power that `edgewise.units` knows; one kind, from the first line to the last. A reading counts
from the moment when it arrives; power is integrated by the trapezoidal rule. Lines that arrive together are one
reading: their mean power, or their last energy. A meter that says nothing for longer than `SILENCE_S`, says nonsense
or ends is lost for good: whoever asks it is told why, and gets no figure.
"""

import os
import select
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from edgewise import units
from edgewise.hardware.counting import Reading, Scope

SILENCE_S = 2.0
LINE_BYTES = 200
LARGEST_INTERVAL_S = 1.0
FIRST_READINGS = 4
LISTEN_S = 1.2
_FIRST_WAIT_S = 2 * FIRST_READINGS * SILENCE_S
_LOOK_S = 0.05
_CHUNK_BYTES = 1 << 12
_MJ_PER_J = 1e3


class MeterLost(OSError):
    """The meter tells nothing any more; the message says why."""


@dataclass(frozen=True, slots=True)
class Said:
    """What one line says: `value` in J where it is energy, else in W."""

    energy: bool
    value: float


def parse(line: bytes) -> Said:
    """The reading in `line`.

    Raises:
        ValueError: it is none; one sentence.
    """
    try:
        text = line.decode("ascii").strip()
    except UnicodeDecodeError:
        raise ValueError(f"it says {_quoted(line)}, which is no text") from None
    unit = text.lstrip("+-0123456789.eE ")
    try:
        if unit in units.ENERGY.units:
            return Said(energy=True, value=units.parse(text, units.ENERGY) / _MJ_PER_J)
        if unit in units.POWER.units:
            return Said(energy=False, value=units.parse(text, units.POWER))
    except ValueError:
        pass
    raise ValueError(f"it says {_quoted(line)}; a line is an energy such as 12.34 J or a power such as 3.21 W")


@dataclass(slots=True, kw_only=True)
class Integral:
    """Joules from what a meter says, and how often it speaks. No input or output, no clock of its own."""

    interval_s: float = 0.0
    count: int = 0
    reading: Reading | None = None
    _energy: bool = False
    _last: float = 0.0

    def add(self, at_s: float, said: list[Said]) -> None:
        """Take readings that arrived together at `at_s`.

        Raises:
            ValueError: they contradict what was said before.
        """
        if self.count == 0:
            self._energy = said[0].energy
        if any(each.energy is not self._energy for each in said):
            raise ValueError("it says energy in one line and power in another")
        values = [each.value for each in said]
        if (self._energy and sorted(values) != values) or (self._energy and self.count and values[0] < self._last):
            raise ValueError("its energy went back")
        value = values[-1] if self._energy else sum(values) / len(values)
        joules = 0.0
        if self.reading is not None:
            gap_s = at_s - self.reading.at_s
            self.interval_s = max(self.interval_s, gap_s)
            joules = self.reading.joules
            joules += value - self._last if self._energy else gap_s * (value + self._last) / 2
        self.reading = Reading(at_s=at_s, joules=joules)
        self._last = value
        self.count += 1


@dataclass(slots=True)
class Lines:
    """Whole lines out of pieces of bytes, each of bounded length. Blank lines say nothing."""

    skip: bool = False
    _rest: bytes = b""

    def add(self, piece: bytes) -> list[bytes]:
        """The lines that are complete now.

        Raises:
            ValueError: a line is too long.
        """
        *whole, self._rest = (self._rest + piece).split(b"\n")
        if len(self._rest) > LINE_BYTES or any(len(line) > LINE_BYTES for line in whole):
            raise ValueError(f"a line of it is longer than {LINE_BYTES} bytes")
        if self.skip and whole:  # where one listens in, the first line may have lost its head
            whole, self.skip = whole[1:], False
        return [line for line in whole if line.strip()]


@dataclass(slots=True)
class External:
    """A meter that speaks on a descriptor; a thread listens. A context manager, which does not close the descriptor.

    Args:
        name: as figures' provenance has it.
        descriptor: to read lines from.
        follows: there is no end: a file that grows, a FIFO between two writers.
        joined: one listens in on it, so that the first line may be a piece.
        ended: says why a program is not there any more.
    """

    name: str
    descriptor: int
    follows: bool = False
    joined: bool = False
    ended: Callable[[], str] = lambda: "it ended"
    measured: bool = True
    scope: Scope = Scope.MACHINE
    _integral: Integral = field(default_factory=Integral, init=False)
    _lost: str = field(default="", init=False)
    _changed: threading.Condition = field(default_factory=threading.Condition, init=False)
    _leaving: threading.Event = field(default_factory=threading.Event, init=False)
    _listener: threading.Thread | None = field(default=None, init=False)

    def __enter__(self) -> Self:
        self._listener = threading.Thread(target=self._listen, name="meter", daemon=True)
        self._listener.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leaving.set()
        if self._listener is not None:
            self._listener.join()

    @property
    def interval_s(self) -> float:
        """The longest time so far from one reading to the next."""
        return self._integral.interval_s

    def wait(self) -> None:
        """See that it speaks, and often enough.

        Raises:
            MeterLost: it does not.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._lost or self._integral.count >= FIRST_READINGS, timeout=_FIRST_WAIT_S)
            # What had piled up before comes at once, and would look like a fast meter: listen for longer than that.
            self._changed.wait_for(lambda: self._lost, timeout=LISTEN_S)
            heard = self._integral.count  # the gap that is open now counts too, so wait for its end
            self._changed.wait_for(lambda: self._lost or self._integral.count > heard, timeout=_FIRST_WAIT_S)
            if not self._lost and self.interval_s > LARGEST_INTERVAL_S:
                self._lose(f"it says a reading every {self.interval_s:.1f} s; at least one a second is needed")
        self.read()

    def read_joules(self) -> float:
        """Joules up to the newest reading."""
        return self.read().joules

    def read(self) -> Reading:
        """The newest reading.

        Raises:
            MeterLost: it is silent, said nonsense, or ended.
        """
        with self._changed:
            if self._lost:
                raise MeterLost(self._lost)
            if self._integral.reading is None:
                raise MeterLost("it has said nothing yet")
            return self._integral.reading

    def _listen(self) -> None:
        lines, heard_s = Lines(skip=self.joined), time.monotonic()
        while not (self._leaving.is_set() or self._lost):
            try:
                piece = self._piece()
                now_s = time.monotonic()
                said = [parse(line) for line in lines.add(piece)] if piece else []
                with self._changed:
                    if now_s - heard_s > SILENCE_S:
                        raise ValueError(f"it said nothing for {now_s - heard_s:.1f} s")
                    if said:
                        self._integral.add(now_s, said)
                        heard_s = now_s
                        self._changed.notify_all()
            except (OSError, ValueError) as error:
                with self._changed:
                    self._lose(str(error))

    def _piece(self) -> bytes:
        """What has arrived, b"" where nothing did for a moment.

        Raises:
            ValueError: nothing will ever come.
        """
        readable, _, _ = select.select([self.descriptor], [], [], _LOOK_S)
        if not readable:
            return b""
        try:
            piece = os.read(self.descriptor, _CHUNK_BYTES)
        except BlockingIOError:
            return b""
        if not piece:
            if not self.follows:
                raise ValueError(self.ended())
            self._leaving.wait(_LOOK_S / 5)
        return piece

    def _lose(self, why: str) -> None:
        self._lost = self._lost or why
        self._changed.notify_all()


def _quoted(line: bytes) -> str:
    text = repr(line[:40])[1:]
    return f"{text}..." if len(line) > 40 else text
