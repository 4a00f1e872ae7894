"""Simulated complaints whose truth is known. Means are per 5-minute bin, exposure is 1 a bin."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
BINS_PER_DAY = 288
HISTORY_DAYS = 3
CITY = 50_000
GROUP_MEAN = 0.2 * float(np.exp(1.6**2 / 2))
"""Mean of the log-normal: what a group's prior would have learned (0.72 a bin)."""


@dataclass
class World:
    """Negative-binomial counts whose log-mean walks ``drift`` a day."""

    rng: np.random.Generator
    mean: Floats
    phi: Floats
    drift: float | Floats = 0.1

    @classmethod
    def null(cls, size: int, seed: int, drift: float = 0.1) -> World:
        """Issue 6's null: means log-normal (median 0.2, log-sd 1.6), phi uniform 1.1 to 2.6."""
        rng = np.random.default_rng(seed)
        mean = 0.2 * np.exp(1.6 * rng.standard_normal(size))
        return cls(rng, mean, rng.uniform(1.1, 2.6, size), drift)

    @classmethod
    def of_means(cls, mean: Floats, seed: int, drift: float | Floats = 0.1) -> World:
        """The same with given means to begin with."""
        rng = np.random.default_rng(seed)
        return cls(rng, mean, rng.uniform(1.1, 2.6, mean.size), drift)

    def bin(self, factor: float | Floats = 1.0) -> Floats:
        """Counts [n] of the next bin, the mean times ``factor``."""
        step = np.asarray(self.drift) / np.sqrt(BINS_PER_DAY)
        self.mean = self.mean * np.exp(step * self.rng.standard_normal(self.mean.size))
        shape = factor * self.mean / (self.phi - 1.0)
        return self.rng.negative_binomial(shape, 1.0 / self.phi).astype(np.float64)


def open_bins(
    counts: Floats, rng: np.random.Generator, parts: int
) -> Iterator[tuple[float, Floats]]:
    """(elapsed share, counts so far) of a bin whose complaints fall evenly over it."""
    left, seen = counts.astype(np.int64), np.zeros(counts.size)
    for i in range(1, parts):
        now = rng.binomial(left, 1.0 / (parts - i + 1))
        left, seen = left - now, seen + now
        yield i / parts, seen
