"""A bound: the same filter, told each series' true mean and dispersion at every bin.

Its threshold is its own, for one alert a day over 50,000 series; with nothing to be wrong about it
takes evidence in full, against the true mean itself.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

from benchmarks.detection.worlds import CITY, World
from pipelines.core.detect import SpikePolicy

Floats = NDArray[np.float64]
_SEED = 20_201_204
_SERIES, _BINS = 20_000, 600


class _Filter:
    def __init__(self, size: int, policy: SpikePolicy) -> None:
        self.policy = policy
        self.raised = np.full((len(policy.regimes), size), 1e-9)
        self.normal = np.ones(size)

    def observe(self, counts: Floats, mean: Floats, phi: Floats) -> Floats:
        p = self.policy
        base = _log_nb(counts, mean, phi)
        ratios = np.exp([_log_nb(counts, q * mean, phi) - base for q in p.regimes])
        stay = ((1 - p.delta) * self.raised + p.pi / len(p.regimes) * self.normal) * ratios
        rest = (1 - p.pi) * self.normal + p.delta * self.raised.sum(axis=0)
        total = stay.sum(axis=0) + rest
        self.raised, self.normal = stay / total, rest / total
        score: Floats = np.log(stay.sum(axis=0) / rest)
        return score


def _log_nb(counts: Floats, mean: Floats, phi: Floats) -> Floats:
    r = mean / (phi - 1)
    value: Floats = gammaln(counts + r) - gammaln(r) - r * np.log(phi)
    return value + counts * np.log1p(-1 / phi)


@cache
def threshold(policy: SpikePolicy) -> float:
    """For one alert a day per 50,000 series: the tail's exponential fall, read on from a run.

    Odds above h come by once in about e^h bins, so the line through 1,000 and 50 a day is carried
    on to one.
    """
    world = World.null(_SERIES, _SEED)
    run = _Filter(_SERIES, policy)
    best = np.full(_SERIES, -np.inf)
    peaks: list[Floats] = []
    for t in range(_BINS):
        counts = world.bin()
        best = np.maximum(best, run.observe(counts, world.mean, world.phi))
        if t % 72 == 71:
            peaks.append(best)
            best = np.full(_SERIES, -np.inf)
    ranked = np.sort(np.concatenate(peaks))
    city_days = _SERIES * len(peaks) * 72 / 288 / CITY
    low, high = (float(ranked[-int(rate * city_days)]) for rate in (1_000, 50))
    return high + (high - low) * np.log(50) / np.log(1_000 / 50)


def oracle(policy: SpikePolicy, world: World, factor: Floats) -> NDArray[np.bool_]:
    """Which rises [n] are found within an hour, closed bins alone, at eight complaints or more."""
    size, run = world.mean.size, _Filter(world.mean.size, policy)
    for _ in range(72):
        run.observe(world.bin(), world.mean, world.phi)
    found, seen = np.zeros(size, bool), np.zeros(size)
    for _ in range(12):
        counts = world.bin(factor)
        seen += counts
        score = run.observe(counts, world.mean, world.phi)
        found |= (score >= threshold(policy)) & (seen >= policy.min_count_critical)
    return found
