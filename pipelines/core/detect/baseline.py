"""What is usual for a series: complaints per unit of exposure, shrunk to its group's mean.

    mu = E (m0 w0 + S) / (w0 + n)          S, n: decayed sums of counts and exposure

(gamma-Poisson shrinkage, DESIGN section 4). Learning is weighted by P(normal); an episode may stop
it, but for a bounded time: an unbounded freeze locks a wrong baseline in for ever.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .policy import SpikePolicy

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

MU_FLOOR = 1e-9
MU_CEILING = 1e6


def rate(
    counts_sum: Floats, exposure_sum: Floats, prior_mean: Floats, prior_weight: Floats
) -> Floats:
    """Complaints per unit of exposure, [n]."""
    value: Floats = (prior_mean * prior_weight + counts_sum) / (prior_weight + exposure_sum)
    return value


def expected_count(exposure: Floats, mean_rate: Floats) -> Floats:
    """mu [n], clipped to [1e-9, 1e6] so that every likelihood stays finite."""
    return np.clip(exposure * mean_rate, MU_FLOOR, MU_CEILING)


class Learning(NamedTuple):
    """``weight`` [n] in [0, 1] of the bin in the baseline; ``held`` [n], the new freeze counter."""

    weight: Floats
    held: NDArray[np.int32]


def learning_weight(
    normal: Floats,
    frozen: Bools,
    age: NDArray[np.int32],
    held: NDArray[np.int32],
    policy: SpikePolicy,
) -> Learning:
    """How much of a bin the baseline takes in.

    P(normal), or 0 in an episode (``frozen``); but 1 for a series younger than ``young_bins`` and
    1 once ``freeze_bins`` bins were abnormal (in an episode or P(normal) < 1/2). The counter runs
    back by one for every normal bin: a series that flickers cannot freeze itself anew each time.
    """
    abnormal = frozen | (normal < 0.5)
    counted = np.where(abnormal, held + 1, held - 1)
    counted = np.clip(counted, 0, policy.freeze_bins + 1).astype(np.int32)
    free = (age < policy.young_bins) | (abnormal & (counted > policy.freeze_bins))
    weight = np.where(frozen, 0.0, normal)
    return Learning(np.where(free, 1.0, weight), counted)


def decay_and_add(total: Floats, value: Floats, weight: Floats, decay: float) -> Floats:
    """``total`` decays as much as it learns, so that a frozen baseline stands still. [n]."""
    updated: Floats = total * (1.0 - weight * (1.0 - decay)) + weight * value
    return updated
