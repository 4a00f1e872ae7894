"""Over-dispersion is a weight over a grid, not a number (DESIGN section 4).

With a single estimated phi the prototype found nothing at the same false-alert rate.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .policy import SpikePolicy

Floats = NDArray[np.float64]

PHI_CEILING = 1e6
"""Bounds phi_eff for a bin whose exposure dwarfs everything the baseline has seen."""


def effective_dispersion(mu: Floats, novelty: Floats, policy: SpikePolicy) -> Floats:
    """phi_eff = phi * (1 + E / (w0 + n)) + mu * s^2, shape [n, K].

    ``mu`` [n] is the expected count, ``novelty`` [n] is E / (w0 + n): the bin's exposure against
    what the baseline rests on. The two terms carry the baseline's sampling error and its drift.
    """
    grid = np.asarray(policy.phi_grid)
    phi = grid * (1.0 + novelty)[:, None] + (mu * policy.drift**2)[:, None]
    return np.minimum(phi, PHI_CEILING)


def mixture_weights(log_weight: Floats) -> Floats:
    """Weights [n, K] that sum to 1, from decayed log likelihoods whose maximum is 0."""
    weight = np.exp(log_weight)
    weight /= weight.sum(axis=1, keepdims=True)
    return weight


def learn_dispersion(log_weight: Floats, log_value: Floats, policy: SpikePolicy) -> Floats:
    """Decayed sum of log likelihoods under the baseline mean, maximum moved to 0. Shape [n, K].

    One bin moves two dispersions apart by ``dispersion_cap`` at most: a single absurd count would
    otherwise settle the matter for weeks, and what is usual would then look regular enough to be
    taken for a rise.
    """
    told = np.maximum(log_value - log_value.max(axis=1, keepdims=True), -policy.dispersion_cap)
    updated: Floats = policy.dispersion_decay * log_weight + told
    updated -= updated.max(axis=1, keepdims=True)
    return updated
