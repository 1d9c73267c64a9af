"""Verbs that are imported when they are called, so that `--help` stays quick.

A group knows of each verb its name, its line of help and its module; the module's function `run` becomes
the command. This is the one place that turns a missing optional package into a sentence.
"""

import contextlib
import importlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from edgewise.errors import MissingDependency

PROGRAM = "edgewise"
COMPLETION_VARIABLE = "_EDGEWISE_COMPLETE"  # set by the shell's completion script, see completion.py

OPTIONAL = frozenset(
    ["ai_edge_litert", "jinja2", "nncf", "onnx", "onnxruntime", "onnxslim", "openvino", "scipy", "sklearn"]
)  # what the design extra brings, as it is imported
HUB = frozenset(["alembic", "psycopg", "python_multipart", "sqlalchemy", "starlette", "uvicorn"])
BUILD = frozenset(["deflate", "elftools", "installer", "packaging", "zstandard"])
KUBERNETES = frozenset(["jsonschema", "kubernetes", "kubernetes_validate", "referencing", "urllib3"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Verb:
    """A line of the table of verbs.

    Attributes:
        help: the first line of the command's own help, to the letter.
        module: where the function `run` is; "" for a group.
        panel: heading that it stands under in `--help`.
        verbs: what a group holds.
    """

    name: str
    help: str
    module: str = ""
    panel: str = ""
    verbs: tuple["Verb", ...] = ()


class LazyCommand(TyperCommand):
    """Stands in the list of commands until it is called."""

    def __init__(self, verb: Verb) -> None:
        super().__init__(verb.name, help=verb.help, rich_help_panel=verb.panel or None)
        self.verb = verb

    def load(self) -> Any:
        """The command itself; imports its module."""
        module = importlib.import_module(self.verb.module)
        app = typer.Typer(add_completion=False)
        app.command(self.verb.name)(module.run)
        return typer.main.get_command(app)


class LazyGroup(TyperGroup):
    """A group whose commands are loaded when they are called. Without a command it prints its help."""

    def offer(self, verbs: tuple[Verb, ...]) -> "LazyGroup":
        """Add `verbs` to the group; the group."""
        for verb in verbs:
            if verb.verbs:
                group = LazyGroup(name=verb.name, help=verb.help, rich_help_panel=verb.panel or None)
                self.add_command(group.offer(verb.verbs))
            else:
                self.add_command(LazyCommand(verb))
        return self

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        return super().parse_args(ctx, args if args or ctx.resilient_parsing else ["--help"])

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        name, command, rest = super().resolve_command(ctx, args)
        if isinstance(command, LazyCommand):
            with _missing_packages_explained(f"{ctx.command_path} {name}"):
                command = command.load()
        return name, command, rest

    def invoke(self, ctx: Any) -> Any:
        with _missing_packages_explained(f"{ctx.command_path} {ctx.invoked_subcommand or ''}".strip()):
            return super().invoke(ctx)


@contextlib.contextmanager
def _missing_packages_explained(command: str) -> Iterator[None]:
    """A known package that is not installed becomes a MissingDependency; any other is a bug."""
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        brought = {"design": OPTIONAL, "build": BUILD, "hub": HUB, "kubernetes": KUBERNETES}
        extra = next((extra for extra, packages in brought.items() if package in packages), None)
        if extra is None:
            raise
        raise MissingDependency(
            f"{command} needs {package}, which the {extra} extra brings",
            hint=f"pip install 'edgewise[{extra}]'",
        ) from error
