"""What single absurd values may do to a series: no more than one bin's worth."""

from __future__ import annotations

from collections import deque

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

_RECENT = 24
_ENOUGH = 8
_TIMES = 1_000.0


def odd_exposures(exposure: Floats) -> Bools:
    """Bins [T] whose exposure is a thousand times off the median of those before it.

    As long a run of them as that median is of is a new level, and taken as such.
    """
    recent: deque[float] = deque(maxlen=_RECENT)
    odd = np.zeros(len(exposure), bool)
    run = 0
    for t in np.flatnonzero(exposure > 0).tolist():
        value = float(exposure[t])
        usual = float(np.median(recent)) if len(recent) >= _ENOUGH else value
        odd[t] = not usual / _TIMES <= value <= usual * _TIMES
        run = run + 1 if odd[t] else 0
        if run == _RECENT:
            recent.clear()
        if not odd[t] or run == _RECENT:
            recent.append(value)
    return odd


def calm_start(counts: Floats, exposure: Floats, first: int) -> Floats:
    """Counts [T] of which the `first` known ones, by which the rest is judged, have no outlier.

    What is far above the mean of their lower three quarters is cut off there.
    """
    at = np.flatnonzero(np.isfinite(counts) & (exposure > 0))[:first]
    if len(at) < 2:
        return counts
    order = at[np.argsort(counts[at] / exposure[at], kind="stable")]
    low = order[: max(1, 3 * len(order) // 4)]
    usual = counts[low].sum() / exposure[low].sum() * exposure[at]
    tamed = counts.copy()
    tamed[at] = np.minimum(counts[at], np.ceil(10.0 * (usual + np.sqrt(usual + 1.0) + 1.0)))
    return tamed


def unit(exposure: Floats, first: int) -> float:
    """What to measure exposure in, from its first known bins: the models expect usual sizes."""
    known = exposure[exposure > 0][:first]
    return float(np.median(known)) if len(known) else 1.0
