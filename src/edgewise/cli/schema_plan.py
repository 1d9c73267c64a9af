"""`edgewise schema plan`."""

from edgewise.cli.output import data
from edgewise.flow import plan as planning


def run() -> None:
    """Print the JSON Schema of what `plan -o json` prints."""
    data(planning.schema())
