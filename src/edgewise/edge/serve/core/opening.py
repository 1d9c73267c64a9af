"""How a process gets a core."""

from collections.abc import Sequence
from pathlib import Path

from edgewise.edge.serve.contract import Core, Observer
from edgewise.edge.serve.core.plane import Plane
from edgewise.edge.serve.core.settings import Settings

DEFAULTS = Settings()


def opened(
    paths: Sequence[Path], *, digest: str = "", settings: Settings = DEFAULTS, observer: Observer | None = None
) -> Core:
    """A core for the models of `paths`; it has read none yet: `await core.start()` does, on the event loop.

    Args:
        paths: model folders, or repositories `<root>/<name>/<version>/model.json`.
        digest: what every model.json must have (EDGEWISE_MODEL_DIGEST), "" for any; for one model.
    """
    return Plane(paths, digest=digest, settings=settings, observer=observer)
