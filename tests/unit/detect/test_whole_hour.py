"""What critical asks of the last hour as a whole: cases by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from pipelines.core.detect.policy import SpikePolicy
from pipelines.core.detect.spike_state import SpikeState
from pipelines.core.detect.whole_hour import asked, of_window

POLICY = SpikePolicy()
PHI = np.array([1.0])


def cost(counts: list[float], usual: float = 1.0, policy: SpikePolicy = POLICY) -> float:
    window = np.array([counts])
    return float(of_window(window, np.full(window.shape, usual), PHI, policy)[0])


def test_the_formula_by_hand() -> None:
    # Nine bins as usual, three of 5, the largest left out: o = 9 + 10, e = 12, three doubled.
    policy = replace(POLICY, hour_unsure=0.0)
    z = math.sqrt(19 * math.log(19 / 12) - 7)
    expected = policy.hour_cost * (policy.hour_usual - z) + policy.bin_cost * (
        policy.bins_usual - 3
    )
    assert cost([1.0] * 9 + [5.0] * 3, policy=policy) == pytest.approx(expected)


def test_of_one_wild_bin_more_is_asked_than_of_a_steady_rise() -> None:
    wild, steady = [1.0] * 11 + [49.0], [5.0] * 12
    assert sum(wild) == sum(steady)
    assert cost(wild) > cost(steady) + 15


def test_nothing_and_less_than_usual_cost_the_same() -> None:
    assert cost([0.0] * 12) == cost([0.5] * 12) == cost([0.0] * 12, 0.0)


@pytest.mark.parametrize("count", [1e6, 2.0**31])
def test_absurd_counts_stay_finite(count: float) -> None:
    assert math.isfinite(cost([count] * 12, 1e-9))


def test_of_a_rate_that_has_been_climbing_more_is_asked() -> None:
    state = SpikeState.empty(3)
    state.exposure_sum[:] = 100.0
    state.counts_sum[:] = 49.0
    state.counts_sum[1, -1] = 99.0
    state.counts_sum[2, -1] = 24.0
    window = np.full((3, 12), 5.0)
    level, climbing, falling = asked(state, np.arange(3), window, window / 5, POLICY)
    assert climbing - level == pytest.approx(POLICY.climb_cost * math.log(2))
    assert falling == level


def test_what_the_score_asks_of_the_restless_is_given_back() -> None:
    state = SpikeState.empty(2)
    state.log_drift[0, :-1] = -POLICY.drift_cap
    window = np.full((2, 12), 5.0)
    restless, other = asked(state, np.arange(2), window, window / 5, POLICY)
    assert other - restless == pytest.approx(POLICY.restless_cost, abs=1e-3)
