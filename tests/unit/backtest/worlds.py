"""Simulated weekly series with rises in them, and detectors that others use, to be held against.

The worlds follow Noufaily et al. (2013, Statistics in Medicine 32:1206): negative-binomial counts
with level, trend, season and over-dispersion; a rise is a Poisson number of extra cases, of k
standard deviations, spread over time log-normally. The peers: EARS C1 and C2 (Hutwagner et al.
2003), a Poisson tail and a robust z-score on the last year.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import stats

Floats = npt.NDArray[np.float64]


class World(NamedTuple):
    counts: Floats
    """[n, T]"""
    rise: npt.NDArray[np.int64]
    """[n, T]: number of the rise that a bin belongs to; 0: none."""


def weekly(seed: int, series: int, bins: int = 420, first: int = 260) -> World:
    rng = np.random.default_rng(seed)
    t = np.arange(bins)
    level = rng.choice([0.1, -2, 1.5, 0.5, 2.5, 3.75], (series, 1))
    trend = rng.choice([0, 0, 0.0012, 0.0025], (series, 1))
    season = rng.choice([0, 0.6, 1.0], (series, 1)) * np.cos(2 * np.pi * t / 52.18)
    phi = rng.choice([1.05, 1.5, 2, 3], (series, 1))
    mu = np.exp(level + trend * t + season)
    counts = rng.negative_binomial(mu / (phi - 1), 1 / phi).astype(float)
    rise = np.zeros((series, bins), np.int64)
    for i in range(series):
        for start in rng.choice(np.arange(first, bins - 20, 25), 3, replace=False):
            sd = np.sqrt(mu[i, start] * phi[i, 0])
            size = rng.poisson(rng.choice([3, 5, 8, 10]) * sd)
            after = np.floor(rng.lognormal(0, 0.5, size)).astype(int)
            extra = np.bincount(after, minlength=1)[: bins - start]
            counts[i, start : start + len(extra)] += extra
            rise[i, start + np.flatnonzero(extra)] = rise.max() + 1
    return World(counts, rise)


def ears(counts: Floats, guard: int) -> Floats:
    """C1 (guard 0) and C2 (guard 2): seven bins before the guard."""
    out = np.full(counts.shape, -9.0)
    for t in range(7 + guard, counts.shape[1]):
        past = counts[:, t - 7 - guard : t - guard]
        out[:, t] = (counts[:, t] - past.mean(1)) / np.maximum(past.std(1, ddof=1), 0.2)
    return out


def poisson_tail(counts: Floats, window: int) -> Floats:
    out = np.zeros(counts.shape)
    for t in range(window, counts.shape[1]):
        mean = np.maximum(counts[:, t - window : t].mean(1), 0.02)
        out[:, t] = -stats.poisson.logsf(counts[:, t] - 1, mean)
    return out


def robust_z(counts: Floats, window: int) -> Floats:
    out = np.zeros(counts.shape)
    for t in range(window, counts.shape[1]):
        past = counts[:, t - window : t]
        middle = np.median(past, 1)
        spread = 1.4826 * np.median(np.abs(past - middle[:, None]), 1)
        out[:, t] = (counts[:, t] - middle) / np.maximum(spread, 0.5)
    return out


def found(score: Floats, world: World, first: int, false_rate: float) -> tuple[float, float]:
    """(sensitivity by bin, share of the rises met at all) at this share of false bins."""
    score, rise = score[:, first:], world.rise[:, first:]
    hit = score > np.quantile(score[rise == 0], 1 - false_rate)
    met = np.unique(rise[hit & (rise > 0)])
    return float(hit[rise > 0].mean()), len(met) / len(np.unique(rise[rise > 0]))
