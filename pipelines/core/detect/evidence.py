"""Evidence of a bin for each raised regime: mixed negative-binomial likelihood ratios.

    L_q = sum_k w_k p_k(c | q mu) / sum_k w_k p_k(c | rho mu)

Arrays are [K, n] and [Q, n], grid first, so that sums over the grid run along whole rows.

Most counts are small. With r = m / (phi - 1),

    p(c | q m) ~ e^(-q r ln phi) (1 - 1/phi)^c (q r)(q r + 1)...(q r + c - 1)

needs an exponential, and no logarithm or gamma function.
Large counts and means go by logarithms (``likelihood``).
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

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
        # Of small integers: a radix sort.
        small = small[np.argsort((-counts[small]).astype(np.int8), kind="stable")]
        columns = (np.take(x, small, axis=1) for x in (shape, phi, log_value, weight))
        ratios[:, small], log_value[:, small] = _small(policy, counts[small], *columns)
    large = np.flatnonzero((counts > _SMALL_COUNT) | ~fits)
    if large.size:
        columns = (np.take(x, large, axis=1) for x in (phi, log_phi, weight))
        ratios[:, large], log_value[:, large] = _large(policy, counts[large], mu[large], *columns)
    return ratios, log_value


def _zeros(log_zero: Floats, weight: Floats, policy: SpikePolicy) -> Floats:
    """Of zeros: their log likelihood is linear in the mean."""
    mixed = np.empty((2 + len(policy.regimes), log_zero.shape[1]))
    room = np.empty_like(log_zero)
    for i, power in _powers(log_zero, policy):
        np.sum(np.multiply(weight, power, out=room), axis=0, out=mixed[i])
    ratios: Floats = mixed[2:] / np.maximum(mixed[1], _TINY)
    return ratios


def _powers(log_zero: Floats, policy: SpikePolicy) -> Iterator[tuple[int, Floats]]:
    """(i, e^(f_i log_zero)) for the factors f of 1, rho and the regimes, in some order.

    A whole factor is a product of smaller ones where that is possible: an exponential costs as
    much as ten products.
    """
    known: dict[float, Floats] = {1.0: np.exp(log_zero)}
    wanted = (1.0, policy.rho, *policy.regimes)
    for factor, parts in _chain(wanted):
        if parts is None:
            known[factor] = np.exp(log_zero * factor)
        else:
            known[factor] = known[parts[0]] * known[parts[1]]
    yield from ((i, known[factor]) for i, factor in enumerate(wanted))


@cache
def _chain(factors: tuple[float, ...]) -> tuple[tuple[float, tuple[float, float] | None], ...]:
    """How to come by each factor: as the sum of two that came before, or (None) by itself."""
    known, steps = [1.0], []
    for factor in sorted(factors):
        for way in _ways(factor, known):
            steps.append(way)
            known.append(way[0])
    return tuple(steps)


def _ways(factor: float, known: list[float]) -> list[tuple[float, tuple[float, float] | None]]:
    """The steps to ``factor``: none, one sum, a doubling before a sum, or by itself."""
    if factor in known:
        return []
    sums = {a + b: (a, b) for a in known for b in known}
    if factor in sums:
        return [(factor, sums[factor])]
    for middle, parts in sums.items():
        if factor - middle in known:
            return [(middle, parts), (factor, (middle, factor - middle))]
    return [(factor, None)]


def _small(
    policy: SpikePolicy,
    counts: Floats,
    shape: Floats,
    phi: Floats,
    log_zero: Floats,
    weight: Floats,
) -> tuple[Floats, Floats]:
    """Of small counts [n], sorted from the largest on, so that the products run over slices."""
    ends = [int(np.searchsorted(-counts, -j)) for j in range(int(counts[0]))]
    tail = 1.0 - 1.0 / phi
    # (1 - 1/phi)^c is the same for all factors: it goes into the weights.
    common = np.ones_like(phi)
    for end in ends:
        common[:, :end] *= tail[:, :end]
    weight = weight * common
    product = np.array([power for _, power in _powers(log_zero, policy)])
    step = np.array((1.0, policy.rho, *policy.regimes))[:, None, None] * shape
    for end in ends:
        product[:, :, :end] *= step[:, :, :end]
        step[:, :, :end] += 1.0
    log_value = np.log(np.maximum(product[0] * common, _TINY))
    mixed = np.maximum(np.multiply(product, weight, out=step).sum(axis=1), _TINY)
    return np.exp(capped(np.log(mixed[2:] / mixed[1]), policy)), log_value


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
    return np.exp(capped(ratio, policy)), value[:, 0].T


def capped(log_ratio: Floats, policy: SpikePolicy) -> Floats:
    """Evidence of one bin: full up to ``evidence_cap``, a share of it beyond."""
    beyond = np.maximum(log_ratio - policy.evidence_cap, 0.0)
    counted = log_ratio - (1.0 - policy.evidence_slope) * beyond
    return np.clip(counted, -_LOG_RATIO_BOUND, _LOG_RATIO_BOUND)
