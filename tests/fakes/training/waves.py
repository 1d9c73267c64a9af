"""Noisy waves of three bands of frequency: float32 [n, 32], and the band, int64 [n]."""

import json
from pathlib import Path

import numpy as np

LENGTH, BANDS = 32, 3


def waves(n, random):
    noise = json.loads((Path(__file__).parent / "settings.json").read_text())["noise"]
    y = random.integers(0, BANDS, n)
    frequency = 1.0 + 2.2 * y + random.uniform(0, 1.2, n)
    time = np.linspace(0, 1, LENGTH)
    x = np.sin(2 * np.pi * (frequency[:, None] * time + random.uniform(0, 1, (n, 1))))
    return (x + noise * random.standard_normal((n, LENGTH))).astype(np.float32), y
