"""Which meter is read: the machine's, a program, a file; and what is said of one that fails."""

import os
import shlex
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from edgewise.errors import BadConfiguration
from edgewise.flow import metering
from edgewise.hardware import meters
from edgewise.hardware.counting import Counter, PowerSensor, Scope

PROGRAM = Path(__file__).resolve().parents[2] / "fakes" / "speaking_meter.py"


def program(*arguments: str) -> str:
    return shlex.join([sys.executable, str(PROGRAM), *arguments])


@pytest.fixture
def own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The machine has a RAPL and a rail."""
    energy = tmp_path / "energy_uj"
    energy.write_text("5000000")
    found = (
        PowerSensor(name="hwmon VDD_GPU", watts=lambda: 2.0, scope=Scope.PART),
        Counter(name="rapl package-0", path=energy),
    )
    monkeypatch.setattr(meters, "available", lambda: found)


@pytest.fixture
def none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meters, "available", lambda: ())


@pytest.mark.usefixtures("own")
def test_the_machine_s_own_by_itself_by_name_or_not_at_all() -> None:
    with metering.opened() as found:
        assert (found.name, found.fast, found.windows) == ("rapl package-0", True, None)
    with metering.opened("hwmon VDD_GPU") as found:
        assert (found.name, found.fast) == ("hwmon VDD_GPU", False)
        assert found.windows is not None
    with metering.opened("none") as found:
        assert (found.name, found.meter, found.caveats) == ("", None, ())


@pytest.mark.usefixtures("own")
def test_a_counter_that_is_gone_is_remembered(tmp_path: Path) -> None:
    with metering.opened() as found:
        assert found.around_burst() == 0.0
        (tmp_path / "energy_uj").unlink()
        with pytest.raises(OSError, match="No such file"):
            found.around_burst()
    assert "no energy from the meter rapl package-0: " in found.caveats[0]


@pytest.mark.usefixtures("none")
@pytest.mark.parametrize("kind", ["good", "energy"])
def test_a_program_is_read_while_it_is_needed_and_ended(kind: str) -> None:
    with metering.opened(program(kind, "4")) as found:
        assert found.meter is not None
        assert found.windows is not None
        before = found.meter.read()
        time.sleep(0.5)
        after = found.meter.read()
        watts = (after.joules - before.joules) / (after.at_s - before.at_s)
        assert watts == pytest.approx(4.0, rel=0.1 if kind == "energy" else 1e-6)
        assert found.caveats == ()
    until(lambda: not running(kind))


@pytest.mark.usefixtures("none")
@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("silent", "it said nothing for 2"),
        ("mute", "it said nothing for 2"),
        ("garbage", "it says 'E2: overload"),
        ("dying", "it ended with exit code 3"),
        ("slow", "a reading every 1.3 s; at least one a second"),
        ("endless", "longer than 200 bytes"),
    ],
)
def test_a_program_that_fails_leaves_a_sentence_and_no_figure(kind: str, said: str) -> None:
    with metering.opened(program(kind)) as found:
        if found.meter is not None:
            until(lambda: not readable(found))
            assert found.windows is not None
            found.windows.lost = trouble(found)
    assert len(found.caveats) == 1
    assert said in found.caveats[0]


@pytest.mark.usefixtures("none")
@pytest.mark.parametrize("kind", ["file", "fifo"])
def test_a_file_that_grows_and_a_fifo(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "meter"
    if kind == "fifo":
        os.mkfifo(path)
    else:
        path.write_text("99 J\n")
    done = threading.Event()

    def write() -> None:
        with path.open("a") as file:
            while not done.is_set():
                file.write("6 W\n")
                file.flush()
                done.wait(0.02)

    writer = threading.Thread(target=write, daemon=True)
    writer.start()
    with metering.opened(str(path)) as found:
        assert found.meter is not None, found.caveats
        before = found.meter.read()
        time.sleep(0.3)
        after = found.meter.read()
        assert (after.joules - before.joules) / (after.at_s - before.at_s) == pytest.approx(6.0)
        done.set()
        writer.join()
        until(lambda: not readable(found))
        assert "it said nothing for 2" in trouble(found)


@pytest.mark.usefixtures("own")
@pytest.mark.parametrize("setting", ["no-such-program --fast", "/nowhere/meter", "'unbalanced", "a\0b"])
def test_what_names_nothing_is_refused_with_what_there_is(setting: str) -> None:
    with pytest.raises(BadConfiguration) as refused, metering.opened(setting):
        pass
    assert "connect-a-meter" in refused.value.hint


@pytest.mark.usefixtures("none")
def test_no_meter_is_no_fault() -> None:
    with metering.opened() as found:
        assert (found.name, found.meter, found.windows, found.caveats) == ("", None, None, ())


def readable(found: metering.Metering) -> bool:
    return not trouble(found)


def trouble(found: metering.Metering) -> str:
    assert found.meter is not None
    try:
        found.meter.read()
    except OSError as error:
        return str(error)
    return ""


def running(kind: str) -> bool:
    """Whether a meter of this test is left."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().split(b"\0")
            parent = (process / "stat").read_text().rpartition(")")[2].split()[1]
        except OSError:
            continue
        if str(PROGRAM).encode() in words and kind.encode() in words and int(parent) == os.getpid():
            return True
    return False


def until(true: Callable[[], bool], *, seconds: float = 6.0) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.usefixtures("none")
@pytest.mark.parametrize("kind", ["piled", "coarse"])
def test_what_had_piled_up_makes_no_fast_meter(kind: str) -> None:
    with metering.opened(program(kind)) as found:
        assert not found.fast
        assert found.windows is not None
        assert 0.09 < found.windows.interval_s < 0.5
