"""Settings of Edgewise itself: flag over environment over user's file over system's file over built-in.

Each setting is looked up in the layers in that order, one by one; `origin` remembers where its value was
found. A wrong value is an error even where a higher layer hides it, so that it is found early.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum
from pathlib import Path

from pydantic import Field

from edgewise.documents import Document, load
from edgewise.errors import BadConfiguration

SYSTEM_FILE = Path("/etc/edgewise/config.yaml")


class Output(StrEnum):
    """Formats of a listing."""

    TABLE = "table"
    WIDE = "wide"
    JSON = "json"
    YAML = "yaml"
    NAME = "name"


class ProgressMode(StrEnum):
    """How long work shows where it is."""

    AUTO = "auto"
    PLAIN = "plain"
    NONE = "none"
    JSON = "json"


ALLOWED: Mapping[str, tuple[str, ...]] = {
    "progress": tuple(mode.value for mode in ProgressMode),
    "output": tuple(output.value for output in Output),
}
EXPECTED = {"meter": "a meter's name or command", "database": "a database's address", "hub": "a hub's address"}
NAMES = ("store", "machines", "progress", "output", "meter", "database", "hub")


class ConfigurationFile(Document):
    """A config.yaml; every key may be left out."""

    store: str | None = Field(default=None, description="Folder of the cache.")
    machines: str | None = Field(default=None, description="Folder of your own catalogue files.")
    progress: str | None = Field(default=None, description="auto, plain, none or json.")
    output: str | None = Field(default=None, description="table, wide, json, yaml or name.")
    meter: str | None = Field(default=None, description="Energy meter: its name, a program or file that says, or none.")
    database: str | None = Field(default=None, description="The hub's database: sqlite:///PATH or postgresql://….")
    hub: str | None = Field(default=None, description="Address of the hub that verbs ask, such as https://hub.example.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """One place where settings are found.

    Attributes:
        folder: what relative paths in it are relative to.
        where: name of each setting's place, by setting: "flag --store", "EDGEWISE_STORE", a file.
    """

    values: Mapping[str, str]
    where: Mapping[str, str]
    folder: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings in force; `origin` says by name where each comes from.

    Attributes:
        meter: as `flow.metering` reads it, "" for the machine's own.
        database: of the hub, as an address.
        hub: address of the hub to ask; "" for the database itself.
    """

    store: Path
    machines: Path
    progress: ProgressMode
    output: Output
    meter: str
    database: str
    hub: str
    origin: Mapping[str, str]

    @property
    def knows_hub(self) -> bool:
        """Whether somebody named a hub or its database."""
        return bool(self.hub) or self.origin["database"] != "built-in"

    @property
    def catalogues(self) -> tuple[Path, ...]:
        """Folders of the user's own catalogue files; none where the built-in folder does not exist."""
        if self.machines.is_dir():
            return (self.machines,)
        if self.origin["machines"] == "built-in":
            return ()
        raise BadConfiguration(
            f"there is no folder {self.machines} for catalogue files (from {self.origin['machines']})",
            hint="create it, or correct the setting: edgewise config show",
        )


def settings(
    *,
    store: Path | None = None,
    machines: Path | None = None,
    progress: ProgressMode | None = None,
    output: Output | None = None,
    database: str | None = None,
    hub: str | None = None,
) -> Settings:
    """The settings in force, where the arguments are the command's flags.

    Raises:
        BadConfiguration: a value that is not allowed, in the environment or a file.
        BadDocument: a configuration file has faults.
    """
    folders, words = {"store": store, "machines": machines}, {"progress": progress, "output": output}
    flags = {**folders, **words, "database": database, "hub": hub}
    given = {name: str(value) for name, value in flags.items() if value is not None}
    layers = [
        Layer(values=given, where={name: f"flag --{name}" for name in given}, folder=Path.cwd()),
        _environment(os.environ),
        _file(user_file(os.environ)),
        _file(SYSTEM_FILE),
        _built_in(os.environ),
    ]
    return resolve(layers)


def resolve(layers: Sequence[Layer]) -> Settings:
    """The first value of each setting; pure. The last layer has them all."""
    for layer in layers:
        for name, value in layer.values.items():
            _check(name, value, layer.where[name])
    first = {name: next(layer for layer in layers if name in layer.values) for name in NAMES}
    return Settings(
        store=_path(first["store"], "store"),
        machines=_path(first["machines"], "machines"),
        progress=ProgressMode(first["progress"].values["progress"]),
        output=Output(first["output"].values["output"]),
        meter=first["meter"].values["meter"],
        database=first["database"].values["database"],
        hub=first["hub"].values["hub"],
        origin={name: layer.where[name] for name, layer in first.items()},
    )


def user_file(environment: Mapping[str, str]) -> Path:
    """The user's own config.yaml, which need not exist."""
    return _xdg(environment, "XDG_CONFIG_HOME", ".config") / "edgewise" / "config.yaml"


def hub_folder(environment: Mapping[str, str]) -> Path:
    """Where hubs of this user keep what they have verified of releases."""
    return _xdg(environment, "XDG_DATA_HOME", ".local/share") / "edgewise" / "hub"


def _environment(environment: Mapping[str, str]) -> Layer:
    names = {name: f"EDGEWISE_{name.upper()}" for name in NAMES}
    values = {name: environment[key] for name, key in names.items() if environment.get(key)}
    return Layer(values=values, where=names, folder=Path.cwd())


def _file(path: Path) -> Layer:
    if not path.is_file():
        return Layer(values={}, where={}, folder=path.parent)
    values = load(path, ConfigurationFile, what="configuration file").model_dump(exclude_none=True)
    return Layer(values=values, where=dict.fromkeys(values, str(path)), folder=path.parent)


def _built_in(environment: Mapping[str, str]) -> Layer:
    values = {
        "store": str(_xdg(environment, "XDG_CACHE_HOME", ".cache") / "edgewise"),
        "machines": str(user_file(environment).with_name("machines")),
        "progress": ProgressMode.AUTO.value,
        "output": Output.TABLE.value,
        "meter": "",
        "database": f"sqlite:///{_xdg(environment, 'XDG_DATA_HOME', '.local/share') / 'edgewise' / 'hub.db'}",
        "hub": "",
    }
    return Layer(values=values, where=dict.fromkeys(values, "built-in"), folder=Path("/"))


def _xdg(environment: Mapping[str, str], variable: str, otherwise: str) -> Path:
    """A base folder as the XDG specification has it: a relative one is ignored."""
    given = Path(environment.get(variable, ""))
    return given if given.is_absolute() else _home() / otherwise


def _home() -> Path:
    try:
        return Path.home()
    except RuntimeError:
        raise BadConfiguration("this user has no home folder", hint="set HOME") from None


def _path(layer: Layer, name: str) -> Path:
    text = layer.values[name]
    path = _home() / text[2:] if text.startswith("~/") else Path(text)
    return layer.folder / path


def _check(name: str, value: str, where: str) -> None:
    allowed = ALLOWED.get(name)
    if allowed is None:
        if "\0" in value:
            expected = EXPECTED.get(name, "a path")
            raise BadConfiguration(f"{where} holds a NUL byte", hint=f"{expected} is expected")
    elif value not in allowed:
        close = get_close_matches(value, allowed, n=1, cutoff=0.5)
        raise BadConfiguration(
            f"{where} sets {name} to {value!r}",
            hint=f"allowed are {', '.join(allowed)}" + (f"; did you mean {close[0]}?" if close else ""),
        )
