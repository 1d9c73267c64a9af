"""How long work says where it is. The rooms report; `cli/` draws.

A stage is a named stretch of work with a known or unknown number of steps. Reporting costs nothing
when nobody listens: `SILENT` is the default everywhere.
"""

from typing import Protocol


class Progress(Protocol):
    """Listener to long work. Calls come from one thread at a time per stage."""

    def stage(self, name: str, total: int | None) -> None:
        """A stage begins; the one before it is over. `total` steps are expected, None if unknown."""

    def step(self, note: str = "", *, amount: int = 1) -> None:
        """`amount` steps of the current stage are done; `note` names the last of them."""


class _Silent:
    def stage(self, name: str, total: int | None) -> None:
        pass

    def step(self, note: str = "", *, amount: int = 1) -> None:
        pass


SILENT: Progress = _Silent()
