"""Likelihoods against scipy's negative binomial."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import gammaln
from scipy.stats import nbinom

from pipelines.core.detect import dispersion, spike_filter
from pipelines.core.detect.likelihood import (
    log_likelihood,
    log_mix,
    log_rising,
    powers_of_exp,
    zero_rate,
)
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


def test_zero_rate_is_the_log_probability_of_zero() -> None:
    phi = np.array([1.15, 2.0, 9.0])
    np.testing.assert_allclose(-0.4 * zero_rate(phi), nbinom.logpmf(0, 0.4 / (phi - 1), 1 / phi))


def test_mixture_of_regimes_against_scipy() -> None:
    """L_q for several counts, means and weights, the dispersion mixed in linear space."""
    rng = np.random.default_rng(5)
    counts = rng.integers(0, 12, 200).astype(np.float64)
    mu, weight = rng.uniform(0.01, 6, 200), rng.dirichlet(np.ones(5), 200)
    phi = dispersion.effective_dispersion(mu, rng.uniform(0, 0.5, 200), POLICY)
    ours, own = spike_filter._likelihoods(counts, mu, phi, weight, POLICY)

    def mixed(q: float) -> np.ndarray:
        pmf = nbinom.pmf(counts[:, None], q * mu[:, None] / (phi - 1), 1 / phi)
        return (weight * pmf).sum(axis=1)

    for i, q in enumerate(POLICY.regimes):
        theirs = np.log(mixed(q) / mixed(POLICY.rho))
        beyond = np.maximum(theirs - POLICY.evidence_cap, 0)
        theirs -= (1 - POLICY.evidence_slope) * beyond
        np.testing.assert_allclose(ours[:, i], np.exp(theirs), rtol=1e-8)
    pmf = nbinom.logpmf(counts[:, None], mu[:, None] / (phi - 1), 1 / phi)
    np.testing.assert_allclose(own, pmf + gammaln(counts + 1)[:, None], atol=1e-9)


def test_zero_shortcut_is_the_general_formula() -> None:
    mu = np.geomspace(1e-9, 19.9, 300)
    weight = np.random.default_rng(1).dirichlet(np.ones(5), 300)
    phi = dispersion.effective_dispersion(mu, np.full(300, 0.04), POLICY)
    log_phi = np.log(phi)
    short = spike_filter._zero_ratios(-mu[:, None] * zero_rate(phi), weight, POLICY)
    general, _ = spike_filter._general_ratios(np.zeros(300), mu, phi, log_phi, weight, POLICY)
    np.testing.assert_allclose(short, general, rtol=1e-8, atol=1e-200)


def test_a_zero_with_a_huge_mean_goes_the_general_way() -> None:
    phi = np.full((1, 5), 1.2)
    ratios, _ = spike_filter._likelihoods(
        np.zeros(1), np.array([1e6]), phi, np.full((1, 5), 0.2), POLICY
    )
    assert np.isfinite(ratios).all()
    assert (ratios < 1e-100).all()


def test_log_mix_does_not_underflow() -> None:
    value = log_mix(np.log([[0.5, 0.5]]), np.array([[-5000.0, -5000.0]]))
    np.testing.assert_allclose(value, [-5000.0])


def test_effective_dispersion_adds_novelty_and_drift() -> None:
    phi = dispersion.effective_dispersion(np.array([10.0]), np.array([0.5]), POLICY)
    np.testing.assert_allclose(phi[0], np.array(POLICY.phi_grid) * 1.5 + 10 * 0.01)


def test_weights_find_the_true_dispersion() -> None:
    rng = np.random.default_rng(2)
    log_weight, mean, phi = np.zeros((1, 5)), np.array([2.0]), np.array([POLICY.phi_grid])
    for _ in range(3000):
        count = rng.negative_binomial(2.0 / 1.3, 1 / 2.3, 1).astype(np.float64)
        value = log_likelihood(count, mean, phi, np.log(phi))
        log_weight = dispersion.learn_dispersion(log_weight, value, POLICY)
    assert dispersion.mixture_weights(log_weight)[0, 3] > 0.9


def test_powers_by_squaring_are_exponentials() -> None:
    value = -np.geomspace(1e-6, 6.0, 50)
    exponents = (1.0, 2.0, 2.5, 3.0, 5.0, 10.0, 30.0, 100.0)
    for q, power in zip(exponents, powers_of_exp(value, exponents), strict=True):
        np.testing.assert_allclose(power, np.exp(q * value), rtol=1e-12)
