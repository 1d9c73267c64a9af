"""`edgewise version`."""

import typer

from edgewise import __version__


def run() -> None:
    """Print the version."""
    typer.echo(f"edgewise {__version__}")
