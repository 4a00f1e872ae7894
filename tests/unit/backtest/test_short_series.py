"""The detector of short series: its fit against scipy's, its detections against others'."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import optimize

from pipelines.backtest.policies import Season, short_policy
from pipelines.backtest.read import BinLength
from pipelines.core.detect.regression import Regression, RegressionPolicy
from pipelines.core.detect.short_series import scores
from tests.unit.backtest.worlds import Floats, ears, found, poisson_tail, robust_z, weekly

POLICY = short_policy(BinLength.WEEK, Season.WEEK_OF_YEAR)


def run(counts: Floats) -> Floats:
    return scores(counts, np.ones_like(counts), np.arange(counts.shape[1], dtype=float), POLICY)


@pytest.fixture(scope="module")
def world():  # type: ignore[no-untyped-def]
    made = weekly(20201204, 60)
    return made, run(made.counts)


@pytest.mark.parametrize("false_rate", [0.005, 0.01, 0.02])
def test_more_is_found_than_by_others_at_the_same_false_rate(world, false_rate: float) -> None:  # type: ignore[no-untyped-def]
    made, ours = world
    mine = found(ours, made, 260, false_rate)
    c = made.counts
    for peer in (ears(c, 0), ears(c, 2), poisson_tail(c, 52), robust_z(c, 52)):
        theirs = found(peer, made, 260, false_rate)
        assert mine[0] > theirs[0]
        assert mine[1] > theirs[1]


def test_no_bin_knows_of_a_later_one(world) -> None:  # type: ignore[no-untyped-def]
    made, ours = world
    changed = made.counts[:5].copy()
    changed[:, 300:] = 1e6
    assert np.allclose(run(changed)[:, :300], ours[:5, :300], rtol=0, atol=1e-6)


def test_the_fit_is_the_penalised_optimum_that_scipy_finds() -> None:
    policy = RegressionPolicy(half_life=80, period=52.18, residual=1e9, rounds=60, drift=0.0)
    rng = np.random.default_rng(3)
    bins = np.arange(200.0)
    mu = np.exp(1.0 + 0.5 * np.cos(2 * np.pi * bins / 52.18) + 0.002 * bins)
    counts = rng.poisson(mu).astype(float)[None]
    design, ahead = policy.design(bins), policy.design(np.array([200.0]))[0]
    one = np.ones_like(counts)
    got = Regression(1, policy).forecast(counts, one, design, one, ahead)
    shifted = design - np.array([0, ahead[1], 0, 0])
    weight = np.exp2(shifted[:, 1])
    centre = np.log(((weight * counts[0]).sum() + 0.5) / (weight.sum() + 1))

    def loss(beta: Floats) -> float:
        eta = shifted @ beta
        fit = (weight * (np.exp(eta) - counts[0] * eta)).sum() / got.phi[0]
        away = beta - np.array([centre, 0, 0, 0])
        return float(fit + 0.5 * (policy.ridge() * away**2).sum())

    best = optimize.minimize(loss, np.array([centre, 0, 0, 0]), method="BFGS", tol=1e-10).x
    row = ahead * np.array([1, 0, 1, 1])
    assert got.log_rate[0] == pytest.approx(row @ best, abs=2e-4)
    hessian = np.einsum("t,tp,tq->pq", weight * np.exp(shifted @ best), shifted, shifted)
    covariance = np.linalg.inv(hessian / got.phi[0] + np.diag(policy.ridge()))
    assert got.variance[0] == pytest.approx(row @ covariance @ row, rel=1e-3)


@pytest.mark.parametrize(
    "counts",
    [
        np.zeros(150),
        np.full(150, 7.0),
        np.where(np.arange(150) == 100, 2.0**31, 3.0),
        np.full(150, np.nan),
        np.where(np.arange(150) % 3 == 0, np.nan, 4.0),
    ],
    ids=["zeros", "constant", "one huge", "unknown", "gaps"],
)
def test_odd_series_give_finite_scores_and_no_storm(counts: Floats) -> None:
    got = run(counts[None])[0]
    assert np.isfinite(got).all()
    high = np.flatnonzero(got >= POLICY.raised)
    assert set(high.tolist()) <= set(range(100, 112))
