"""How each step was done last, as the store keeps it: one record for edge.yaml, site and step, written when it is done.

A record is JSON that a person can read, in the store's `steps/`, named `life-…`. It is written whole or not at all,
after everything that it names.
"""

from pydantic import TypeAdapter

from edgewise.flow.edgefile import Project
from edgewise.flow.life.steps import Done, Step
from edgewise.store import steps
from edgewise.store.steps import Store

DONE = TypeAdapter(Done)


def remember(project: Project, site: str, step: Step, done: Done, store: Store) -> None:
    """Keep `done` as the last time of `step`."""
    body = DONE.dump_python(done, mode="json")
    store.record(
        _key(project, site, step), {"edge_yaml": str(project.path.resolve()), "site": site, "step": step.value} | body
    )


def recall(project: Project, site: str, step: Step, store: Store) -> Done | None:
    """The last time of `step`; None where it was never done."""
    known = store.recall(_key(project, site, step))
    return None if known is None else DONE.validate_python({name: known[name] for name in Done.__slots__})


def _key(project: Project, site: str, step: Step) -> str:
    return steps.key("life", path=str(project.path.resolve()), site=site, step=step.value)
