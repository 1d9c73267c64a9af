"""Labelled inputs for a classifier whose own data may not be passed on.

Each class gets a few prototypes: random fields that the float model assigns to it, found by a small evolution
strategy (mutate, keep the widest margin, repeat). A sample is a prototype under noise, and its label is the
class of the prototype, whatever the model says of the noisy sample. The noise is raised, class by class, until
the float model's accuracy falls to a published figure, so that margins are as thin as on real data. A class that
the search does not reach is left out. Nothing here looks at any quantised model.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]
Predict = Callable[[Array], npt.NDArray[Any]]
"""Class scores before the softmax [n, classes] for inputs [n, height, width, channels]."""

PROTOTYPES = 5
GENERATIONS = 120
OFFSPRING = 16
MAX_STARTS = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Domain:
    """What an input looks like: its shape, the range that values are cut to, and their usual spread."""

    shape: tuple[int, int, int]
    low: float
    high: float
    middle: float
    spread: float


def samples(
    predict: Predict, classes: int, domain: Domain, *, accuracy: float, count: int, seed: int = 0
) -> tuple[Array, npt.NDArray[np.int64]]:
    """`count` inputs [n, h, w, c] and their labels [n], on which the float model reaches about `accuracy`."""
    random = np.random.default_rng(seed)
    prototypes = {label: _prototypes(predict, label, domain, random) for label in range(classes)}
    reached = [label for label, found in prototypes.items() if len(found)]
    labels = np.array(reached, dtype=np.int64)[np.arange(count) % len(reached)]
    x = np.empty((count, *domain.shape), dtype=np.float32)
    for label in reached:
        rows = np.nonzero(labels == label)[0]
        x[rows] = _noisy(predict, label, prototypes[label], len(rows), domain, accuracy, random)
    return x, labels


def _noisy(
    predict: Predict,
    label: int,
    prototypes: Array,
    count: int,
    domain: Domain,
    accuracy: float,
    random: np.random.Generator,
) -> Array:
    """`count` noisy prototypes of `label`, with as much noise as leaves the model `accuracy`."""
    clean = prototypes[random.integers(0, len(prototypes), count)]
    noise = 0.5 * _fields(count, domain, random) + 0.5 * random.normal(size=clean.shape).astype(np.float32)
    low, high = 0.0, 4.0
    for _ in range(12):
        strength = (low + high) / 2
        noisy = _cut(clean + strength * domain.spread * noise, domain)
        reached = float(np.mean(predict(noisy).argmax(axis=1) == label))
        low, high = (strength, high) if reached > accuracy else (low, strength)
    return _cut(clean + low * domain.spread * noise, domain)


def _prototypes(predict: Predict, label: int, domain: Domain, random: np.random.Generator) -> Array:
    """At most PROTOTYPES inputs [n, h, w, c] that the model assigns to `label` by a wide margin."""
    best = np.full(PROTOTYPES, -np.inf)
    found = np.empty((PROTOTYPES, *domain.shape), dtype=np.float32)
    for _ in range(MAX_STARTS):
        parents, margins = _evolve(predict, label, domain, random)
        found = np.where((margins > best)[:, None, None, None], parents, found)
        best = np.maximum(margins, best)
        if best.min() > 0:
            break
    return found[best > 0]


def _evolve(
    predict: Predict, label: int, domain: Domain, random: np.random.Generator
) -> tuple[Array, npt.NDArray[np.floating[Any]]]:
    """One run of the strategy: parents [PROTOTYPES, h, w, c] and their margins [PROTOTYPES]."""
    widest = np.zeros(PROTOTYPES)
    parents = _cut(domain.middle + domain.spread * _mutations(PROTOTYPES, domain, random), domain)
    for generation in range(GENERATIONS):
        step = 0.6 * domain.spread * (1 - generation / GENERATIONS)
        children = np.repeat(parents, OFFSPRING, axis=0)
        children = _cut(children + step * _mutations(len(children), domain, random), domain)
        family = np.concatenate([parents[:, None], children.reshape(PROTOTYPES, OFFSPRING, *domain.shape)], axis=1)
        scores = predict(family.reshape(-1, *domain.shape))
        margins = scores[:, label] - np.delete(scores, label, axis=1).max(axis=1)
        margins = margins.reshape(PROTOTYPES, -1)
        parents = family[np.arange(PROTOTYPES), margins.argmax(axis=1)]
        widest = margins.max(axis=1)
    return parents, widest


def _mutations(count: int, domain: Domain, random: np.random.Generator) -> Array:
    """Smooth fields, and offsets of whole rows and columns, as pictures and spectrograms have them."""
    height, width, channels = domain.shape
    fields = _fields(count, domain, random)
    rows = random.normal(size=(count, height, 1, channels)).astype(np.float32)
    columns = random.normal(size=(count, 1, width, channels)).astype(np.float32)
    kind = random.integers(0, 4, count)[:, None, None, None]
    return np.select(
        [kind == 0, kind == 1, kind == 2], [fields, fields + rows, fields + columns], fields + rows + columns
    )


def _fields(count: int, domain: Domain, random: np.random.Generator) -> Array:
    """Smooth random fields of unit variance."""
    fields = random.normal(size=(count, *domain.shape)).astype(np.float32)
    for axis in (1, 2):
        for _ in range(2):
            fields = (np.roll(fields, 1, axis) + fields + np.roll(fields, -1, axis)) / 3
    deviation: Array = fields.std(axis=(1, 2, 3), keepdims=True)
    return np.asarray(fields / deviation, dtype=np.float32)


def _cut(x: Array, domain: Domain) -> Array:
    return np.clip(x, domain.low, domain.high).astype(np.float32)
