"""What a run needs that is not here: registry, tree of releases, hub. They are asked before long work begins."""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from edgewise.core.releases import change, ready
from edgewise.core.releases.publish import Desk
from edgewise.errors import NotFound
from edgewise.flow.edgefile import Project
from edgewise.flow.life.steps import Digests, Done, Step
from edgewise.flow.life.wishes import Wishes
from edgewise.flow.naming import names_of, pushed_as
from edgewise.nouns import Site
from edgewise.store.oci.places import opened
from edgewise.store.oci.reference import parse

RELEASE = "release"
"""What publishing makes."""


class Hub(Protocol):
    """Who is told of releases, so that it knows which version of a model a device runs."""

    def knock(self) -> None:
        """Raises what stands in the way of telling it."""

    def tell(self, document: bytes) -> None:
        """Let it know the release in `document`, which is published; again is no harm."""


class Outside:
    """The registry and the tree that `wishes` name.

    Args:
        desk: opens where releases are signed.
        hub: that is told of them; None for none.
    """

    def __init__(
        self, wishes: Wishes, desk: Callable[[], AbstractContextManager[Desk]], hub: Hub | None = None
    ) -> None:
        self._wishes = wishes
        self.desk = desk
        self.hub = hub

    def standing(self, step: Step, site: Site, known: Done) -> Digests | None:
        """What stands there now of what `step` made last; None where it is gone.

        Raises:
            RegistryUnreachable, NotAllowed, TreeUnreachable, NotTrusted: that cannot be said.
        """
        return self._pushed(known) if step is Step.PUSH else self._published(site, known)

    def check(self, step: Step, project: Project, sites: Sequence[Site]) -> None:
        """See that `step` of `sites` could be done.

        Raises:
            RegistryUnreachable, NotAllowed, RegistryRefused, BadReference: not that of pushing.
            NotFound, NotTrusted, TreeUnreachable, BadKey, BelowThreshold: not that of publishing.
            HubUnreachable, TokenRefused, NotPermitted: the hub would not be told.
        """
        if step is Step.PUBLISH:
            if self.hub is not None:
                self.hub.knock()
            with self.desk() as where:
                ready.check(where, [site.name for site in sites])
        elif step is Step.PUSH:
            for site in sites:
                for name in names_of(project, site, self._wishes.version).values():
                    self._resolved(pushed_as(name, self._wishes.registry))

    def _pushed(self, known: Done) -> Mapping[str, str] | None:
        found = {}
        for part, place in known.outputs.items():
            name, _, _ = place.rpartition("@")
            if (digest := self._resolved(name)) is None:
                return None
            found[part] = f"{name}@{digest}"
        return found

    def _published(self, site: Site, known: Done) -> Digests | None:
        try:
            with self.desk() as where:
                there = change.entries(where.read(), site.name)
        except NotFound:
            return None
        return known.outputs if known.outputs[RELEASE] in there else None

    def _resolved(self, name: str) -> str | None:
        """The digest that `name` stands for; None where it stands for nothing yet."""
        reference = parse(name)
        with opened(reference, plain_http=self._wishes.plain_http) as place, contextlib.suppress(NotFound):
            return place.resolve(reference.name).digest
        return None
