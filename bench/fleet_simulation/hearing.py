"""How what devices say comes to whoever decides: through a real hub, or kept in memory by the hub's own rule."""

import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

import httpx
from sqlalchemy import insert, select

from edgewise.core.database import migrate
from edgewise.core.database.engine import Database
from edgewise.core.database.schema import devices as table
from edgewise.core.rollouts.heard import Heard
from edgewise.exchange import message, signing
from edgewise.exchange.message import Figures, Report, Status

BATCH, CHUNK = 100, 500
SITE = "press-line"
KNOWN = "known"


class Hearing(Protocol):
    """Takes reports, and says what every device said last."""

    ids: Sequence[str]
    labels: Sequence[dict[str, str]]

    def take(self, reports: Sequence[Report], now_s: int) -> None:
        """Hear `reports`, some of which may have been heard before."""

    def heard(self) -> list[Heard]:
        """The newest word of every device."""


def hour_before(number: int) -> Figures:
    """What a device had counted when the rollout begins: of its 600 requests 0.1 % failed, over the fleet."""
    return Figures(requests=600, errors=int(number % 5 < 3))


def heard_of(report: Report, last: Heard, now_s: int) -> Heard:
    """What a rollout asks of `report`, by the hub's rule (core/hub/intake.py) for a device that was `last` heard so."""
    moved = report.booted != last.booted
    return Heard(
        device=report.device,
        sequence=report.sequence,
        status=report.status,
        booted=report.booted,
        rejected=frozenset(report.rejected),
        labels=report.labels,
        figures=report.figures,
        since_s=now_s if moved else last.since_s,
        before=last.figures if moved else last.before,
    )


class InMemory:
    """No hub: the newest sequence of each device counts, as in the hub."""

    def __init__(self, ids: Sequence[str], labels: Sequence[dict[str, str]], booted: str) -> None:
        self.ids, self.labels = ids, labels
        self._last = {
            one: Heard(
                device=one, sequence=0, status=Status.ONLINE, booted=booted, labels=has, figures=hour_before(number)
            )
            for number, (one, has) in enumerate(zip(ids, labels, strict=True))
        }

    def take(self, reports: Sequence[Report], now_s: int) -> None:
        """See `Hearing`."""
        for one in reports:
            last = self._last[one.device]
            if one.sequence > last.sequence:
                self._last[one.device] = heard_of(one, last, now_s)

    def heard(self) -> list[Heard]:
        """See `Hearing`."""
        return list(self._last.values())


@dataclass
class Counted:
    """What the hub answered."""

    taken: int = 0
    known: int = 0
    seconds: float = 0.0


class ThroughHub:
    """A hub that `client` reaches, over `database`; every report is signed by its device, and comes in a batch of 100.

    What was heard is read from the hub's database, of those devices alone that have reported since. Since when a device
    runs what it runs is noted here: the hub's clock does not go as fast as the simulation.
    """

    def __init__(self, database: Database, client: httpx.Client, labels: Sequence[dict[str, str]], booted: str) -> None:
        self._database, self._client, self.labels, self.counted = database, client, labels, Counted()
        keys = [signing.make_key() for _ in labels]
        publics = [signing.public_bytes(key) for key in keys]
        self.ids = [signing.device_id(public) for public in publics]
        self._keys = dict(zip(self.ids, keys, strict=True))
        now_s = int(time.time())
        rows = [
            {
                "id": one,
                "public_key": public,
                "site": SITE,
                "labels": has,
                "enrolled_s": now_s,
                "heard_s": now_s,
                "status": Status.ONLINE.value,
                "booted": booted,
                "sequence": 0,
                "figures": asdict(hour_before(number)),
            }
            for number, (one, public, has) in enumerate(zip(self.ids, publics, labels, strict=True))
        ]
        for start in range(0, len(rows), 5000):
            with database.writing() as connection:
                connection.execute(insert(table), rows[start : start + 5000])
        self._last: dict[str, Heard] = {}
        self._asked = set(self.ids)
        self._now_s = 0

    def take(self, reports: Sequence[Report], now_s: int) -> None:
        """See `Hearing`."""
        self._now_s = now_s
        for start in range(0, len(reports), BATCH):
            some = reports[start : start + BATCH]
            signed = [signing.sign(message.written(one), self._keys[one.device]) for one in some]
            body = signing.batch(signed)
            began = time.perf_counter()
            answer = self._client.post("/api/v1/messages", content=body)
            self.counted.seconds += time.perf_counter() - began
            taken, known = answer.text.count('"accepted"'), answer.text.count('"known"')
            assert taken + known == len(some), answer.text[:500]
            self.counted.taken += taken
            self.counted.known += known
            self._asked.update(one.device for one in some)

    def heard(self) -> list[Heard]:
        """See `Hearing`."""
        columns = (table.c.id, table.c.sequence, table.c.status, table.c.booted)
        wanted = sorted(self._asked)
        with self._database.reading() as connection:
            for start in range(0, len(wanted), CHUNK):
                query = select(*columns, table.c.rejected, table.c.labels, table.c.figures, table.c.figures_before)
                for row in connection.execute(query.where(table.c.id.in_(wanted[start : start + CHUNK]))):
                    last = self._last.get(row.id)
                    stayed = last is None or last.booted == row.booted
                    self._last[row.id] = Heard(
                        device=row.id,
                        sequence=row.sequence,
                        status=Status(row.status),
                        booted=row.booted,
                        rejected=frozenset(row.rejected),
                        labels=row.labels,
                        figures=Figures(**row.figures),
                        since_s=(last.since_s if last else None) if stayed else self._now_s,
                        before=Figures(**row.figures_before) if row.figures_before else None,
                    )
        self._asked.clear()
        return list(self._last.values())


@contextmanager
def hub(folder: Path) -> Iterator[tuple[Database, httpx.Client]]:
    """A hub as a process of its own over SQLite in `folder`, until the block is left."""
    address = f"sqlite:///{folder}/hub.db"
    database = migrate.opened(address)
    with socket.create_server(("127.0.0.1", 0)) as free:
        listen = f"127.0.0.1:{free.getsockname()[1]}"
    command = [sys.executable, "-m", "edgewise", "hub", "--listen", listen, "--database", address]
    process = subprocess.Popen([*command, "--rate", "1000000"], stderr=subprocess.DEVNULL)
    try:
        for _ in range(600):
            try:
                if httpx.get(f"http://{listen}/readyz").status_code == 200:
                    break
            except httpx.HTTPError:
                time.sleep(0.1)
        with httpx.Client(base_url=f"http://{listen}", timeout=120) as client:
            yield database, client
    finally:
        process.terminate()
        process.wait(60)
        database.close()


def identifier() -> str:
    """A name for a message that nobody else uses."""
    return uuid.uuid4().hex
