"""`edgewise completion`: the script that lets a shell complete commands and options."""

from enum import StrEnum
from typing import Annotated

import typer
from typer.completion import get_completion_script  # type: ignore[attr-defined]  # meant for use, not marked so

from edgewise.cli._lazy import COMPLETION_VARIABLE, PROGRAM


class Shell(StrEnum):
    """Shells that there is a script for."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


def run(
    shell: Annotated[Shell, typer.Argument(metavar="SHELL", help="bash, zsh or fish.")],
) -> None:
    """Print the completion script for a shell.

    bash: add `source <(edgewise completion bash)` to ~/.bashrc.

    zsh: add `source <(edgewise completion zsh)` to ~/.zshrc, after compinit.

    fish: `edgewise completion fish > ~/.config/fish/completions/edgewise.fish`.
    """
    typer.echo(get_completion_script(prog_name=PROGRAM, complete_var=COMPLETION_VARIABLE, shell=shell.value))
