"""Likelihoods against scipy's negative binomial."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import gammaln, logsumexp
from scipy.stats import nbinom

from pipelines.core.detect import baseline, dispersion
from pipelines.core.detect.evidence import evidence
from pipelines.core.detect.likelihood import log_likelihood, log_mix, log_rising
from pipelines.core.detect.policy import SpikePolicy

POLICY = SpikePolicy()
COUNTS = np.array([0, 1, 2, 3, 7, 8, 9, 10, 25, 400, 20_000], dtype=np.float64)


@pytest.mark.parametrize("mean", [1e-6, 0.01, 0.72, 5.0, 300.0, 1e5])
@pytest.mark.parametrize("phi", [1.15, 1.4, 3.0, 40.0])
def test_log_likelihood_is_scipys_up_to_the_factorial(mean: float, phi: float) -> None:
    grid = np.full((COUNTS.size, 1), phi)
    ours = log_likelihood(COUNTS, np.full(COUNTS.size, mean), grid, np.log(grid))[:, 0]
    theirs = nbinom.logpmf(COUNTS, mean / (phi - 1), 1 / phi) + gammaln(COUNTS + 1)
    np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-7)


@pytest.mark.parametrize("r", [1e-9, 1e-3, 0.5, 8.0, 1e4, 1e9])
def test_rising_factorial(r: float) -> None:
    ours = log_rising(np.full(COUNTS.size, r), COUNTS)
    theirs = [np.log(r + np.arange(c)).sum() for c in COUNTS]
    np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-9)


def looked(mu: np.ndarray, novelty: np.ndarray, spread: np.ndarray) -> baseline.Outlook:
    return baseline.Outlook(mu, mu[None], novelty, spread, np.zeros_like(mu))


@pytest.mark.parametrize("top", [0, 8, 12, 3_000])
@pytest.mark.parametrize("largest_mean", [6.0, 400.0])
def test_mixture_of_regimes_against_scipy(top: int, largest_mean: float) -> None:
    """L_q for zeros, small and large counts and means, the dispersion mixed in linear space."""
    rng, n = np.random.default_rng(5), 300
    counts = rng.integers(0, top + 1, n).astype(np.float64)
    mu = np.geomspace(1e-6, largest_mean, n)
    weight = rng.dirichlet(np.ones(len(POLICY.phi_grid)), n).T
    some = looked(mu, rng.uniform(0, 0.5, n), rng.uniform(0, 0.1, n))
    phi = dispersion.effective_dispersion(some, POLICY)
    ours, own = evidence(counts, mu, phi, weight, POLICY)

    def mixed(q: float) -> np.ndarray:
        log_pmf = nbinom.logpmf(counts, q * mu / (phi - 1), 1 / phi)
        return logsumexp(log_pmf, axis=0, b=weight)

    for i, q in enumerate(POLICY.regimes):
        theirs = mixed(q) - mixed(POLICY.rho)
        beyond = np.maximum(theirs - POLICY.evidence_cap, 0)
        theirs -= (1 - POLICY.evidence_slope) * beyond
        kept = theirs > -300
        np.testing.assert_allclose(np.log(ours[i, kept]), theirs[kept], rtol=1e-6, atol=1e-6)
        assert (ours[i, ~kept] < 1e-100).all()
    pmf = nbinom.logpmf(counts, mu / (phi - 1), 1 / phi)
    np.testing.assert_allclose(own, pmf + gammaln(counts + 1), rtol=1e-7, atol=1e-7)


def test_log_mix_does_not_underflow() -> None:
    value = log_mix(np.log([[0.5, 0.5]]), np.array([[-5000.0, -5000.0]]))
    np.testing.assert_allclose(value, [-5000.0])


def test_effective_dispersion_adds_novelty_and_drift() -> None:
    some = looked(np.array([10.0]), np.array([0.5]), np.array([0.01]))
    phi = dispersion.effective_dispersion(some, POLICY)
    extra = 10 * (0.01 + POLICY.drift**2)
    np.testing.assert_allclose(phi[:, 0], np.array(POLICY.phi_grid) * 1.5 + extra)


def test_weights_find_the_true_dispersion() -> None:
    rng = np.random.default_rng(2)
    grid = np.array(POLICY.phi_grid)
    log_weight, mean = np.zeros((len(grid), 1)), np.array([2.0])
    for _ in range(3000):
        count = rng.negative_binomial(2.0, 1 / 2.0, 1).astype(np.float64)
        value = log_likelihood(count, mean, grid[None], np.log(grid[None])).T
        log_weight = dispersion.learn_dispersion(log_weight, value, POLICY)
    assert dispersion.mixture_weights(log_weight)[POLICY.phi_grid.index(2.0), 0] > 0.9
