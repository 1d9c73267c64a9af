"""What devices should run, from the signed tree itself: the hub follows it as a device does, and holds no key either.

So a device is up to date only if it says that it runs what its site's metadata has for it, whatever else it says; and
nobody who writes to the database can make another release look right.
"""

import asyncio
import sys
from collections.abc import Mapping
from pathlib import Path

from sqlalchemy import select
from starlette.concurrency import run_in_threadpool

from edgewise.core.database.engine import Database
from edgewise.core.database.schema import devices
from edgewise.errors import EdgewiseError
from edgewise.exchange import offer
from edgewise.exchange.follow import Follower
from edgewise.exchange.offer import Offered

EVERY_S = 30.0


class Signed:
    """The releases that are offered to each site, as last verified.

    Args:
        base: address of the tree, as devices have it.
        root: bytes of the root metadata that is trusted from the beginning.
        folder: where verified metadata is kept, so that an older one is refused after a restart too.
    """

    def __init__(self, base: str, root: bytes, folder: Path) -> None:
        self._base, self._root, self._folder = base, root, folder
        self._offers: dict[str, Mapping[str, Offered]] = {}

    def look(self, site: str) -> None:
        """Ask what is offered to `site` now. Where it cannot be verified, nothing is known of the site from then on.

        Raises:
            EdgewiseError: as `Follower.follow`.
        """
        try:
            with Follower(self._base, site, self._folder / site, self._root) as follower:
                self._offers[site] = follower.follow().offers
        except EdgewiseError:
            self._offers.pop(site, None)
            raise

    def due(self, device: str, site: str, labels: Mapping[str, str], running: str) -> str | None:
        """Digest of the release that a device should run, "" for none; None where that is not known."""
        offers = self._offers.get(site)
        return None if offers is None else offer.due(device, labels, offers, running=running)


async def forever(signed: Signed, database: Database) -> None:
    """Follow the tree for every site that has devices, until cancelled."""
    while True:
        try:
            sites = await run_in_threadpool(_sites, database)
        except EdgewiseError as error:
            sites = []
            sys.stderr.write(f"releases: {error.message}\n")
        for site in sites:
            try:
                await run_in_threadpool(signed.look, site)
            except EdgewiseError as error:
                sys.stderr.write(f"releases of {site}: {error.message}\n")
        await asyncio.sleep(EVERY_S)


def _sites(database: Database) -> list[str]:
    with database.reading() as connection:
        query = select(devices.c.site).where(devices.c.revoked_s == 0).distinct().order_by(devices.c.site)
        return list(connection.execute(query).scalars())
