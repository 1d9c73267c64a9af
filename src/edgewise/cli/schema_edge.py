"""`edgewise schema edge`."""

from edgewise.cli.output import data
from edgewise.flow import edgefile


def run() -> None:
    """Print the JSON Schema of edge.yaml.

    Editors check and complete edge.yaml with it.
    """
    data(edgefile.EdgeFile.model_json_schema(by_alias=True))
