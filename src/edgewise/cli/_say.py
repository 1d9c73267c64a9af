"""What the command says on stderr: notes, and errors with their hints.

Lines are not wrapped: `file:line: …` must stay what an editor can jump to.
"""

import typer
from rich.console import Console
from rich.text import Text

from edgewise.errors import BadDocument, BadTraining, ChildFailed, EdgewiseError, TrainingFailed

LOG_LINES = 20
HARMLESS = "\n\t\u00a0\u202f"
"""What is no print and does no harm: line ends, and spaces that do not break."""


def clean(text: str) -> str:
    """`text` without control characters: names in files must not move the cursor or colour the screen."""
    return "".join(sign if sign.isprintable() or sign in HARMLESS else repr(sign)[1:-1] for sign in text)


def note(message: str) -> None:
    """One line for the person at the terminal."""
    _line(Text(clean(message)))


def labelled(label: str, style: str, message: str) -> None:
    """`label: message`, the label in colour where there is colour."""
    _line(Text.assemble((f"{label}: ", style), clean(message)))


def show_error(error: EdgewiseError) -> None:
    """The error, what was found wrong before it, and what to do next after it."""
    if isinstance(error, BadDocument):
        for fault in error.faults:
            note(str(fault))
    if isinstance(error, ChildFailed | BadTraining | TrainingFailed) and error.log:
        for line in error.log.splitlines()[-LOG_LINES:]:
            note(f"  | {line}")
    labelled("error", "bold red", error.message)
    if error.hint:
        labelled("hint", "bold cyan", error.hint)


def show_usage_error(error: typer.TyperException) -> None:
    """A command line that cannot be understood."""
    labelled("error", "bold red", " ".join(error.format_message().split()))
    context = getattr(error, "ctx", None)  # only Typer's private subclasses declare it
    if context is not None:
        labelled("hint", "bold cyan", f"{context.command_path} --help")


def _line(text: Text) -> None:
    Console(stderr=True, highlight=False).print(text, soft_wrap=True)
