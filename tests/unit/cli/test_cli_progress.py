"""Progress on stderr in every mode; stdout stays empty."""

import io
import json

import pytest
from rich.console import Console

from edgewise.cli import progress
from edgewise.cli.config import ProgressMode


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_plain_lines_are_few() -> None:
    stream, clock = io.StringIO(), Clock()
    lines = progress.PlainLines(stream, clock)
    lines.stage("timing", 100)
    for number in range(100):
        clock.now += 0.125
        lines.step(f"design {number}\x1b[2J")
    lines.stage("report", None)
    lines.step()
    lines.end()
    assert stream.getvalue().splitlines() == [
        "timing: started, 100 to do",
        "timing: 40 of 100, design 39\\x1b[2J",
        "timing: 80 of 100, design 79\\x1b[2J",
        "timing: done, 100 of 100 in 12.5 s",
        "report: started",
        "report: done, 1 in 0.0 s",
    ]


def test_json_lines(capsys: pytest.CaptureFixture[str]) -> None:
    with progress.drawing(ProgressMode.JSON) as listener:
        listener.stage("timing", 3)
        listener.step("a", amount=2)
    out, err = capsys.readouterr()
    assert out == ""
    assert [json.loads(line) for line in err.splitlines()] == [
        {"stage": "timing", "done": 0, "total": 3, "note": ""},
        {"stage": "timing", "done": 2, "total": 3, "note": "a"},
    ]


@pytest.mark.parametrize("mode", [ProgressMode.AUTO, ProgressMode.PLAIN])
def test_plain_when_piped(mode: ProgressMode, capsys: pytest.CaptureFixture[str]) -> None:
    with progress.drawing(mode) as listener:
        listener.stage("timing", 1)
        listener.step()
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("timing: started, 1 to do\ntiming: done, 1 of 1 in")


def test_none(capsys: pytest.CaptureFixture[str]) -> None:
    with progress.drawing(ProgressMode.NONE) as listener:
        listener.stage("timing", 1)
        listener.step()
    assert capsys.readouterr() == ("", "")


def test_bars_on_a_terminal() -> None:
    stream = io.StringIO()
    screen = Console(file=stream, force_terminal=True, width=100)
    with progress.Drawn(screen) as bars:
        bars.stage("timing [red]", 4)
        bars.step("first", amount=4)
        bars.stage("report", None)
        bars.step()
    shown = stream.getvalue()
    assert "timing [red]" in shown
    assert "4/4" in shown
    assert "report" in shown


def test_bar_of_what_failed_does_not_claim_to_be_done() -> None:
    stream = io.StringIO()

    def fail() -> None:
        with progress.Drawn(Console(file=stream, force_terminal=True, width=100)) as bars:
            bars.stage("timing", 4)
            bars.step()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert "4/4" not in stream.getvalue()
