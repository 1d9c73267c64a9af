"""A child that is new code of the agent: whether it starts, reads what the device has, and trusts whom it trusts.

Run with the new code before what is installed. What it imports is all that an agent imports.
"""

from pathlib import Path
from typing import Any

from tuf.api.metadata import Metadata, Root

import edgewise
from edgewise.edge.agent import __main__ as process
from edgewise.edge.agent import journal, outside, settings
from edgewise.errors import AgentUnfit
from edgewise.runtimes import answer


def check(root: str) -> dict[str, Any]:
    """Version and folder of this code, which can do its work with the files in `root`.

    Raises:
        AgentUnfit: it cannot.
    """
    folder = Path(root)
    if settings.identity(folder) is None:
        raise AgentUnfit("it finds no identity of the device")
    settings.read(folder)
    there = folder / "journal"
    if there.exists() and not journal.entries(there):
        raise AgentUnfit("it cannot read the journal")
    trusted = Metadata[Root].from_bytes((folder / "trust" / "root.json").read_bytes())
    trusted.verify_delegate(Root.type, trusted)
    assert callable(process.main)
    assert callable(outside.follow)
    return {"version": edgewise.__version__, "folder": str(Path(edgewise.__file__).parents[1])}


if __name__ == "__main__":
    answer.serve({"check": check})
