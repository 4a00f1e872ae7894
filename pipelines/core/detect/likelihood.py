"""Negative-binomial likelihoods with a given variance-to-mean ratio, without a gamma function.

Parametrisation (DESIGN section 4): mean m and dispersion phi > 1, r = m / (phi - 1), so that the
variance is phi * m and

    ln P(c) = ln[r (r+1) ... (r+c-1)] - ln c! - r ln(phi) + c ln(1 - 1/phi).

The filter only ever needs ratios at one count, so ``ln c!`` is left out everywhere. For c = 0 what
remains is -m * ln(phi) / (phi - 1), linear in the mean: most counts are zero and cost one log.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_DIRECT = 8
"""Rising factorials up to this length are multiplied out; Stirling is exact to 1e-11 above it."""


def log_rising(r: Floats, counts: Floats) -> Floats:
    """``ln[r (r+1) ... (r+c-1)] = lgamma(r + c) - lgamma(r)``, element by element.

    Shapes: ``r`` [n, ...] positive, ``counts`` [n], whole and >= 0, along the first axis. Returns
    the shape of ``r``. Source: Stirling's series at r + 8 and r + c (Abramowitz and Stegun 6.1.41)
    after the first eight factors are taken out, so that small r loses no digits.
    """
    c = counts.reshape(counts.shape + (1,) * (r.ndim - 1))
    product = np.ones_like(r)
    for j in range(int(min(_DIRECT, counts.max(initial=0.0)))):
        product = np.where(c > j, product * (r + j), product)
    result: Floats = np.log(product)
    large = np.flatnonzero(counts > _DIRECT)
    if large.size:
        low = r[large] + _DIRECT
        result[large] += _stirling_difference(low, c[large] - _DIRECT)
    return result


def _stirling_difference(x: Floats, step: Floats) -> Floats:
    """``lgamma(x + step) - lgamma(x)`` for x >= 8, written so that a huge x does not cancel."""
    y = x + step
    difference: Floats = (
        (x - 0.5) * np.log1p(step / x) + step * (np.log(y) - 1.0) + _series(y) - _series(x)
    )
    return difference


def _series(x: Floats) -> Floats:
    inverse = 1.0 / x
    square = inverse * inverse
    tail: Floats = inverse * (
        1 / 12 - square * (1 / 360 - square * (1 / 1260 - square * (1 / 1680 - square / 1188)))
    )
    return tail


def log_likelihood(counts: Floats, mean: Floats, phi: Floats, log_phi: Floats) -> Floats:
    """Log likelihood of ``counts`` up to ``ln c!``.

    Shapes: counts [n], mean [n], phi and log_phi [n, K]; returns [n, K].
    """
    r = mean[:, None] / (phi - 1.0)
    value: Floats = log_rising(r, counts) - r * log_phi
    value += counts[:, None] * (np.log(phi - 1.0) - log_phi)
    return value


def log_mix(log_weight: Floats, log_value: Floats) -> Floats:
    """``ln sum_k exp(log_weight_k + log_value_k)`` over the last axis, safe at any scale."""
    terms = log_weight + log_value
    peak = terms.max(axis=-1)
    total: Floats = peak + np.log(np.exp(terms - peak[..., None]).sum(axis=-1))
    return total
