"""Where to write beside points so that nothing lies on anything else. Pure; everything in pixels.

A figure stretches with the page while its text does not. Labels are therefore placed at the narrowest
width of a range: at every greater width neighbours only move further apart.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

CHARACTER, LINE = 8.2, 17.0
_GAP = 13.0
_SIDES = (1, -1)
_RISES = (0.0, -18.0, 18.0, -32.0, 32.0, -48.0, 48.0, -66.0, 66.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """A rectangle with y downwards."""

    left: float
    top: float
    right: float
    bottom: float

    def overlap(self, other: "Box") -> float:
        """Shared area in square pixels."""
        wide = min(self.right, other.right) - max(self.left, other.left)
        high = min(self.bottom, other.bottom) - max(self.top, other.top)
        return wide * high if wide > 0 and high > 0 else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """A label `dx`, `dy` beside its point; text starts (`side` 1) or ends (`side` -1) there."""

    text: str
    dx: float
    dy: float
    side: int
    box: Box

    @property
    def leads(self) -> bool:
        """True where it is far enough from its point to need a line."""
        return abs(self.dy) > 20


def around(x: float, y: float, radius: float = 7.0) -> Box:
    """The box of a mark at (x, y)."""
    return Box(left=x - radius, top=y - radius, right=x + radius, bottom=y + radius)


def place(
    text: str,
    x: float,
    y: float,
    marks: Sequence[Box],
    texts: Sequence[Box],
    frame: Box,
    *,
    rises: Sequence[float] = _RISES,
) -> Placed:
    """The nearest free place for `text` beside (x, y); the least crowded one where none is free.

    To lie on another text is worse than to lie on a mark, to leave `frame` worse than both. `rises` are how far up
    or down it may be moved.
    """
    width = len(text) * CHARACTER
    candidates = [_candidate(text, x, y, side, rise, width) for rise, side in product(rises, _SIDES)]
    return min(candidates, key=lambda candidate: _cost(candidate, marks, texts, frame))


def _candidate(text: str, x: float, y: float, side: int, rise: float, width: float) -> Placed:
    near = x + side * _GAP
    left, right = (near, near + width) if side > 0 else (near - width, near)
    middle = y + rise
    box = Box(left=left, top=middle - LINE / 2, right=right, bottom=middle + LINE / 2)
    return Placed(text=text, dx=side * _GAP, dy=rise, side=side, box=box)


def _cost(candidate: Placed, marks: Sequence[Box], texts: Sequence[Box], frame: Box) -> float:
    box = candidate.box
    area = (box.right - box.left) * (box.bottom - box.top)
    outside = area - box.overlap(frame)
    crowded = sum(box.overlap(other) for other in marks) + 6 * sum(box.overlap(other) for other in texts)
    return 100 * outside + 10 * crowded + abs(candidate.dy) + (0 if candidate.side > 0 else 1)
