"""From a reference to the place that it is in."""

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from edgewise.store.oci.layout import Layout
from edgewise.store.oci.place import Place
from edgewise.store.oci.reference import InLayout, InRegistry, Reference
from edgewise.store.oci.registry import Registry


@contextlib.contextmanager
def opened(reference: Reference, *, plain_http: bool | None = None, near: Sequence[Reference] = ()) -> Iterator[Place]:
    """The place where `reference` is; its connections are closed when the block ends.

    Args:
        plain_http: see `Registry`.
        near: where else its blobs may be; those in the same registry spare an upload.
    """
    if isinstance(reference, InLayout):
        yield Layout(Path(reference.folder).expanduser())
        return
    others = [one.repository for one in near if isinstance(one, InRegistry) and one.host == reference.host]
    mounts = tuple(dict.fromkeys(others))
    with Registry(reference.host, reference.repository, mount_from=mounts, plain_http=plain_http) as registry:
        yield registry
