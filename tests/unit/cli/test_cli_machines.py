"""get machines and describe machine, with the real catalogue and the machine at hand."""

import json
from pathlib import Path

import pytest
import yaml
from outcome import Run

from edgewise.errors import BadDocument, UnknownMachine
from edgewise.hardware import meters
from edgewise.hardware.counting import Counter


@pytest.mark.parametrize("output", ["table", "wide", "json", "yaml", "name"])
def test_get_machines_in_every_format(edgewise_command: Run, output: str) -> None:
    done = edgewise_command("get", "machines", "-o", output)
    assert done.code == 0
    assert "\x1b" not in done.out
    match output:
        case "json" | "yaml":
            rows = (json.loads if output == "json" else yaml.safe_load)(done.out)
            assert rows[0]["name"] == "this"
            assert all(row["accelerators"] for row in rows)
        case "name":
            assert done.out.split()[0] == "this"
            assert "coral-dev-board" in done.out.split()
        case _:
            assert done.out.splitlines()[1].startswith("this ")
            assert output == "wide" or max(map(len, done.out.splitlines())) <= 80


@pytest.mark.parametrize("output", ["table", "wide", "json", "yaml", "name"])
def test_describe_machine_in_every_format(edgewise_command: Run, output: str) -> None:
    done = edgewise_command("describe", "machine", "coral-dev-board", "-o", output)
    assert (done.code, done.err) == (0, "")
    assert "coral-dev-board" in done.out
    if output in ("json", "yaml"):
        found = (json.loads if output == "json" else yaml.safe_load)(done.out)
        assert found["price"]["provenance"]["by"].startswith("https://")
    if output in ("table", "wide"):
        assert "https://" in done.out
        assert "[1] published by" in done.out


def test_describe_this(edgewise_command: Run) -> None:
    done = edgewise_command("describe", "machine", "this")
    assert done.code == 0
    assert "memory bandwidth" in done.out


def test_unknown_machine_offers_the_nearest(edgewise_command: Run) -> None:
    done = edgewise_command("describe", "machine", "coral-dev-bord")
    assert (done.code, done.out) == (UnknownMachine.exit_code, "")
    assert "coral-dev-board" in done.err


def test_fault_in_ones_own_catalogue(edgewise_command: Run, home: Path) -> None:
    folder = home / ".config/edgewise/machines"
    folder.mkdir(parents=True)
    (folder / "mine.yaml").write_text("sources: {}\nmachines: {mill: {titel: x}}\n")
    done = edgewise_command("get", "machines")
    assert (done.code, done.out) == (BadDocument.exit_code, "")
    assert "mine.yaml:2: " in done.err


def test_describe_this_says_which_meter_is_read_and_why_others_are_not(
    edgewise_command: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    rapl = Counter(name="rapl package-0", path=Path("/nowhere"))
    found = meters.Survey(usable=(rapl,), unusable=("hwmon VDD_IN: it gives no number",))
    monkeypatch.setattr(meters, "survey", lambda root=meters.SYS: found)
    out = " ".join(edgewise_command("describe", "machine", "this").out.split())
    assert "energy meters: rapl package-0" in out
    assert "plan reads rapl package-0, every 1 ms, where the setting meter names no other" in out
    assert "not usable: hwmon VDD_IN: it gives no number" in out


def test_describe_this_without_a_meter_says_so(edgewise_command: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meters, "survey", lambda root=meters.SYS: meters.Survey(usable=(), unusable=()))
    assert "energy meters: none\n" in edgewise_command("describe", "machine", "this").out
