"""Which strategy was chosen for a site, as the store keeps it: by edge.yaml and site, with the figures behind it."""

import json

from pydantic import TypeAdapter

from edgewise.build.choice.rule import Choice
from edgewise.flow.edgefile import Project
from edgewise.store import steps
from edgewise.store.steps import Store

CHOICE = TypeAdapter(Choice)


def remember(project: Project, choice: Choice, store: Store) -> None:
    """Keep `choice` as the last one of its site."""
    document = json.dumps(CHOICE.dump_python(choice, mode="json"), sort_keys=True)  # a link of no speed takes for ever
    blob = store.blobs.put(document.encode())
    store.record(_key(project, choice.site), blob, blobs=(blob,))


def recall(project: Project, site: str, store: Store) -> Choice | None:
    """The last choice for `site`; None where none was made."""
    known = store.recall(_key(project, site))
    return None if known is None else CHOICE.validate_json(store.blobs.get(known))


def _key(project: Project, site: str) -> str:
    return steps.key("strategy", path=str(project.path.resolve()), site=site)
