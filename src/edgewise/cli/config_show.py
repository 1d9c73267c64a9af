"""`edgewise config show`."""

import re

from edgewise.cli.config import NAMES, Settings, settings
from edgewise.cli.options import MachinesFlag, OutputFlag, ProgressFlag, StoreFlag
from edgewise.cli.output import Column, listing


def run(
    store: StoreFlag = None,
    machines: MachinesFlag = None,
    progress: ProgressFlag = None,
    output: OutputFlag = None,
) -> None:
    """Show every setting and where its value comes from.

    A flag comes first, then the environment (EDGEWISE_STORE and so on), your own config.yaml, the system's,
    and the built-in value.
    """
    found = settings(store=store, machines=machines, progress=progress, output=output)
    values = _values(found)
    columns: list[Column[str]] = [
        Column(title="SETTING", text=str),
        Column(title="VALUE", text=values.__getitem__),
        Column(title="FROM", text=found.origin.__getitem__),
    ]
    listing(
        NAMES,
        found.output,
        columns=columns,
        document=lambda name: {"setting": name, "value": values[name], "from": found.origin[name]},
        name=str,
    )


def without_password(address: str) -> str:
    """A database's address as it may be shown."""
    return re.sub(r"(://[^:/@]*):[^@]*@", r"\1:***@", address)


def _values(found: Settings) -> dict[str, str]:
    return {
        "store": str(found.store),
        "machines": str(found.machines),
        "progress": found.progress.value,
        "output": found.output.value,
        "meter": found.meter or "the machine's own",
        "database": without_password(found.database),
        "hub": found.hub or "none: the database itself is asked",
    }
