"""Which energy meter a plan reads, and how long it is read.

The setting `meter` names it: a meter of the machine as `edgewise describe machine this` lists it, a program that
prints readings, a file, FIFO or character device with the same lines, or `none`. Without the setting the machine's own
is taken. A meter is opened once, read while the plan times designs, and closed with it; one that is lost leaves a
sentence.
"""

import contextlib
import os
import shlex
import shutil
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgewise.design.windows import Windows
from edgewise.errors import BadConfiguration, ChildFailed
from edgewise.hardware import meters
from edgewise.hardware.counting import FAST_S, EnergyMeter
from edgewise.hardware.external import External, MeterLost
from edgewise.runtimes.child import Speaker
from edgewise.runtimes.place import Place

NONE = "none"
HOW = "docs/how-to/connect-a-meter.md says what a meter must say"


@dataclass(slots=True, kw_only=True)
class Metering:
    """The meter in use.

    Attributes:
        name: as provenance has it, "" where there is none.
        meter: here, open; None where there is none.
        why: what kept it from being used from the start, "" where nothing did.
        windows: how it is read where it is slower than a burst, and whether it was lost meanwhile.
    """

    name: str = ""
    meter: EnergyMeter | None = None
    why: str = ""
    windows: Windows | None = None

    def around_burst(self) -> float:
        """Joules so far, for a meter that is fast enough; raises as the meter does, and remembers it."""
        assert self.meter is not None
        try:
            return self.meter.read_joules()
        except (OSError, ValueError) as error:
            self.why = self.why or str(error)
            raise

    @property
    def fast(self) -> bool:
        """True where a meter here may be read around each burst, and needs no windows."""
        return self.meter is not None and self.windows is None

    @property
    def caveats(self) -> tuple[str, ...]:
        """A sentence where energy is unknown because the meter failed."""
        why = self.why or (self.windows.lost if self.windows else "")
        return (f"no energy from the meter {self.name}: {why}",) if why else ()


@contextlib.contextmanager
def opened(setting: str = "") -> Iterator[Metering]:
    """The meter of this machine that `setting` names, closed afterwards.

    Raises:
        BadConfiguration: it names nothing that is there.
    """
    with contextlib.ExitStack() as held:
        yield _opened(setting.strip(), held)


def of_device(place: Place) -> Metering:
    """The meter that the device at `place` reads itself."""
    name: str = getattr(place, "meter", "")
    interval_s: float = getattr(place, "meter_interval_s", 0.0)
    slow = bool(name) and interval_s > FAST_S
    return Metering(name=name, windows=Windows(name=name, interval_s=interval_s) if slow else None)


def _opened(setting: str, held: contextlib.ExitStack) -> Metering:
    if setting == NONE:
        return Metering()
    here = meters.available()
    if not setting:
        return _metering(meters.choose(here))
    named = next((meter for meter in here if meter.name == setting), None)
    if named is not None:
        return _metering(named)
    external = held.enter_context(_external(setting, held))
    try:
        external.wait()
    except MeterLost as lost:
        return Metering(name=external.name, why=str(lost))
    windows = Windows(name=external.name, interval_s=external.interval_s, read=external.read)
    return Metering(name=external.name, meter=external, windows=windows)


def _metering(meter: EnergyMeter | None) -> Metering:
    if meter is None:
        return Metering()
    slow = meter.interval_s > FAST_S
    windows = Windows(name=meter.name, interval_s=meter.interval_s, read=meter.read) if slow else None
    return Metering(name=meter.name, meter=meter, windows=windows)


def _external(setting: str, held: contextlib.ExitStack) -> External:
    path = Path(setting).expanduser()
    if "\0" in setting:
        raise BadConfiguration("the setting meter holds a NUL byte", hint=HOW)
    if _lines_in(path):
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
        held.callback(os.close, descriptor)
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.lseek(descriptor, 0, os.SEEK_END)
        return External(str(path), descriptor, follows=True, joined=True)
    program = held.enter_context(_started(_argv(setting)))
    return External(setting, program.output, ended=program.ended)


def _lines_in(path: Path) -> bool:
    """Whether `path` is something to read lines from: no program, no folder.

    Raises:
        BadConfiguration: it is, and may not be read.
    """
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        return False
    readable = stat.S_ISFIFO(mode) or stat.S_ISCHR(mode) or (stat.S_ISREG(mode) and not mode & 0o111)
    if readable and not os.access(path, os.R_OK):
        raise BadConfiguration(f"the meter {path} may not be read by this user", hint=HOW)
    return readable


def _argv(setting: str) -> Sequence[str]:
    try:
        argv = shlex.split(setting)
    except ValueError as error:
        raise BadConfiguration(f"the setting meter is no command: {error}", hint=HOW) from error
    program = shutil.which(os.path.expanduser(argv[0])) if argv else None  # noqa: PTH111 - may be no path
    if program is None:
        known = ", ".join(meter.name for meter in meters.available()) or "none here"
        raise BadConfiguration(
            f"there is no meter {setting!r}: no meter of this machine ({known}), no file and no program", hint=HOW
        )
    return [program, *argv[1:]]


def _started(argv: Sequence[str]) -> Speaker:
    try:
        return Speaker(argv)
    except ChildFailed as error:
        raise BadConfiguration(f"the meter {error.message}", hint=HOW) from error
