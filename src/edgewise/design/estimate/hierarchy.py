"""Prices of a roofline's terms, fitted on rows, where machines of one kind borrow from each other. Pure.

Each series (one machine, accelerator, runtime, precision) has its own price for every term, in log(ms per unit). The
level of a series is its own; the *ratios* of its prices to the price of a dense multiply-accumulate are drawn from
those of its family (the runtime's kernels and the precision decide what is fast), these from those of the kind, and
those from wide guesses of physics:

    log t = log sum_j exp(theta_j) amount_j + e,    e ~ Student t (4 degrees), scale sigma
    theta_j - theta_dense ~ N(family_j, tau^2),     family_j ~ N(kind_j, wander^2),     kind_j ~ N(guess_j, wide^2)

so that a series of one row is scaled, one of three is bent a little, and one of twenty stands for itself. Prices are
positive by construction. `tau`, `wander` and `sigma` are chosen by the evidence of the rows that are fitted
(Laplace's approximation; MacKay (1992), "Bayesian interpolation"), so that a held-out row has no say in them. Solved
by Levenberg and Marquardt's method; where memory overlaps with arithmetic the larger of both counts, layer by layer.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from scipy import linalg

from edgewise.design.estimate.terms import COMPUTE, MEMORY, Floats, MachineKind, Term

Key = tuple[str, ...]
_J = len(Term)
_OTHERS = tuple(term for term in Term if term is not Term.DENSE)
_FREEDOM = 4.0
_GRID = ((0.05, 0.15, 0.4), (0.1, 0.3, 0.9), (0.08, 0.16, 0.32))
"""Values of tau, wander and sigma that the evidence chooses among, walking from one to the next."""
_STEPS = 60
_TOLERANCE = 1e-3
"""Of the log posterior: far less than what tells one spread from another."""
_MOST_DAMPING = 1e6


@dataclass(frozen=True, slots=True, kw_only=True)
class Guess:
    """What physics says before any row: ratio to the price of a dense MAC, and how sure that is (sd of its log)."""

    ratio: float
    wide: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What a kind of machine is fitted with.

    Attributes:
        guesses: by term, all of them.
        overlaps: True where the larger of arithmetic and memory counts, layer by layer; else they add up.
    """

    guesses: Mapping[Term, Guess]
    overlaps: bool

    @property
    def ratios(self) -> Floats:
        """Log ratios, float64 [terms]."""
        return np.log([self.guesses[term].ratio for term in Term])

    @property
    def wide(self) -> Floats:
        """Standard deviations of the log ratios, float64 [terms]."""
        return np.array([self.guesses[term].wide for term in Term])


_CORE: Mapping[Term, Guess] = {
    Term.DENSE: Guess(ratio=1, wide=0.01),
    Term.POINTWISE: Guess(ratio=1, wide=0.5),
    Term.DEPTHWISE: Guess(ratio=3, wide=0.7),
    Term.WEIGHTS: Guess(ratio=2, wide=1.0),
    Term.ACTIVATIONS: Guess(ratio=2, wide=1.0),
    Term.STREAMED: Guess(ratio=2, wide=1.0),
    Term.FALLBACK_MACS: Guess(ratio=1, wide=1.0),
    Term.FALLBACK_BYTES: Guess(ratio=2, wide=1.0),
    Term.LAYERS: Guess(ratio=3e3, wide=1.5),
    Term.INFERENCE: Guess(ratio=1e4, wide=1.5),
}
"""A core: a byte costs an issue slot or two, a dispatch some thousand instructions."""
_ENGINE: Mapping[Term, Guess] = {
    **_CORE,
    Term.DEPTHWISE: Guess(ratio=16, wide=1.0),
    Term.WEIGHTS: Guess(ratio=30, wide=1.0),
    Term.ACTIVATIONS: Guess(ratio=30, wide=1.0),
    Term.STREAMED: Guess(ratio=4e3, wide=1.0),
    Term.FALLBACK_MACS: Guess(ratio=200, wide=1.5),
    Term.FALLBACK_BYTES: Guess(ratio=1e3, wide=1.5),
    Term.LAYERS: Guess(ratio=1e7, wide=1.5),
    Term.INFERENCE: Guess(ratio=3e8, wide=1.5),
}
"""Engines of thousands of cells: a byte, a dispatch, a call cost as much as many more MACs. The Edge TPU's 2e12 MAC/s
against some 0.4e9 B/s over USB 3 are 1 to 5000; a dispatch of some us is 1e7 MACs."""
_JOULES: Mapping[Term, Guess] = {
    **_CORE,
    Term.DEPTHWISE: Guess(ratio=2, wide=0.7),
    Term.WEIGHTS: Guess(ratio=3, wide=1.0),
    Term.ACTIVATIONS: Guess(ratio=3, wide=1.0),
}
"""A byte from memory costs more energy than a MAC on it (Horowitz (2014), "Computing's energy problem")."""

ENERGY = Shape(guesses=_JOULES, overlaps=False)
"""Energy adds up: what runs at the same time is paid for all the same."""


def shape_of(kind: MachineKind) -> Shape:
    """The shape of the latency of `kind`."""
    return Shape(guesses=_ENGINE if kind.overlaps else _CORE, overlaps=kind.overlaps)


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One observed run: the amounts [layers + 1, terms] of its network, and the figure (ms, or mJ for energy).

    `weight` is how many published rows it counts as; rows measured on the machine itself count as more.
    """

    series: Key
    family: Key
    network: str
    amounts: Floats
    figure: float
    weight: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """Standard deviations of logs: of ratios within a family, of families within the kind, of rows."""

    tau: float
    wander: float
    sigma: float

    @classmethod
    def at(cls, place: tuple[int, int, int]) -> Self:
        """The one at `place` of the grid."""
        tau, wander, sigma = (grid[index] for grid, index in zip(_GRID, place, strict=True))
        return cls(tau=tau, wander=wander, sigma=sigma)

    @property
    def place(self) -> tuple[int, int, int]:
        """Where it stands in the grid."""
        return (_GRID[0].index(self.tau), _GRID[1].index(self.wander), _GRID[2].index(self.sigma))


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """What a fit found, in log(figure per unit).

    Attributes:
        ratios: of the kind, float64 [terms].
        families: ratios by family, float64 [terms] each.
        series: prices by series, float64 [terms] each.
        spread: what the evidence chose.
    """

    shape: Shape
    ratios: Floats
    families: Mapping[Key, Floats]
    series: Mapping[Key, Floats]
    spread: Spread

    def predict(self, series: Key, amounts: Floats) -> float:
        """The figure of a network with `amounts` on a `series` that was fitted."""
        return total(self.series[series], amounts, overlaps=self.shape.overlaps)

    def level(self, dense: float, family: Key = ()) -> Floats:
        """Prices of a series of which only the price of a dense MAC is known, and perhaps its family."""
        ratios = self.families.get(family, self.ratios)
        prices: Floats = ratios - ratios[Term.DENSE] + dense
        return prices


def parts(theta: Floats, amounts: Floats, *, overlaps: bool) -> Floats:
    """Costs [..., layers + 1, terms] that count: of overlapping work, the larger of arithmetic and memory."""
    costs: Floats = np.exp(theta) * amounts
    if overlaps:
        memory_bound = costs[..., MEMORY].sum(axis=-1) > costs[..., COMPUTE].sum(axis=-1)
        costs[..., COMPUTE] *= ~memory_bound[..., None]
        costs[..., MEMORY] *= memory_bound[..., None]
    return costs


def total(theta: Floats, amounts: Floats, *, overlaps: bool) -> float:
    """The figure of a whole network."""
    return float(parts(theta, amounts, overlaps=overlaps).sum())


def fit(points: Sequence[Point], shape: Shape, *, start: Prices | None = None) -> Prices:
    """Prices by which `points` of one kind are explained best; at least one point.

    `start` is a fit of almost the same points: where the search begins, nothing more.
    """
    problem = _Problem(points, shape)
    at = (1, 1, 1) if start is None else start.spread.place
    tried = {at: _solve(problem, Spread.at(at), start)}
    while True:
        near = [
            (at[0] + tau, at[1] + wander, at[2] + sigma)
            for tau, wander, sigma in ((1, 0, 0), (-1, 0, 0), (0, 1, 0), (0, -1, 0), (0, 0, 1), (0, 0, -1))
        ]
        for place in near:
            inside = all(0 <= index < len(grid) for index, grid in zip(place, _GRID, strict=True))
            if inside and place not in tried:
                tried[place] = _solve(problem, Spread.at(place), tried[at][1])
        best = max(tried, key=lambda place: tried[place][0])
        if best == at:
            return tried[at][1]
        at = best


def _solve(problem: "_Problem", spread: Spread, warm: Prices | None) -> tuple[float, Prices]:
    """Log evidence and the maximum a posteriori at fixed `spread`."""
    unknown = problem.start(warm)
    damping, (loss, gradient, curvature) = 1e-3, problem.expand(unknown, spread)
    for _ in range(_STEPS):
        damped = curvature + damping * np.diag(np.diag(curvature))
        step = linalg.solve(damped, -gradient, assume_a="pos", check_finite=False).clip(-2.0, 2.0)
        tried = problem.expand(unknown + step, spread)
        if tried[0] > loss:
            damping *= 5
            if damping > _MOST_DAMPING:
                break
            continue
        settled = loss - tried[0] < _TOLERANCE
        unknown, (loss, gradient, curvature) = unknown + step, tried
        damping = max(damping / 5, 1e-9)
        if settled:
            break
    return problem.evidence(loss, curvature, spread), problem.prices(unknown, spread)


class _Problem:
    """The posterior's loss (minus its log), gradient and Gauss-Newton curvature.

    The unknowns are a table [series, then families, then the kind; terms], flattened.
    """

    def __init__(self, points: Sequence[Point], shape: Shape) -> None:
        self.points, self.shape = points, shape
        self.families = sorted({point.family for point in points})
        self.family_of = {point.series: point.family for point in points}
        self.keys = sorted(self.family_of)
        self.place = {key: index for index, key in enumerate(self.keys)}
        self.logs = np.log([point.figure for point in points])
        self.guess, self.wide = shape.ratios, shape.wide
        self.size = (len(self.keys) + len(self.families) + 1) * _J
        self._rows = np.array([self.place[point.series] for point in points])
        self._weights = np.sqrt([point.weight for point in points])
        self._certain = self._weights > 1  # measured on the machine itself: no row that may be somebody's mistake
        self._amounts = _stacked(points, overlaps=shape.overlaps)
        self._bends, self._bent = self._within(), self._between()
        self._curvatures = (self._bends.T @ self._bends, self._bent.T @ self._bent)

    def _within(self) -> Floats:
        """How far each ratio of each series is from its family's, as rows [series * (terms - 1), unknowns]."""
        rows = np.zeros((len(self.keys) * (_J - 1), self.size))
        for row, (key, term) in enumerate(itertools.product(self.keys, _OTHERS)):
            family = len(self.keys) + self.families.index(self.family_of[key])
            own = self.place[key] * _J
            rows[row, [own + term, own + Term.DENSE, family * _J + term]] = (1.0, -1.0, -1.0)
        return rows

    def _between(self) -> Floats:
        """How far each family is from the kind, as rows [families * terms, unknowns]."""
        rows = np.zeros((len(self.families) * _J, self.size))
        for row, (index, term) in enumerate(itertools.product(range(len(self.families)), Term)):
            rows[row, [(len(self.keys) + index) * _J + term, self.size - _J + term]] = (1.0, -1.0)
        return rows

    def start(self, warm: Prices | None) -> Floats:
        """The kind's guess, each series levelled to its own rows."""
        kind = self.guess if warm is None else warm.ratios
        table = np.tile(kind, (self.size // _J, 1))
        for index, key in enumerate(self.keys):
            if warm is not None and key in warm.series:
                table[index] = warm.series[key]
                continue
            level = [
                log_figure - np.log(total(kind, point.amounts, overlaps=self.shape.overlaps))
                for point, log_figure in zip(self.points, self.logs, strict=True)
                if point.series == key
            ]
            table[index] += np.mean(level)
        for index, family in enumerate(self.families, start=len(self.keys)):
            table[index] = kind if warm is None else warm.families.get(family, kind)
        return table.ravel()

    def expand(self, unknown: Floats, spread: Spread) -> tuple[float, Floats, Floats]:
        """Loss, gradient [unknowns] and curvature [unknowns, unknowns] at `unknown`."""
        table = unknown.reshape(-1, _J)
        within, between = self._bends @ unknown / spread.tau, self._bent @ unknown / spread.wander
        off = (table[-1] - self.guess) / self.wide
        loss = float(within @ within + between @ between + off @ off) / 2
        gradient = self._bends.T @ within / spread.tau + self._bent.T @ between / spread.wander
        gradient[-_J:] += off / self.wide
        curvature = self._curvatures[0] / spread.tau**2 + self._curvatures[1] / spread.wander**2
        curvature[range(-_J, 0), range(-_J, 0)] += 1 / self.wide**2
        costs = parts(table[self._rows][:, None, :], self._amounts, overlaps=self.shape.overlaps).sum(axis=1)
        whole = costs.sum(axis=1)
        slopes = costs / whole[:, None] * self._weights[:, None] / spread.sigma
        errors = (np.log(whole) - self.logs) * self._weights / spread.sigma
        trust = np.where(self._certain, 1.0, (_FREEDOM + 1) / (_FREEDOM + errors**2))
        tails = (_FREEDOM + 1) * np.log1p(errors**2 / _FREEDOM)
        loss += float(np.where(self._certain, errors**2, tails).sum()) / 2
        for index, slope, error, trusted in zip(self._rows, slopes, errors, trust, strict=True):
            block = slice(index * _J, (index + 1) * _J)
            gradient[block] += trusted * error * slope
            curvature[block, block] += trusted * np.outer(slope, slope)
        return loss, gradient, curvature

    def evidence(self, loss: float, curvature: Floats, spread: Spread) -> float:
        """Log evidence up to a constant."""
        _, log_determinant = np.linalg.slogdet(curvature)
        norms = len(self._bends) * np.log(spread.tau) + len(self._bent) * np.log(spread.wander)
        return float(-loss - log_determinant / 2 - len(self.points) * np.log(spread.sigma) - norms)

    def prices(self, unknown: Floats, spread: Spread) -> Prices:
        """The unknowns by name."""
        table = unknown.reshape(-1, _J)
        return Prices(
            shape=self.shape,
            ratios=table[-1].copy(),
            families={key: table[index].copy() for index, key in enumerate(self.families, start=len(self.keys))},
            series={key: table[index].copy() for key, index in self.place.items()},
            spread=spread,
        )


def _stacked(points: Sequence[Point], *, overlaps: bool) -> Floats:
    """Amounts of all points [points, layers, terms], filled up with zeros; without overlap only their sums count."""
    if not overlaps:
        return np.stack([point.amounts.sum(axis=0, keepdims=True) for point in points])
    merged = [_merged(point.amounts) for point in points]
    found = np.zeros((len(points), max(map(len, merged)), _J))
    for index, amounts in enumerate(merged):
        found[index, : len(amounts)] = amounts
    return found


def _merged(amounts: Floats) -> Floats:
    """Layers that ask for the same, as one that asks for all of it: what of it counts is the same for each."""
    rows, counts = np.unique(amounts, axis=0, return_counts=True)
    return np.asarray(rows * counts[:, None])
