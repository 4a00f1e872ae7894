"""Evidence of a bin for each raised regime: mixed negative-binomial likelihood ratios.

    L_q = sum_k w_k p_k(c | q mu) / sum_k w_k p_k(c | rho mu)

Arrays are [K, n] and [Q, n], grid first, so that sums over the grid run along whole rows.

Most counts are small. With r = m / (phi - 1),

    p(c | q m) ~ e^(-q r ln phi) (1 - 1/phi)^c (q r)(q r + 1)...(q r + c - 1)

needs an exponential, and no logarithm or gamma function.
Large counts and means go by logarithms (``likelihood``).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .likelihood import log_mix, log_rising
from .policy import SpikePolicy

Floats = NDArray[np.float64]

_SMALL_COUNT = 8
_SMALL_EXPONENT = 500.0
"""Largest q mu at which e^(-q mu) and the products beside it stay within a double."""
_LOG_RATIO_BOUND = 500.0
_TINY = 1e-300


def evidence(
    counts: Floats, mu: Floats, phi: Floats, weight: Floats, policy: SpikePolicy
) -> tuple[Floats, Floats]:
    """L_q [Q, n] and the log likelihood under the baseline itself, up to a constant [K, n].

    ``counts``, ``mu`` [n]; ``phi`` and its ``weight`` [K, n].
    """
    log_phi = np.log(phi)
    shape = mu / (phi - 1.0)
    log_value = -shape * log_phi
    # Three in four are zeros: all are taken for one, and the others are done again.
    ratios = _zeros(np.maximum(log_value, -_SMALL_EXPONENT / policy.regimes[-1]), weight, policy)
    fits = mu <= _SMALL_EXPONENT / policy.regimes[-1]
    small = np.flatnonzero((counts > 0) & (counts <= _SMALL_COUNT) & fits)
    if small.size:
        small = small[np.argsort(-counts[small], kind="stable")]
        columns = (np.take(x, small, axis=1) for x in (shape, phi, log_value, weight))
        ratios[:, small], log_value[:, small] = _small(policy, counts[small], *columns)
    large = np.flatnonzero((counts > _SMALL_COUNT) | ~fits)
    if large.size:
        columns = (np.take(x, large, axis=1) for x in (phi, log_phi, weight))
        ratios[:, large], log_value[:, large] = _large(policy, counts[large], mu[large], *columns)
    return ratios, log_value


def _zeros(log_zero: Floats, weight: Floats, policy: SpikePolicy) -> Floats:
    """Of zeros: their log likelihood is linear in the mean."""
    mixed = np.empty((1 + len(policy.regimes), log_zero.shape[1]))
    power = np.empty_like(log_zero)
    for i, factor in enumerate((policy.rho, *policy.regimes)):
        # In one buffer: fresh memory costs more than the exponential.
        np.exp(np.multiply(log_zero, factor, out=power), out=power)
        np.einsum("kn,kn->n", weight, power, out=mixed[i])
    ratios: Floats = mixed[1:] / np.maximum(mixed[0], _TINY)
    return ratios


def _small(
    policy: SpikePolicy,
    counts: Floats,
    shape: Floats,
    phi: Floats,
    log_zero: Floats,
    weight: Floats,
) -> tuple[Floats, Floats]:
    """Of small counts [n], sorted from the largest on, so that the products run over slices."""
    factors = (1.0, policy.rho, *policy.regimes)
    tail = 1.0 - 1.0 / phi
    ends = [int(np.searchsorted(-counts, -j)) for j in range(int(counts[0]))]
    mixed = np.empty((len(factors), counts.size))
    log_value, product, step = (np.empty_like(phi) for _ in range(3))
    for i, factor in enumerate(factors):
        np.exp(np.multiply(log_zero, factor, out=product), out=product)
        np.multiply(shape, factor, out=step)
        for end in ends:
            product[:, :end] *= step[:, :end] * tail[:, :end]
            step[:, :end] += 1.0
        if i == 0:
            np.log(np.maximum(product, _TINY), out=log_value)
        np.einsum("kn,kn->n", weight, product, out=mixed[i])
    mixed = np.maximum(mixed, _TINY)
    return np.exp(_bounded(np.log(mixed[2:] / mixed[1]), policy)), log_value


def _large(
    policy: SpikePolicy, counts: Floats, mu: Floats, phi: Floats, log_phi: Floats, weight: Floats
) -> tuple[Floats, Floats]:
    """By logarithms, for all factors at once: [n, factor, K]."""
    factors = np.array((1.0, policy.rho, *policy.regimes))[:, None]
    log_weight = np.log(np.maximum(weight, _TINY)).T[:, None]
    phi, log_phi = phi.T[:, None], log_phi.T[:, None]
    shape = factors * (mu[:, None, None] / (phi - 1.0))
    value = log_rising(shape, counts) - shape * log_phi
    value += counts[:, None, None] * (np.log(phi - 1.0) - log_phi)
    mixed = log_mix(log_weight, value[:, 1:])
    ratio = (mixed[:, 1:] - mixed[:, :1]).T
    return np.exp(_bounded(ratio, policy)), value[:, 0].T


def _bounded(log_ratio: Floats, policy: SpikePolicy) -> Floats:
    """Evidence of one bin: full up to ``evidence_cap``, a share of it beyond."""
    beyond = np.maximum(log_ratio - policy.evidence_cap, 0.0)
    counted = log_ratio - (1.0 - policy.evidence_slope) * beyond
    return np.clip(counted, -_LOG_RATIO_BOUND, _LOG_RATIO_BOUND)
