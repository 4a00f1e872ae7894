"""The upper tail of the beta-binomial, bounded in O(1), without a gamma function of a library."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
_SHIFT = 8


def log_gamma(x: Floats) -> Floats:
    """ln gamma of x > 0: Stirling's series at x + 8, brought back (Abramowitz and Stegun 6.1.41).

    The error is below 1e-9 absolutely for x up to 1e6.
    """
    steps = np.arange(_SHIFT)
    back = np.log(x[..., None] + steps).sum(axis=-1)
    y = x + _SHIFT
    series = 1 / (12 * y) - 1 / (360 * y**3) + 1 / (1260 * y**5)
    out: Floats = (y - 0.5) * np.log(y) - y + 0.5 * np.log(2 * np.pi) + series - back
    return out


def log10_tail(k: Floats, n: Floats, a: Floats, b: Floats) -> Floats:
    """log10 of P(K >= k), K beta-binomial (n, a, b), for k above its mean; 0 elsewhere.

    An upper bound: with b > 1, from k on each probability is at most r times the one before, r
    being the ratio at k (with (k + a) / (k + 1) no less than 1, which it tends to), so the tail is
    at most P(K = k) / (1 - r): never more significant than the truth. `n` may be a fraction, and
    is at least k; a, b > 0.
    """
    n = np.maximum(n, k)
    log_p = (
        log_gamma(n + 1) - log_gamma(k + 1) - log_gamma(n - k + 1)
        + log_gamma(k + a) + log_gamma(n - k + b) - log_gamma(n + a + b)
        + log_gamma(a + b) - log_gamma(a) - log_gamma(b)
    )  # fmt: skip
    ratio = (n - k) / np.maximum(n - k - 1 + b, 1e-9) * np.maximum((k + a) / (k + 1), 1.0)
    above = (k > n * a / (a + b)) & (ratio < 1)
    room = np.where(above, 1 - np.minimum(ratio, 1 - 1e-9), 1.0)
    tail = (log_p - np.log(room)) / np.log(10)
    return np.where(above, np.minimum(tail, 0.0), 0.0)
