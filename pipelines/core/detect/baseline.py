"""What is usual for a series: complaints per unit of exposure, over a grid of drifts.

How fast a true rate moves is not known, and differs: so there is a baseline for each drift s_j,

    mu_j = E (m0 w0 l_j + S_j) / (w0 l_j + n_j)      S_j, n_j: decayed sums of counts and exposure
    S_j <- (1 - k_j) S_j + c,   n_j <- (1 - k_j) n_j + E,   l_j <- (1 - k_j) l_j

gamma-Poisson shrinkage (DESIGN section 4) with the steady gain of a Kalman filter for a log rate
that walks s_j a bin and is seen with relative variance phi / mu,

    k_j = s_j sqrt(mu_j / phi)

so a busy series remembers an hour and a quiet one a week. The prior (m0, w0) fades as any other
evidence does (l_j is what is left of it). What is expected is the mean over the grid, weighted by
how well each drift has foretold the counts (quasi-Poisson, decayed); what it differs by goes into
the variance.

Learning is weighted by P(normal); an episode may stop it, but for a bounded time: an unbounded
freeze locks a wrong baseline in for ever.

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
from .spike_state import Slots, SpikeState, put_rows, rows

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

MU_FLOOR = 1e-9
MU_CEILING = 1e6


class Outlook(NamedTuple):
    """What is expected of a bin; J drifts, n series."""

    mu: Floats
    """[n]: expected count, within [1e-9, 1e6] so that every likelihood stays finite."""
    means: Floats
    """[J, n]: the same under each drift."""
    novelty: Floats
    """[n]: the bin's exposure against what the baseline rests on."""
    spread: Floats
    """[n]: relative variance of mu between the drifts."""
    restless: Floats
    """[n] in [0, 1]: belief in the fastest drift beyond what it was worth at the start."""


def outlook(
    state: SpikeState,
    slots: Slots,
    exposure: Floats,
    prior_mean: Floats,
    prior_weight: Floats,
    policy: SpikePolicy,
) -> Outlook:
    """Expected count of a bin of ``exposure`` [n]; prior's mean per order, its weight in orders."""
    prior = prior_weight * rows(state.prior_left, slots)
    basis = prior + rows(state.exposure_sum, slots)
    means = exposure * (prior_mean * prior + rows(state.counts_sum, slots)) / basis
    means = np.clip(means, MU_FLOOR, MU_CEILING)
    prior_belief = np.array(policy.drift_weights)
    belief = np.exp(rows(state.log_drift, slots)) * prior_belief[:, None]
    belief /= belief.sum(axis=0)
    first = prior_belief[-1] / prior_belief.sum()
    restless = np.maximum(belief[-1] - first, 0.0) / max(1.0 - first, MU_FLOOR)
    mu = (belief * means).sum(axis=0)
    novelty = exposure * (belief / basis).sum(axis=0)
    spread = (belief * np.square(means / mu - 1.0)).sum(axis=0)
    return Outlook(mu, means, novelty, spread, restless)


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


def learn(
    state: SpikeState,
    slots: Slots,
    counts: Floats,
    exposure: Floats,
    weight: Floats,
    means: Floats,
    phi: Floats,
    policy: SpikePolicy,
) -> None:
    """Take ``counts`` and ``exposure`` [n] in by ``weight`` [n]; ``means`` [J, n], ``phi`` [n].

    The sums decay as much as they learn, so that a frozen baseline stands still.
    """
    steps = np.array(policy.drifts)[:, None] * np.sqrt(policy.bin_days)
    gain = np.clip(steps * np.sqrt(means / phi), policy.gain_min, policy.gain_max)
    keep = 1.0 - weight * gain
    put_rows(state.counts_sum, slots, keep * rows(state.counts_sum, slots) + weight * counts)
    put_rows(state.exposure_sum, slots, keep * rows(state.exposure_sum, slots) + weight * exposure)
    put_rows(state.prior_left, slots, np.maximum(keep * rows(state.prior_left, slots), MU_FLOOR))


def learn_drift(
    log_drift: Floats, counts: Floats, means: Floats, mu: Floats, phi: Floats, policy: SpikePolicy
) -> Floats:
    """Decayed quasi-log-likelihoods [J, n] of the drifts, maximum moved to 0.

    (c ln mu_j - mu_j) / phi (McCullagh and Nelder, ch. 9), of the credible part of the count: this
    is about how the usual moves, and not about rises.
    """
    told = (counts * np.log(means / mu) - means) / phi
    updated: Floats = policy.drift_decay * log_drift + told
    updated -= updated.max(axis=0)
    return np.maximum(updated, -policy.drift_cap)
