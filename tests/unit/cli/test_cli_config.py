"""Where settings come from."""

import json
from pathlib import Path

import pytest
import yaml
from outcome import Run

from edgewise.cli import config
from edgewise.errors import BadConfiguration


@pytest.fixture(autouse=True)
def system_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "etc" / "config.yaml"
    monkeypatch.setattr(config, "SYSTEM_FILE", path)
    return path


def _write(path: Path, **values: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(values))


def _add(path: Path, **values: str) -> None:
    _write(path, **yaml.safe_load(path.read_text()), **values)


def test_each_setting_from_the_highest_layer_that_has_it(
    home: Path, system_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    user_file = home / ".config/edgewise/config.yaml"
    _write(system_file, store="/system", machines="/system/machines", progress="plain", output="yaml", meter="none")
    _add(system_file, database="sqlite:////system/hub.db", hub="https://hub.example")
    assert config.settings().origin == dict.fromkeys(config.NAMES, str(system_file))
    _write(user_file, machines="/user/machines", progress="json", output="wide")
    monkeypatch.setenv("EDGEWISE_PROGRESS", "none")
    monkeypatch.setenv("EDGEWISE_OUTPUT", "name")
    found = config.settings(output=config.Output.JSON)
    assert found.origin == {
        "store": str(system_file),
        "machines": str(user_file),
        "progress": "EDGEWISE_PROGRESS",
        "output": "flag --output",
        "meter": str(system_file),
        "database": str(system_file),
        "hub": str(system_file),
    }
    assert (found.store, found.machines) == (Path("/system"), Path("/user/machines"))
    assert (found.progress, found.output) == (config.ProgressMode.NONE, config.Output.JSON)


def test_built_in(home: Path) -> None:
    found = config.settings()
    assert found.store == home / ".cache/edgewise"
    assert found.machines == home / ".config/edgewise/machines"
    assert (found.progress, found.output) == ("auto", "table")
    assert set(found.origin.values()) == {"built-in"}
    assert found.catalogues == ()


def test_xdg_folders(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/fast")
    monkeypatch.setenv("XDG_CONFIG_HOME", "relative/is/ignored")
    assert config.settings().store == Path("/fast/edgewise")
    assert config.settings().machines == home / ".config/edgewise/machines"


def test_paths_are_relative_to_where_they_are_written(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _write(home / ".config/edgewise/config.yaml", store="here", machines="~/m")
    assert config.settings().store == home / ".config/edgewise/here"
    assert config.settings().machines == home / "m"
    monkeypatch.setenv("EDGEWISE_STORE", "there")
    assert config.settings().store == home / "there"


def test_empty_variable_is_no_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEWISE_OUTPUT", "")
    assert config.settings().origin["output"] == "built-in"


def test_wrong_value_names_place_and_allowed_values(edgewise_command: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEWISE_PROGRESS", "plane")
    done = edgewise_command("config", "show")
    assert (done.code, done.out) == (BadConfiguration.exit_code, "")
    assert done.err == (
        "error: EDGEWISE_PROGRESS sets progress to 'plane'\n"
        "hint: allowed are auto, plain, none, json; did you mean plain?\n"
    )


def test_wrong_key_in_a_file_names_the_line(edgewise_command: Run, home: Path) -> None:
    _write(home / ".config/edgewise/config.yaml", stroe="x")
    done = edgewise_command("config", "show")
    assert done.code == 10
    assert "config.yaml:1: stroe: found an unknown key" in done.err
    assert "did you mean store?" in done.err


def test_named_folder_of_machines_must_exist(home: Path) -> None:
    with pytest.raises(BadConfiguration, match="nowhere"):
        assert config.settings(machines=Path("nowhere")).catalogues
    (home / "mine").mkdir()
    assert config.settings(machines=Path("mine")).catalogues == (home / "mine",)


def test_config_show_in_every_format(edgewise_command: Run, home: Path) -> None:
    rows = json.loads(edgewise_command("config", "show", "-o", "json").out)
    assert rows[3] == {"setting": "output", "value": "json", "from": "flag --output"}
    assert rows[4] == {"setting": "meter", "value": "the machine's own", "from": "built-in"}
    assert yaml.safe_load(edgewise_command("config", "show", "-o", "yaml").out)[:3] == rows[:3]
    assert edgewise_command("config", "show", "-o", "name").out.split() == list(config.NAMES)
    for output in ("table", "wide"):
        assert str(home / ".cache/edgewise") in edgewise_command("config", "show", "-o", output).out


def test_the_meter_s_command_is_kept_as_it_is_written(
    edgewise_command: Run, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _write(home / ".config/edgewise/config.yaml", meter="usb-meter /dev/ttyUSB0")
    assert config.settings().meter == "usb-meter /dev/ttyUSB0"
    monkeypatch.setenv("EDGEWISE_METER", "python3 'my meter.py'")
    row = json.loads(edgewise_command("config", "show", "-o", "json").out)[4]
    assert row == {"setting": "meter", "value": "python3 'my meter.py'", "from": "EDGEWISE_METER"}
