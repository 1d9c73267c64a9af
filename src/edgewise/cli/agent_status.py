"""`edgewise agent status`."""

from collections.abc import Mapping
from pathlib import Path

from edgewise.cli._agent import RootFlag, enrolled, folder, short, state
from edgewise.cli.config import Output, settings
from edgewise.cli.options import OutputFlag
from edgewise.cli.output import Column, data, listing, sentence
from edgewise.edge.agent import own, status, units
from edgewise.edge.agent import settings as device_settings
from edgewise.edge.agent.disk import Disk
from edgewise.edge.agent.state import State
from edgewise.edge.agent.units import Unit
from edgewise.errors import BadConfiguration, EdgewiseError

Row = tuple[str, str, str, str]
SLOTS = ("booted", "staged", "rollback")


def run(root: RootFlag = None, output: OutputFlag = None) -> None:
    """Say what this device runs: booted, staged, rollback.

    Read from the journal, so it works whether the agent runs or not. Units that run releases beside the agent are
    named with the health that Podman sees.
    """
    where = folder(root)
    who, found = enrolled(where), state(where)
    chosen = settings(output=output).output
    beside = _beside(where, who.site)
    disk, agents = Disk(where), own.refused(where)
    unwell = units.unwell(beside) or _refusal(disk, found)
    word, why = status.word(found, unwell, beside).value, status.sentence(found, unwell, beside)
    rows = [*_rows(disk, found), *map(_unit, beside), *(_agent(*one) for one in agents.items())]
    slots = [row for row in rows if row[0] in SLOTS and row[1]]
    if chosen in (Output.JSON, Output.YAML):
        data(
            {
                "device": who.device,
                "site": who.site,
                "status": word,
                "reason": why,
                "phase": found.phase.value,
                **{name: {"release": release, "version": version} for name, release, version, _ in slots},
                "rejected": dict(found.rejected),
                "refused_agents": {f"sha256:{agent}": why for agent, why in agents.items()},
                "units": [{"name": one.name, "release": one.release, "health": one.health.value} for one in beside],
            },
            chosen,
        )
        return
    listing(rows, chosen, columns=COLUMNS, document=_document, name=lambda row: row[1])
    if chosen in (Output.TABLE, Output.WIDE):
        sentence(f"\n{word}: {why}")


def _rows(disk: Disk, found: State) -> list[Row]:
    named = [("booted", found.booted), ("staged", found.staged), ("rollback", found.rollback)]
    rows = [(name, release, _version(disk, release), "") for name, release in named]
    return rows + [("rejected", release, _version(disk, release), why) for release, why in found.rejected.items()]


def _beside(where: Path, site: str) -> tuple[Unit, ...]:
    try:
        return units.look(site, device_settings.read(where).podman)
    except BadConfiguration:
        return ()


def _unit(one: Unit) -> Row:
    return "unit", one.release, "", f"{one.name}: {one.health.value}"


def _agent(agent: str, why: str) -> Row:
    return "agent refused", f"sha256:{agent}", "", why


def _refusal(disk: Disk, found: State) -> str:
    """Why the agent that the booted release brings was refused here; "" where it was not."""
    try:
        return own.refusal(disk.root, disk.read(found.booted)) if found.booted else ""
    except EdgewiseError:
        return ""


def _version(disk: Disk, release: str) -> str:
    try:
        return disk.read(release).version if release else ""
    except EdgewiseError:
        return ""


def _document(row: Row) -> Mapping[str, object]:
    return dict(zip(("slot", "release", "version", "reason"), row, strict=True))


COLUMNS: list[Column[Row]] = [
    Column(title="SLOT", text=lambda row: row[0]),
    Column(title="RELEASE", text=lambda row: short(row[1]) or "-"),
    Column(title="VERSION", text=lambda row: row[2] or "-"),
    Column(title="WHY", text=lambda row: row[3], drop=1),
]
