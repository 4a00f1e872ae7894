"""Orders lagged to delivery, and the priors that rest on them."""

from __future__ import annotations

import math

import numpy as np
import pytest

from pipelines.core.detect.exposure import (
    ExposurePolicy,
    ExposureState,
    close_exposure,
    flat_week,
    hour_of_week,
    open_exposure,
)
from pipelines.core.detect.policy import SpikePolicy
from pipelines.core.detect.prior import (
    HYPER_MEAN,
    HYPER_WEIGHT,
    GroupPrior,
    merchant_mean,
    prior_weight,
)

ALL = slice(None)
POLICY = ExposurePolicy(floor=1e-9)


def test_every_order_is_released_once() -> None:
    state = ExposureState.empty(1)
    orders = [1200.0, 0.0, 30.0] + [0.0] * 600
    total = sum(close_exposure(state, ALL, [o], POLICY)[0] for o in orders)
    assert total == pytest.approx(1230.0, rel=1e-6)


def test_half_of_it_within_the_half_life() -> None:
    state = ExposureState.empty(1)
    released = [close_exposure(state, ALL, [o], POLICY)[0] for o in [100.0] + [0.0] * 11]
    assert sum(released) == pytest.approx(50.0)


def test_open_bin_grows_into_the_closed_one() -> None:
    state = ExposureState.empty(2)
    close_exposure(state, ALL, [500.0, 10.0], POLICY)
    pool = state.pool.copy()
    parts = [open_exposure(state, ALL, [40.0, 0.0], f, POLICY, 1.3) for f in (0.25, 0.5, 1.0)]
    np.testing.assert_array_equal(state.pool, pool)
    np.testing.assert_allclose(parts[0] * 4, parts[2])
    np.testing.assert_allclose(parts[2], close_exposure(state, ALL, [40.0, 0.0], POLICY, 1.3))


def test_warm_series_start_in_the_steady_state() -> None:
    state = ExposureState.empty(2)
    state.reset(np.array([1]), warm=True)
    assert open_exposure(state, ALL, [5.0, 5.0], 0.5, POLICY)[1] == pytest.approx(5.0)
    flows = [close_exposure(state, ALL, [10.0, 10.0], POLICY) for _ in range(3)]
    np.testing.assert_allclose([f[1] for f in flows], 10.0)
    assert flows[0][0] == pytest.approx(10.0 * (1 - POLICY.decay))


def test_a_warm_series_waits_for_its_first_order() -> None:
    state = ExposureState.empty(1, warm=True)
    close_exposure(state, ALL, [0.0], POLICY)
    close_exposure(state, ALL, [math.nan], POLICY)
    assert close_exposure(state, ALL, [8.0], POLICY)[0] == pytest.approx(8.0)


def test_unknown_orders_are_unknown_exposure() -> None:
    state = ExposureState.empty(2)
    close_exposure(state, ALL, [100.0, 100.0], POLICY)
    assert np.isnan(close_exposure(state, ALL, [math.nan, 0.0], POLICY)).tolist() == [True, False]
    assert state.pool[0] == state.pool[1]


def test_hostile_orders_stay_within_bounds() -> None:
    state, policy = ExposureState.empty(3), ExposurePolicy()
    values = close_exposure(state, ALL, [-5.0, math.inf, 0.0], policy)
    assert values[0] == values[2] == policy.floor
    assert values[1] <= policy.ceiling


def test_exposure_checkpoint_and_growth() -> None:
    state = ExposureState.empty(2)
    close_exposure(state, ALL, [10.0, 20.0], POLICY)
    restored = ExposureState.from_arrays(state.to_arrays())
    restored.grow(3, warm=True)
    np.testing.assert_array_equal(restored.pool, [*state.pool, 0.0])
    assert restored.fresh.tolist() == [False, False, True]
    with pytest.raises(ValueError, match="version"):
        ExposureState.from_arrays(state.to_arrays() | {"version": np.array(0)})
    with pytest.raises(ValueError, match="positive"):
        ExposurePolicy(half_life_bins=0.0)


def test_hour_of_week_is_shanghais() -> None:
    assert hour_of_week(1_606_665_600_000) == 0  # Monday 2020-11-30 00:00 +08:00
    assert hour_of_week(1_606_665_600_000 - 1) == 167
    assert hour_of_week(0) == 3 * 24 + 8  # Thursday 08:00
    assert flat_week().tolist() == [1.0] * 168


def test_group_prior_moves_from_domain_default_to_totals() -> None:
    prior = GroupPrior.empty(2)
    np.testing.assert_allclose(prior.mean(), HYPER_MEAN)
    prior.learn([40.0, math.nan], [HYPER_WEIGHT, 5.0])
    np.testing.assert_allclose(prior.mean(), [(20 + 40) / (2 * HYPER_WEIGHT), HYPER_MEAN])
    for _ in range(4000):
        prior.learn([30.0, 0.0], [10_000.0, 10_000.0])
    assert prior.mean()[0] == pytest.approx(3e-3, rel=0.01)
    prior.grow(3)
    assert prior.mean()[2] == HYPER_MEAN
    again = GroupPrior.from_arrays(prior.to_arrays())
    np.testing.assert_array_equal(again.mean(), prior.mean())
    with pytest.raises(ValueError, match="version"):
        GroupPrior.from_arrays(prior.to_arrays() | {"version": np.array(7)})


def test_prior_weight_is_24_bins_until_the_spread_forbids() -> None:
    weight = prior_weight([1e-3, 1e-3], [2.0, 5000.0], spread=0.7)
    assert weight[0] == 48.0
    assert weight[1] == pytest.approx(1.0 / (math.expm1(0.49) * 1e-3))
    assert SpikePolicy().default_weight_bins == 24.0


def test_merchant_mean_shrinks_to_its_group() -> None:
    sums, exposures = np.array([0.0, 50.0]), np.array([0.0, 10_000.0])
    means = merchant_mean(sums, exposures, np.array([1, 0, 1]), 1e-3, 10_000.0)
    np.testing.assert_allclose(means, [3e-3, 1e-3, 3e-3])
