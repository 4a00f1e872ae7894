"""Over-dispersion is a weight over a grid, not a number (DESIGN section 4).

With a single estimated phi the prototype found nothing at the same false-alert rate. Arrays are
[K, n], grid first.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .baseline import Outlook
from .policy import SpikePolicy

Floats = NDArray[np.float64]

PHI_CEILING = 1e6
"""Bounds phi_eff for a bin whose exposure dwarfs everything the baseline has seen."""


def effective_dispersion(outlook: Outlook, policy: SpikePolicy) -> Floats:
    """phi_eff = phi * (1 + E / (w0 + n)) + mu * (s^2 + spread), shape [K, n].

    The terms carry the baseline's sampling error, and what is not known of its drift.
    """
    grid = np.asarray(policy.phi_grid)[:, None]
    drift = outlook.mu * (policy.drift**2 + outlook.spread)
    phi = grid * (1.0 + outlook.novelty) + drift
    return np.minimum(phi, PHI_CEILING)


def mixture_weights(log_weight: Floats) -> Floats:
    """Weights that sum to 1 along the grid [K, n], from log likelihoods [K, n] with maximum 0."""
    weight = np.exp(log_weight)
    weight /= weight.sum(axis=0)
    return weight


def learn_dispersion(log_weight: Floats, log_value: Floats, policy: SpikePolicy) -> Floats:
    """Decayed sum [K, n] of log likelihoods [K, n] under the baseline mean, maximum moved to 0.

    One bin moves two dispersions apart by ``dispersion_cap`` at most: a single absurd count would
    otherwise settle the matter for weeks, and what is usual would then look regular enough to be
    taken for a rise.
    """
    told = np.maximum(log_value - log_value.max(axis=0), -policy.dispersion_cap)
    updated: Floats = policy.dispersion_decay * log_weight + told
    updated -= updated.max(axis=0)
    return updated
