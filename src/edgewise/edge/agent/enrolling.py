"""Enrolment: what a device must have before its agent can run."""

from collections.abc import Sequence
from pathlib import Path

from edgewise.edge.agent import settings
from edgewise.edge.agent.settings import Identity
from edgewise.runtimes.child import Child
from edgewise.store import atomic

ENROL_S = 120.0


def enrol(root: Path, *, hub: str, token: str, tree: Sequence[str], trust: bytes, listen: str) -> Identity:
    """Make the device whose files lie in `root` known to the hub, once, with a key that is made there; who it is.

    Args:
        tree: addresses of the release tree, in the order in which they are tried.
        trust: the root of the tree, as `edgewise keys init` wrote it.
        listen: where clients ask, HOST:PORT.

    Raises:
        ChildFailed: the hub refuses, or cannot be reached.
        StoreFull, StoreUnusable: the folder cannot be written.
    """
    root.mkdir(parents=True, exist_ok=True, mode=0o700)
    atomic.write(root / "trust" / "root.json", trust)
    with Child("edgewise.edge.agent.outside", name="the agent's errand") as child:
        told = child.call("enrol", timeout_s=ENROL_S, root=str(root), hub=hub.rstrip("/"), token=token)
    settings.keep(root, hub=hub, tree=list(tree), listen=listen)
    who = Identity(**told)
    settings.keep_identity(root, who)
    return who
