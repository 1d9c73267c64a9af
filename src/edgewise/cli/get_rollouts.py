"""`edgewise get rollouts`."""

from edgewise.cli._hub import DatabaseFlag, HubFlag, ask
from edgewise.cli._hub_lists import ago, column, show
from edgewise.cli.config import settings
from edgewise.cli.options import OutputFlag


def run(hub: HubFlag = None, database: DatabaseFlag = None, output: OutputFlag = None) -> None:
    """List rollouts that the hub was told of, newest first.

    Asks the hub that --hub or EDGEWISE_HUB names, else the database itself.
    """
    found = settings(hub=hub, database=database, output=output)
    show(found, ask(found, "GET", "/api/v1/rollouts")["rollouts"], COLUMNS, "name")


COLUMNS = [
    column("ROLLOUT", "name"),
    column("SITE", "site"),
    column("STATE", "state"),
    column("STAGE", "stage", right=True),
    column("STAGES", "stages", drop=2),
    ago("CHANGED", "changed_s", right=True),
    column("REASON", "reason", drop=1),
    column("RELEASE", "release", wide=True),
]
