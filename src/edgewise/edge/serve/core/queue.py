"""Who waits for a model, and who goes next: by priority, then by arrival.

Requests that cannot run together (other shapes) wait in lines of their own; the line whose head came first goes first.
Cancelled requests are counted out at once and dropped when they come to the head.
"""

from collections import deque

from edgewise.edge.serve.core.ticket import Likeness, Ticket

Lines = dict[Likeness, deque[Ticket]]


class Queue:
    """The line before one model."""

    def __init__(self) -> None:
        self._levels: dict[int, Lines] = {}
        self._rows: dict[int, int] = {}
        self._requests = 0

    def __len__(self) -> int:
        return self._requests

    def put(self, ticket: Ticket) -> None:
        """`ticket` waits; it is counted out when it is cancelled."""
        lines = self._levels.setdefault(ticket.priority, {})
        lines.setdefault(ticket.likeness, deque()).append(ticket)
        self._count(ticket, 1)
        ticket.withdrawn = self._withdraw

    def rows(self, priority: int | None = None) -> int:
        """Rows that wait; only those that go before a newcomer of `priority` where it is given."""
        return sum(rows for level, rows in self._rows.items() if priority is None or level <= priority)

    def head(self) -> Ticket | None:
        """Who goes next."""
        for level in sorted(self._levels):
            lines = self._levels[level]
            self._drop_cancelled(lines)
            if lines:
                return min((line[0] for line in lines.values()), key=lambda ticket: ticket.arrived_s)
            del self._levels[level]
        return None

    def take(self, rows: int, requests: int) -> list[Ticket]:
        """Who runs together next: the head and those that are alike, until `rows` or `requests` are full.

        The head is taken whatever its rows.
        """
        first = self.head()
        if first is None:
            return []
        taken: list[Ticket] = []
        total = 0
        for level in sorted(self._levels):
            line = self._levels[level].get(first.likeness)
            while line and len(taken) < requests:
                if line[0].done is None:
                    line.popleft()
                    continue
                if taken and total + line[0].rows > rows:
                    return taken
                ticket = line.popleft()
                ticket.withdrawn = None
                self._count(ticket, -1)
                taken.append(ticket)
                total += ticket.rows
        return taken

    def _withdraw(self, ticket: Ticket) -> None:
        ticket.withdrawn = None
        ticket.inputs = []
        self._count(ticket, -1)

    def _count(self, ticket: Ticket, sign: int) -> None:
        self._requests += sign
        rows = self._rows.get(ticket.priority, 0) + sign * ticket.rows
        if rows:
            self._rows[ticket.priority] = rows
        else:
            self._rows.pop(ticket.priority, None)

    @staticmethod
    def _drop_cancelled(lines: Lines) -> None:
        for likeness in list(lines):
            line = lines[likeness]
            while line and line[0].done is None:
                line.popleft()
            if not line:
                del lines[likeness]
