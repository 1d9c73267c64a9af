"""What an update ships: the pieces of one image that another has not, by digest. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from edgewise.build.look import Seen, Single
from edgewise.errors import BadImage
from edgewise.store.oci.documents import Descriptor


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One piece of the new image.

    Attributes:
        title: what it is, for people.
        ships: whether the old image has it not.
        instead_of: the piece of the old image at the same place; None where there is none.
    """

    blob: Descriptor
    title: str
    ships: bool
    instead_of: Descriptor | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """What one platform pulls to come from the old image to the new one.

    Attributes:
        platform: "" of artifacts.
        changes: layers from the lowest up, then config and manifest.
        gone: layers that the new image has not, with their titles.
    """

    platform: str
    changes: tuple[Change, ...]
    gone: tuple[tuple[Descriptor, str], ...]

    @property
    def ships_bytes(self) -> int:
        """What travels."""
        return sum({one.blob.digest: one.blob.size_bytes for one in self.changes if one.ships}.values())

    @property
    def whole_bytes(self) -> int:
        """What would travel to a machine that has nothing."""
        return sum({one.blob.digest: one.blob.size_bytes for one in self.changes}.values())


def difference(old: Seen, new: Seen, *, platforms: Sequence[str] = ()) -> tuple[Difference, ...]:
    """What every platform that `new` has pulls, where it has `old`; artifacts are alike on all.

    Args:
        platforms: only these.

    Raises:
        BadImage: the images have no platform in common, or not one that is asked for.
    """
    if not any(one.platform for one in old.singles) or not any(one.platform for one in new.singles):
        return tuple(_of(before, after) for before, after in zip(old.singles[:1], new.singles[:1], strict=True))
    before = {one.platform: one for one in old.singles}
    after = {one.platform: one for one in new.singles}
    names = [name for name in after if not platforms or any(_answers(name, wanted) for wanted in platforms)]
    missing = [name for name in names if name not in before]
    if not names or (missing and platforms) or len(missing) == len(names):
        there = f"{', '.join(before)} and {', '.join(after)}"
        raise BadImage(f"the images have no platform in common: {there}", hint="compare images of one platform")
    return tuple(_of(before[name], after[name]) for name in names if name in before)


def _of(old: Single, new: Single) -> Difference:
    had = {one.digest for one in (*old.manifest.needs, old.document)}
    below = [one.blob for one in old.layers]
    changes = [
        Change(
            blob=one.blob,
            title=one.title or one.blob.media_type,
            ships=one.blob.digest not in had,
            instead_of=below[number] if number < len(below) and one.blob.digest not in had else None,
        )
        for number, one in enumerate(new.layers)
    ]
    for blob, title in ((new.manifest.config, "config"), (new.document, "manifest")):
        changes.append(Change(blob=blob, title=title, ships=blob.digest not in had))
    kept = {one.blob.digest for one in new.layers}
    gone = tuple((one.blob, one.title) for one in old.layers if one.blob.digest not in kept)
    return Difference(platform=new.platform, changes=tuple(changes), gone=gone)


def _answers(name: str, wanted: str) -> bool:
    """Whether "linux/arm64" means "linux/arm64/v8"."""
    return name == wanted or name.startswith(f"{wanted}/")
