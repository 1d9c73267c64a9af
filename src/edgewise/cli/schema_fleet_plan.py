"""`edgewise schema fleet-plan`."""

from edgewise.cli.output import data
from edgewise.flow import fleet


def run() -> None:
    """Print the JSON Schema of what `plan --fleet -o json` prints."""
    data(fleet.schema())
