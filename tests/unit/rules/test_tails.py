"""The tail of the beta-binomial and the divergence, against scipy."""

from __future__ import annotations

import numpy as np
from scipy import special, stats
from scipy.spatial.distance import jensenshannon

from pipelines.core.rules.shift import jensen_shannon, shares
from pipelines.core.rules.tails import log10_tail, log_gamma


def test_log_gamma_is_that_of_scipy() -> None:
    x = np.array([1e-6, 0.3, 1.0, 2.5, 17.0, 1e3, 1e6])
    np.testing.assert_allclose(log_gamma(x), special.gammaln(x), rtol=1e-12, atol=2e-9)


def exact(k: float, n: float, a: float, b: float) -> float:
    """log10 of the sum of all the probabilities from k on."""
    each = stats.betabinom.logpmf(np.arange(k, n + 1), n, a, b)
    return float(special.logsumexp(each) / np.log(10))


def test_the_tail_is_never_more_significant_than_the_truth_and_close_to_it() -> None:
    rng = np.random.default_rng(3)
    n = rng.integers(20, 3_000, 400).astype(float)
    share = rng.uniform(0.001, 0.6, 400)
    strength = rng.uniform(5, 500, 400)
    a, b = share * strength, (1 - share) * strength
    k = np.minimum(n, np.ceil(n * share * rng.uniform(1.5, 6, 400) + 5))
    mine = log10_tail(k, n, a, b)
    truth = np.array([exact(*one) for one in zip(k, n, a, b, strict=True)])
    some = mine < 0
    assert some.sum() > 200
    assert (mine[some] >= truth[some] - 1e-6).all()
    deep = some & (truth < -4)
    assert deep.sum() > 50
    assert (mine[deep] - truth[deep] < 0.9).mean() > 0.95


def test_the_tail_stays_finite_for_absurd_figures() -> None:
    k = np.array([0.0, 1.0, 2.0**31, 2.0**31, 5.0])
    n = np.array([0.0, 0.0, 2.0**31, 10.0, 2.0**31])
    out = log10_tail(k, n, np.full(5, 1e-6), np.full(5, 30.0))
    assert np.isfinite(out).all()
    assert (out <= 0).all()


def test_the_divergence_is_that_of_scipy() -> None:
    rng = np.random.default_rng(1)
    p, q = rng.dirichlet(np.ones(12), 50), rng.dirichlet(np.ones(12), 50)
    truth = [jensenshannon(x, y, base=2) ** 2 for x, y in zip(p, q, strict=True)]
    np.testing.assert_allclose(jensen_shannon(p, q), truth, atol=1e-12)
    one, other = np.eye(12)[:1], np.eye(12)[1:2]
    assert jensen_shannon(one, other) == 1.0
    assert jensen_shannon(shares(np.zeros((1, 12))), one)[0] <= 1.0
