"""`edgewise agent status`."""

from collections.abc import Mapping

from edgewise.cli._agent import RootFlag, enrolled, folder, short, state
from edgewise.cli.config import Output, settings
from edgewise.cli.options import OutputFlag
from edgewise.cli.output import Column, data, listing, sentence
from edgewise.edge.agent import status
from edgewise.edge.agent.disk import Disk
from edgewise.edge.agent.state import State
from edgewise.errors import EdgewiseError

Row = tuple[str, str, str, str]


def run(root: RootFlag = None, output: OutputFlag = None) -> None:
    """Say what this device runs: booted, staged, rollback.

    Read from the journal, so it works whether the agent runs or not.
    """
    where = folder(root)
    who, found = enrolled(where), state(where)
    chosen = settings(output=output).output
    rows = _rows(Disk(where), found)
    if chosen in (Output.JSON, Output.YAML):
        data(
            {
                "device": who.device,
                "site": who.site,
                "status": status.word(found).value,
                "reason": status.sentence(found),
                "phase": found.phase.value,
                **{name: {"release": release, "version": version} for name, release, version, _ in rows if release},
                "rejected": dict(found.rejected),
            },
            chosen,
        )
        return
    listing(rows, chosen, columns=COLUMNS, document=_document, name=lambda row: row[1])
    if chosen in (Output.TABLE, Output.WIDE):
        sentence(f"\n{status.word(found).value}: {status.sentence(found)}")


def _rows(disk: Disk, found: State) -> list[Row]:
    named = [("booted", found.booted), ("staged", found.staged), ("rollback", found.rollback)]
    rows = [(name, release, _version(disk, release), "") for name, release in named]
    return rows + [("rejected", release, _version(disk, release), why) for release, why in found.rejected.items()]


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
