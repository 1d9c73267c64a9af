"""Real handwritten digits as a camera in front of a meter would see them.

The digits are scikit-learn's copy of the UCI test set "Optical Recognition of Handwritten Digits"
(Alpaydin and Kaynak, 1998; CC BY 4.0): 1797 images of 8x8 pixels. A camera sees them larger, a little
off the centre, under some light and with some noise; all of that comes from one seed.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_digits

PIXELS = 32
_SOURCE_PIXELS = 8
_MOST_SHIFT = 0.75  # source pixels, either way
_ZOOM = (0.85, 1.15)
_BRIGHTNESS = (-0.15, 0.15)
_CONTRAST = (0.6, 1.0)
_MOST_NOISE = 0.08


@dataclass(frozen=True, slots=True, kw_only=True)
class Digits:
    """Digits as they were written: `images` float32 [n, 8, 8] from 0 to 1, `labels` int64 [n]."""

    images: NDArray[np.float32]
    labels: NDArray[np.int64]


def split(held_out: int, random: np.random.Generator) -> tuple[Digits, Digits]:
    """Two parts that share no digit, to train on and (`held_out` of them) to evaluate on."""
    data = load_digits()
    images = (data.images / 16).astype(np.float32)
    labels = data.target.astype(np.int64)
    order = random.permutation(len(images))
    parts = order[held_out:], order[:held_out]
    training, evaluation = (Digits(images=images[part], labels=labels[part]) for part in parts)
    return training, evaluation


def photograph(digits: NDArray[np.float32], random: np.random.Generator) -> NDArray[np.float32]:
    """One picture of each of `digits` [n, 8, 8]: float32 [n, 32, 32, 1] from 0 to 1."""
    count = len(digits)
    zoom = random.uniform(*_ZOOM, count)
    rows, columns = (_sampling(random.uniform(-_MOST_SHIFT, _MOST_SHIFT, count), zoom) for _ in range(2))
    images = rows @ digits @ columns.transpose(0, 2, 1)
    contrast, brightness, noise = (
        random.uniform(low, high, (count, 1, 1)).astype(np.float32)
        for low, high in (_CONTRAST, _BRIGHTNESS, (0.0, _MOST_NOISE))
    )
    images = (images - np.float32(0.5)) * contrast + np.float32(0.5) + brightness
    images += noise * random.standard_normal(images.shape, dtype=np.float32)
    pictures: NDArray[np.float32] = np.clip(images, 0, 1).astype(np.float32)[..., None]
    return pictures


def _sampling(shift: NDArray[np.float64], zoom: NDArray[np.float64]) -> NDArray[np.float32]:
    """Matrices [n, 32, 8] that interpolate linearly along one axis, moved by `shift` and scaled by `zoom`."""
    centre = _SOURCE_PIXELS / 2
    target = (np.arange(PIXELS) + 0.5) * _SOURCE_PIXELS / PIXELS
    source = (target - centre - shift[:, None]) / zoom[:, None] + centre - 0.5
    distance = np.abs(source[:, :, None] - np.arange(_SOURCE_PIXELS))
    weights: NDArray[np.float32] = np.maximum(0, 1 - distance).astype(np.float32)
    return weights
