"""`edgewise schema fleet`."""

from edgewise.cli.output import data
from edgewise.flow import fleetfile


def run() -> None:
    """Print the JSON Schema of fleet.yaml.

    Editors check and complete fleet.yaml with it.
    """
    data(fleetfile.schema())
