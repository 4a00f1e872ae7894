"""Published detectors of rises in counts, over [T, n]: a score that rises with the evidence.

EARS C1 and C2: Hutwagner et al. (2003), "The bioterrorism preparedness and response Early
Aberration Reporting System": deviation from the mean of seven bins, in their standard deviations;
C2 leaves the two bins before out.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import poisson

Floats = NDArray[np.float64]
DAY = 288
_EARS_BINS = 7


def _window(counts: Floats, bins: int, gap: int) -> tuple[Floats, Floats]:
    """Mean and standard deviation [T, n] of the ``bins`` that end ``gap`` + 1 bins before."""
    zero = np.zeros((1, counts.shape[1]))
    total = np.concatenate([zero, np.cumsum(counts, axis=0)])
    square = np.concatenate([zero, np.cumsum(counts**2, axis=0)])
    end = np.maximum(np.arange(len(counts)) - gap, 0)
    start = np.maximum(end - bins, 0)
    size = np.maximum(end - start, 1)[:, None]
    mean = (total[end] - total[start]) / size
    variance = np.maximum((square[end] - square[start]) / size - mean**2, 0.0)
    return mean, np.sqrt(variance * size / np.maximum(size - 1, 1))


def ears(counts: Floats, gap: int) -> Floats:
    """C1 (gap 0) and C2 (gap 2). Alerts above 3."""
    mean, sd = _window(counts, _EARS_BINS, gap)
    return (counts - mean) / np.maximum(sd, 0.5)


def poisson_test(counts: Floats) -> Floats:
    """-log10 of the Poisson tail under the mean of the day before. Alerts above 6 (1e-6)."""
    mean, _ = _window(counts, DAY, 0)
    tail: Floats = -poisson.logsf(counts - 1, np.maximum(mean, 1.0 / DAY)) / np.log(10.0)
    return tail


def robust_z(counts: Floats, every: int = 12) -> Floats:
    """(c - median) / MAD of the day before, the two refreshed each hour. Alerts above 6."""
    out = np.zeros_like(counts)
    for t in range(every, len(counts), every):
        past = counts[max(0, t - DAY) : t]
        middle = np.median(past, axis=0)
        spread = 1.4826 * np.median(np.abs(past - middle), axis=0)
        out[t : t + every] = (counts[t : t + every] - middle) / np.maximum(spread, 0.5)
    return out


PEERS = {
    "ears_c1": (lambda counts: ears(counts, 0), 3.0),
    "ears_c2": (lambda counts: ears(counts, 2), 3.0),
    "poisson_1e-6": (poisson_test, 6.0),
    "robust_z": (robust_z, 6.0),
}
"""Name: (score, the threshold at which it is used as published)."""
