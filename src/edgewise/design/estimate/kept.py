"""Fits of the published rows, kept as a file, for a fit with its held-out repetitions takes seconds.

`fits.json` is made by `bench/fits.py`. An entry is found by the digest of what was fitted, so that a changed row, or a
row of the user's own, is fitted anew; `METHOD` goes up when the fitting changes.
"""

import hashlib
import json
from collections.abc import Sequence
from functools import cache
from importlib import resources
from typing import Any

import numpy as np

from edgewise.design.estimate.held_out import Error
from edgewise.design.estimate.hierarchy import Key, Point, Prices, Shape, Spread
from edgewise.design.estimate.terms import Floats

METHOD = 1
FILE = "fits.json"


def key(points: Sequence[Point], shape: Shape) -> str:
    """Digest of all that decides a fit."""
    shown = [f"{value:.9f}" for value in (*shape.ratios, *shape.wide)]
    told = hashlib.sha256(f"{METHOD} {shape.overlaps} {shown}".encode())
    for point in points:
        row = (point.series, point.family, point.network, point.figure, point.weight, point.amounts.shape)
        told.update(repr(row).encode())
        told.update(np.ascontiguousarray(point.amounts, dtype=np.float64).tobytes())
    return told.hexdigest()


def recall(points: Sequence[Point], shape: Shape) -> tuple[Prices, tuple[Error, ...]] | None:
    """The kept fit of `points` and its held-out errors; None where there is none."""
    found = _file().get(key(points, shape))
    if found is None:
        return None
    prices = Prices(
        shape=shape,
        ratios=np.array(found["ratios"]),
        families=_table(found["families"]),
        series=_table(found["series"]),
        spread=Spread(**found["spread"]),
    )
    errors = (
        Error(series=tuple(series), network=network, observed=observed, predicted=predicted)
        for series, network, observed, predicted in found["errors"]
    )
    return prices, tuple(errors)


def document(prices: Prices, errors: Sequence[Error]) -> dict[str, Any]:
    """What is kept of a fit, as JSON."""
    spread = prices.spread
    return {
        "ratios": prices.ratios.tolist(),
        "families": [[*entry, values.tolist()] for entry, values in prices.families.items()],
        "series": [[*entry, values.tolist()] for entry, values in prices.series.items()],
        "spread": {"tau": spread.tau, "wander": spread.wander, "sigma": spread.sigma},
        "errors": [[list(error.series), error.network, error.observed, error.predicted] for error in errors],
    }


def _table(rows: Sequence[Sequence[Any]]) -> dict[Key, Floats]:
    return {tuple(entry): np.array(values) for *entry, values in rows}


@cache
def _file() -> dict[str, Any]:
    text = resources.files(__package__).joinpath(FILE).read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text)
    return found
