"""`edgewise agent logs`: the journal, for people."""

import sys
from datetime import UTC, datetime
from typing import Annotated

import typer

from edgewise.cli._agent import RootFlag, enrolled, folder, short
from edgewise.cli._say import clean
from edgewise.edge.agent import journal


def run(
    root: RootFlag = None,
    lines: Annotated[int, typer.Option("--lines", "-n", help="How many of the newest.", min=1)] = 50,
) -> None:
    """Show what the agent decided, and why: the newest lines of its journal."""
    where = folder(root)
    enrolled(where)
    for one in journal.entries(where / "journal")[-lines:]:
        at = datetime.fromtimestamp(one.at_s, UTC).strftime("%Y-%m-%d %H:%M:%S")
        what = " ".join(part for part in (one.event, short(one.release)) if part)
        why = f": {one.reason}" if one.reason else ""
        sys.stdout.write(clean(f"{at} {what} -> {one.state.phase}{why}") + "\n")
