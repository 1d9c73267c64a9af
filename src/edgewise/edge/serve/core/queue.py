"""Who waits for a model, and who goes next: by priority, then by arrival.

Requests that cannot run together (other shapes) wait in lines of their own; the line whose head came first goes first.
Cancelled requests are counted out at once and dropped when they come to the head.
"""

from collections import deque

from edgewise.edge.serve.core.ticket import Likeness, Ticket

Lines = dict[Likeness, deque[Ticket]]


class Queue:
    """The line before one model.

    Attributes:
        all_rows: rows that wait.
    """

    def __init__(self) -> None:
        self._levels: dict[int, Lines] = {}
        self._rows: dict[int, int] = {}
        self._requests = 0
        self.all_rows = 0

    def __len__(self) -> int:
        return self._requests

    def put(self, ticket: Ticket) -> None:
        """`ticket` waits; it is counted out when it is cancelled."""
        lines = self._levels.get(ticket.priority)
        if lines is None:
            lines = self._levels[ticket.priority] = {}
        line = lines.get(ticket.likeness)
        if line is None:
            line = lines[ticket.likeness] = deque()
        line.append(ticket)
        self._count(ticket.priority, 1, ticket.rows)
        ticket.withdrawn = self._withdraw

    def rows(self, priority: int) -> int:
        """Rows that go before a newcomer of `priority`."""
        return sum([rows for level, rows in self._rows.items() if level <= priority])

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
            before = len(taken), total
            full = False
            while line and len(taken) < requests:
                ticket = line[0]
                if ticket.done is not None:
                    full = bool(taken) and total + ticket.rows > rows
                    if full:
                        break
                    ticket.withdrawn = None
                    taken.append(ticket)
                    total += ticket.rows
                line.popleft()
            self._count(level, before[0] - len(taken), before[1] - total)
            if full:
                break
        return taken

    def _withdraw(self, ticket: Ticket) -> None:
        ticket.withdrawn = None
        ticket.inputs = []
        self._count(ticket.priority, -1, -ticket.rows)

    def _count(self, priority: int, requests: int, rows: int) -> None:
        self._requests += requests
        self.all_rows += rows
        self._rows[priority] = self._rows.get(priority, 0) + rows

    @staticmethod
    def _drop_cancelled(lines: Lines) -> None:
        for likeness in list(lines):
            line = lines[likeness]
            while line and line[0].done is None:
                line.popleft()
            if not line:
                del lines[likeness]
