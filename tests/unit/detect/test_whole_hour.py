"""What critical asks of the last hour as a whole: cases by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from pipelines.core.detect.policy import SpikePolicy
from pipelines.core.detect.spike_state import SpikeState
from pipelines.core.detect.whole_hour import asked, of_window
from pipelines.core.detect.window import closed_window, enough, open_window

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
    assert cost([0.0] * 12) == cost([0.5] * 12)


def test_of_a_small_series_a_little_less_is_asked_down_to_a_size() -> None:
    nothing = [0.0] * 12
    large, one, half, least, tiny = (cost(nothing, usual) for usual in (40.0, 1.0, 0.5, 0.3, 0.01))
    assert large == one
    assert one - half == pytest.approx(POLICY.size_cost * math.log(2))
    assert one - least == pytest.approx(POLICY.size_cost * math.log(1 / 0.3))
    assert tiny == pytest.approx(least)
    assert cost(nothing, 0.0) == pytest.approx(least)


def test_of_an_open_bin_more_is_asked_than_of_the_same_bin_closed() -> None:
    one, zero = np.arange(1), np.zeros(1)
    state = SpikeState.empty(1)
    state.ring_counts[:], state.ring_expected[:] = 5.0, 1.0
    closed = closed_window(state, one, POLICY)
    still_open = open_window(state, one, zero + 5.0, zero + 1.0, zero + 1.0, POLICY)
    assert still_open.observed == closed.observed
    assert still_open.beyond - closed.beyond == pytest.approx(POLICY.open_cost)


def test_a_tick_leaves_out_whose_hour_holds_too_few_complaints() -> None:
    # Oldest bin of each: 3, which leaves; the others hold so many together, the open one the last.
    held, now = np.array([0, 3, 4, 0, 0]), np.array([4.0, 1.0, 1.0, 5.0, np.nan])
    state = SpikeState.empty(len(held))
    state.ring_counts[:, 0] = 3.0
    state.ring_counts[:, 5] = held
    able = enough(state, np.arange(len(held)), now, POLICY)
    assert able.tolist() == [False, False, True, True, True]


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
