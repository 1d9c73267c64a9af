"""Whether running rows together pays, from measured times (pure)."""

from collections.abc import Sequence
from dataclasses import dataclass

INLINE_S = 150e-6
"""A call that takes less runs on the event loop's thread: handing it to another and back costs about as much."""
INLINE_BATCH_S = 1e-3
"""So long a batch may keep the event loop from everything else."""
TOGETHER_S = 10e-3
"""So much longer than alone may a request take because others run with it, where the site's budget says nothing."""
GAIN = 0.9
"""Together must take less than this share of one after the other."""
NEAR_BEST = 0.95
"""The smallest batch that comes so near to the best throughput is taken: it keeps latencies short."""
ROWS = (1, 2, 4, 8, 16, 32)


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """What the probe found.

    Attributes:
        run_s: seconds for 1, 2, 4, … rows together, up to `limit`.
        why: why rows run together or do not, one sentence.
        apart: rows do not touch each other as far as is known, so that many may run as several calls.
    """

    limit: int
    run_s: tuple[float, ...]
    inline: bool
    why: str
    apart: bool = True


def most(single_s: float, delay_bound_s: float) -> float:
    """Seconds that a batch may take at most."""
    longest = single_s + max(TOGETHER_S, delay_bound_s)
    return INLINE_BATCH_S if single_s < INLINE_S else longest


def decided(run_s: Sequence[float], *, delay_bound_s: float, stopped: str = "") -> Curve:
    """The curve that measured times say.

    Args:
        run_s: seconds for 1, 2, 4, … rows, as far as was measured.
        stopped: why no more rows were measured, a sentence; "" where all were.
    """
    inline = run_s[0] < INLINE_S
    longest = most(run_s[0], delay_bound_s)
    allowed = [(rows, seconds) for rows, seconds in zip(ROWS, run_s, strict=False) if seconds <= longest]
    if len(allowed) < 2:
        late = len(run_s) > 1 and f"two rows take {_shown(run_s[1])}, longer than a request may wait for others"
        return _alone(run_s, inline, stopped or late or "the probe ran out of time")
    best = max(rows / seconds for rows, seconds in allowed)
    rows, seconds = next(one for one in allowed if one[0] / one[1] >= NEAR_BEST * best)
    if rows == 1 or seconds > GAIN * rows * run_s[0]:
        rows, seconds = allowed[-1]
        return _alone(
            run_s,
            inline,
            f"{rows} rows together take {_shown(seconds)}, one after the other {_shown(rows * run_s[0])}",
        )
    return Curve(
        limit=rows,
        run_s=tuple(run_s[: ROWS.index(rows) + 1]),
        inline=inline,
        why=f"{rows} rows together take {_shown(seconds)}, one after the other {_shown(rows * run_s[0])}",
    )


def _alone(run_s: Sequence[float], inline: bool, why: str) -> Curve:
    return Curve(limit=1, run_s=tuple(run_s[:1]), inline=inline, why=why)


def _shown(seconds: float) -> str:
    return f"{seconds * 1e6:.0f} us" if seconds < 1e-3 else f"{seconds * 1e3:.3g} ms"


def pieces(rows: int, run_s: Sequence[float]) -> tuple[int, ...]:
    """How to run `rows` where only batches of 1, 2, 4, … can run: the quickest sizes, the last one possibly filled up.

    Args:
        run_s: seconds of each size.
    """
    sizes = ROWS[: len(run_s)]
    largest = sizes[-1]
    full, rest = divmod(rows, largest)
    best: list[tuple[float, tuple[int, ...]]] = [(0.0, ())]
    for wanted in range(1, rest + 1):
        best.append(
            min(
                (seconds + best[max(0, wanted - size)][0], (size, *best[max(0, wanted - size)][1]))
                for size, seconds in zip(sizes, run_s, strict=True)
            )
        )
    return (largest,) * full + tuple(sorted(best[rest][1], reverse=True))
