"""Options that several verbs share, each described once."""

from pathlib import Path
from typing import Annotated

import typer

from edgewise.cli.config import Output, ProgressMode

PANEL = "Settings"

OutputFlag = Annotated[
    Output | None,
    typer.Option(
        "--output",
        "-o",
        help="Format of what is printed.",
        show_default=False,
        rich_help_panel=PANEL,
    ),
]
ProgressFlag = Annotated[
    ProgressMode | None,
    typer.Option(
        "--progress",
        help="How to show progress, on stderr.",
        show_default=False,
        rich_help_panel=PANEL,
    ),
]
StoreFlag = Annotated[
    Path | None,
    typer.Option(
        "--store",
        metavar="FOLDER",
        help="Folder of the cache.",
        file_okay=False,
        show_default=False,
        rich_help_panel=PANEL,
    ),
]
MachinesFlag = Annotated[
    Path | None,
    typer.Option(
        "--machines",
        metavar="FOLDER",
        help="Folder of your own catalogue files.",
        file_okay=False,
        show_default=False,
        rich_help_panel=PANEL,
    ),
]
EdgeFileArgument = Annotated[Path, typer.Argument(metavar="EDGE.YAML", help="The file to work from.", dir_okay=False)]
AtOnceFlag = Annotated[bool, typer.Option("--at-once", help="Every device takes it, without a rollout.")]
SoakOption = Annotated[float, typer.Option(metavar="SECONDS", help="How long a device watches it.")]
SettingOption = Annotated[
    list[str] | None, typer.Option(metavar="NAME=VALUE", help="Environment of the server; may be repeated.")
]
