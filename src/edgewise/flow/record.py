"""The plan of a site, as the store keeps it: the last one that was made, by edge.yaml and site."""

import json

from pydantic import TypeAdapter

from edgewise.flow.edgefile import Project
from edgewise.nouns import Plan
from edgewise.store import steps
from edgewise.store.blobs import digest_of
from edgewise.store.steps import Store

PLAN = TypeAdapter(Plan)


def remember(project: Project, made: Plan, store: Store) -> None:
    """Keep `made` as the last plan of its site, with the logs that it names and the files of its choice."""
    blobs = {verdict.design.log for verdict in made.verdicts} | {trial.log for trial in made.trials}
    chosen = made.verdict(made.choice).design.variant if made.choice else None
    blobs |= {file.digest for file in chosen.files} if chosen else set()
    store.record(_key(project, made.site.name), PLAN.dump_python(made, mode="json"), blobs=tuple(sorted(blobs - {""})))


def recall(project: Project, site: str, store: Store) -> Plan | None:
    """The last plan of `site`; None where none was made."""
    known = store.recall(_key(project, site))
    return None if known is None else PLAN.validate_python(known)


def digest(project: Project, site: str, store: Store) -> str | None:
    """What names the last plan of `site`, with everything in it; None where none was made."""
    known = store.recall(_key(project, site))
    return None if known is None else digest_of(json.dumps(known, sort_keys=True).encode())


def _key(project: Project, site: str) -> str:
    return steps.key("plan", path=str(project.path.resolve()), site=site)
