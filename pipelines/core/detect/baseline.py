"""What is usual for a series: complaints per unit of exposure, shrunk to its group's mean.

    mu = E (m0 w0 + S) / (w0 + n)          S, n: decayed sums of counts and exposure

(gamma-Poisson shrinkage, DESIGN section 4). Learning is weighted by P(normal); an episode may stop
it, but for a bounded time: an unbounded freeze locks a wrong baseline in for ever.

**A bin is learned in two parts**: at once what is credible under the baseline (``credible``), and
what lies above it when the bin leaves the ring an hour later, by the weight that it deserves then.
Without this a young series learns the rise itself before the odds have crossed; with nothing
learned at once it takes every honest difference from its prior for a rise (ADR 0007).
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


def credible(counts: Floats, mu: Floats, policy: SpikePolicy) -> Floats:
    """The part of a bin's count that may be learned at once, [n]: a rise cannot multiply mu."""
    return np.minimum(counts, mu + policy.learn_spread * np.sqrt(mu) + policy.learn_extra)


class Learning(NamedTuple):
    """What the baseline takes in of a closed bin, and of the bin that leaves the ring with it."""

    weight: Floats
    """[n] in [0, 1]: of the closed bin's exposure and credible count."""
    excess: Floats
    """[n] in [0, 1]: of what the leaving bin held above the credible."""
    held: NDArray[np.int32]
    """[n]: the new freeze counter."""


def learning_weight(
    normal: Floats,
    frozen: Bools,
    age: NDArray[np.int32],
    held: NDArray[np.int32],
    policy: SpikePolicy,
) -> Learning:
    """How much the baseline takes in.

    P(normal), or 0 in an episode (``frozen``); but all of it once ``freeze_bins`` bins were
    abnormal (in an episode or P(normal) < 1/2), and of the credible part always in a series younger
    than ``young_bins``. The counter runs back by one for every normal bin: a series that flickers
    cannot freeze itself anew each time.
    """
    abnormal = frozen | (normal < 0.5)
    counted = np.where(abnormal, held + 1, held - 1)
    counted = np.clip(counted, 0, policy.freeze_bins + 1).astype(np.int32)
    spent = abnormal & (counted > policy.freeze_bins)
    excess = np.where(spent, 1.0, np.where(frozen, 0.0, normal))
    return Learning(np.where(age < policy.young_bins, 1.0, excess), excess, counted)


def decay_and_add(total: Floats, value: Floats, weight: Floats, decay: float) -> Floats:
    """``total`` decays as much as it learns, so that a frozen baseline stands still. [n]."""
    updated: Floats = total * (1.0 - weight * (1.0 - decay)) + weight * value
    return updated
