"""Who signs what in a tree, and for how long. Pure.

| role | signs | its keys |
|---|---|---|
| root | the keys of all top-level roles | several, kept offline, a threshold of them |
| targets | which key signs for which site | one, used when a site comes or goes |
| site-NAME | what the site shall run, and how far a rollout goes | one for each site |
| snapshot, timestamp | which versions belong together; that this is the newest | `online`, at the hub or a cron job |
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from tuf.api.metadata import Root, Snapshot, Targets, Timestamp

ROOT, TARGETS, SNAPSHOT, TIMESTAMP = Root.type, Targets.type, Snapshot.type, Timestamp.type
ONLINE = "online"
"""Name of the key that signs snapshot and timestamp."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lifetimes:
    """How many days a signature holds: so long can somebody who holds back what is new go unnoticed."""

    root: float = 365
    targets: float = 365
    site: float = 90
    snapshot: float = 7
    timestamp: float = 7

    def until(self, role: str, now_s: float) -> datetime:
        """When what `role` signs at `now_s` expires: whole seconds, in UTC."""
        days = {
            ROOT: self.root,
            TARGETS: self.targets,
            SNAPSHOT: self.snapshot,
            TIMESTAMP: self.timestamp,
        }.get(role, self.site)
        return (datetime.fromtimestamp(now_s, UTC) + timedelta(days=days)).replace(microsecond=0)


LIFETIMES = Lifetimes()
