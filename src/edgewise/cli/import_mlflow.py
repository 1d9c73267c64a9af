"""`edgewise import mlflow`: into the database that is at hand."""

import os
import time
from typing import Annotated

import typer

from edgewise.cli._hub import DatabaseFlag
from edgewise.cli._say import note
from edgewise.cli.config import settings
from edgewise.core.database import migrate
from edgewise.core.hub import audit
from edgewise.core.registry import mlflow


def run(
    uri: Annotated[str, typer.Argument(metavar="URI", help="Address of the MLflow server.")],
    database: DatabaseFlag = None,
) -> None:
    """Take over the models of an MLflow registry.

    Models, versions, aliases, tags, metrics of the runs and where the files are; the files stay there. A token is read
    from MLFLOW_TRACKING_TOKEN. Again is no harm: versions that are here already stay as they are.

    Example: edgewise import mlflow http://mlflow.example:5000
    """
    opened = migrate.opened(settings(database=database).database)
    new = known = models = 0
    now_s = int(time.time())
    try:
        for found in mlflow.read(uri, os.environ.get("MLFLOW_TRACKING_TOKEN", "")):
            with opened.writing() as connection:
                done = mlflow.keep(connection, found, uri, now_ms=now_s * 1000)
                details = {"from": uri, "new": done.new}
                who, name = "database", done.models[0]
                audit.note(connection, at_s=now_s, who=who, action="import model", subject=name, details=details)
            models, new, known = models + 1, new + done.new, known + done.known
    finally:
        opened.close()
    note(f"{models} model{'s' * (models != 1)}: {new} new version{'s' * (new != 1)}, {known} known before")
