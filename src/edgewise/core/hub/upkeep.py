"""What goes with time: reports older than the history, sessions that ended. In small transactions, beside the calls.

Cases and the audit log stay for good.
"""

import asyncio
import sys
from collections.abc import Callable

from sqlalchemy import delete, func, select, tuple_, update
from starlette.concurrency import run_in_threadpool

from edgewise.core.database.engine import Database
from edgewise.core.database.schema import devices, reports, sessions
from edgewise.errors import EdgewiseError

EVERY_S = 60.0
CARRY_OVER_EVERY_S = 1.0
AT_ONCE = 2000


def prune(database: Database, *, before_s: int) -> int:
    """Forget some of the reports that were heard before; how many. A device's newest sequence is remembered."""
    with database.writing() as connection:
        old = select(reports.c.device, reports.c.sequence).where(reports.c.heard_s < before_s).limit(AT_ONCE)
        found = [tuple(row) for row in connection.execute(old.order_by(reports.c.heard_s))]
        if not found:
            return 0
        newest: dict[str, int] = {}
        for device, sequence in found:
            newest[device] = max(sequence, newest.get(device, -1))
        for device, sequence in sorted(newest.items()):
            higher = devices.c.pruned_sequence < sequence
            raised = update(devices).where(devices.c.id == device, higher).values(pruned_sequence=sequence)
            connection.execute(raised)
        for start in range(0, len(found), 200):
            some = found[start : start + 200]
            connection.execute(delete(reports).where(tuple_(reports.c.device, reports.c.sequence).in_(some)))
        return len(found)


def kept_reports(database: Database) -> int:
    """How many reports there are."""
    with database.reading() as connection:
        return connection.execute(select(func.count()).select_from(reports)).scalar_one()


def end_sessions(database: Database, *, now_s: int) -> None:
    """Forget sessions that are over."""
    with database.writing() as connection:
        connection.execute(delete(sessions).where(sessions.c.expires_s <= now_s))


async def carry_over(database: Database) -> None:
    """Keep SQLite's log short until cancelled, so that no batch waits for it to be carried into the file."""
    while database.is_sqlite:
        try:
            await run_in_threadpool(database.carry_over)
        except EdgewiseError as error:
            sys.stderr.write(f"upkeep: {error.message}\n")
        await asyncio.sleep(CARRY_OVER_EVERY_S)


async def forever(database: Database, now_s: Callable[[], int], history_s: int) -> None:
    """Look after the database until cancelled. Where it is gone, try again later."""
    while True:
        try:
            await run_in_threadpool(end_sessions, database, now_s=now_s())
            while await run_in_threadpool(prune, database, before_s=now_s() - history_s):
                await asyncio.sleep(0.05)
        except EdgewiseError as error:
            sys.stderr.write(f"upkeep: {error.message}\n")
        await asyncio.sleep(EVERY_S)
