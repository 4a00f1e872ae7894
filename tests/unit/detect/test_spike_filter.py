"""The filter against a slow scalar reference, and the promises that it makes."""

from __future__ import annotations

import math
from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from pipelines.core.detect import baseline, expected, observe, peek, spike_filter
from pipelines.core.detect.policy import SpikePolicy
from pipelines.core.detect.spike_state import SpikeState

from .reference import Reference

POLICY = SpikePolicy()
ALL = slice(None)
Floats = NDArray[np.float64]


def states_equal(a: SpikeState, b: SpikeState) -> bool:
    return all(np.array_equal(getattr(a, f.name), getattr(b, f.name)) for f in fields(a))


def feed(state: SpikeState, bins: Floats, exposure: float = 1.0, m0: float = 0.5) -> Floats:
    """``bins`` [t, n]; returns the scores [t, n]."""
    return np.array([observe(state, ALL, c, exposure, m0, 24.0, POLICY) for c in bins])


def history(series: int, bins: int, mean: float, seed: int = 3) -> Floats:
    rng = np.random.default_rng(seed)
    return rng.negative_binomial(mean / 0.6, 1 / 1.6, (bins, series)).astype(np.float64)


@pytest.mark.parametrize(
    ("mean", "m0", "exposure"), [(0.2, 0.3, 1.0), (3.0, 0.002, 1500.0), (40.0, 10.0, 1.0)]
)
def test_recursion_against_the_scalar_reference(mean: float, m0: float, exposure: float) -> None:
    """700 bins with a rise of x4 for two hours, an episode in it, and changing exposure."""
    policy = replace(POLICY, young_bins=300, freeze_bins=30)
    rng = np.random.default_rng(11)
    reference, state = Reference(young=300, freeze=30), SpikeState.empty(1, policy)
    for t in range(700):
        factor = 4.0 if 500 <= t < 560 else 1.0
        count = int(rng.negative_binomial(factor * mean / 0.8, 1 / 1.8))
        e, frozen = exposure * rng.uniform(0.5, 2.0), 510 <= t < 550
        ours = observe(state, ALL, [count], e, m0, 24 * exposure, policy, frozen)
        theirs = reference.observe(count, e, m0, 24 * exposure, frozen)
        assert ours[0] == pytest.approx(theirs, abs=1e-6), t
    assert state.counts_sum[0] == pytest.approx([b.s for b in reference.base], rel=1e-8)
    assert state.exposure_sum[0] == pytest.approx([b.n for b in reference.base], rel=1e-8)
    assert state.prior_left[0] == pytest.approx([b.left for b in reference.base], rel=1e-8)
    assert state.log_drift[0] == pytest.approx([b.told for b in reference.base], abs=1e-6)
    assert state.normal[0] == pytest.approx(reference.normal, rel=1e-6)
    np.testing.assert_allclose(state.raised[0], reference.raised, rtol=1e-6, atol=1e-150)
    relative = np.array(reference.weights) - max(reference.weights)
    np.testing.assert_allclose(state.log_weight[0], relative, atol=1e-6)


def test_shrinkage_moves_from_prior_to_history() -> None:
    state = SpikeState.empty(1)
    before = expected(state, ALL, 2.0, 0.5, 24.0, POLICY)[0]
    assert before == pytest.approx(1.0)
    feed(state, np.full((24, 1), 3.0))
    halfway = expected(state, ALL, 2.0, 0.5, 24.0, POLICY)[0]
    assert halfway == pytest.approx(2 * (0.5 + 3) / 2, rel=0.1)
    feed(state, np.full((2000, 1), 3.0))
    after = expected(state, ALL, 2.0, 0.5, 24.0, POLICY)[0]
    assert after == pytest.approx(6.0, rel=0.08)


def test_delta_forgets() -> None:
    """Once the counts are usual again the odds cannot stay above (1 - delta) / delta."""
    state = SpikeState.empty(1)
    feed(state, np.ones((600, 1)), m0=1.0)
    high = feed(state, np.full((4, 1), 12.0), m0=1.0)[-1, 0]
    low = feed(state, np.ones((3, 1)), m0=1.0)[-1, 0]
    assert high > 5
    assert low < 0
    sticky = replace(POLICY, delta=1e-9)
    kept = SpikeState.from_arrays(state.to_arrays())
    kept.raised[:], kept.normal[:] = (1 - 1e-12) / 4, 1e-12
    scores = [observe(kept, ALL, [1.0], 1.0, 1.0, 24.0, sticky)[0] for _ in range(3)]
    assert min(scores) > 5


def learned(mask: list[bool], age: int) -> tuple[list[float], list[float]]:
    """Weights of the credible part and of the excess, bin by bin, at P(normal) = 0.9."""
    held, weights, excess = np.zeros(1, np.int32), [], []
    for i, frozen in enumerate(mask):
        ages = np.array([age + i], np.int32)
        learning = baseline.learning_weight(np.array([0.9]), np.array([frozen]), ages, held, POLICY)
        held = learning.held
        weights.append(float(learning.weight[0]))
        excess.append(float(learning.excess[0]))
    return weights, excess


def test_freeze_is_bounded_at_six_hours() -> None:
    # frozen  ########################... 100 bins
    # learns  0 0 0 ... 0 (72 bins) 1 1 1 ...
    weights, excess = learned([True] * 100, age=POLICY.young_bins)
    assert weights == excess == [0.0] * 72 + [1.0] * 28


def test_flicker_cannot_renew_the_freeze() -> None:
    # frozen  (72 x #) . # . # .     after the allowance is used, each calm bin earns one back
    weights, _ = learned([True] * 73 + [False, True] * 3, age=POLICY.young_bins)
    assert weights[73:] == [0.9, 1.0] * 3


def test_a_young_series_always_learns_the_credible_part_and_the_excess_after_six_hours() -> None:
    # frozen    ####...########
    # credible  1 1 1 ... 1 1 1
    # excess    0 0 0 ... 0 (72 bins) 1 1
    weights, excess = learned([True] * 80, age=0)
    assert weights == [1.0] * 80
    assert excess == [0.0] * 72 + [1.0] * 8
    weights, _ = learned([True] * 10, age=POLICY.young_bins - 5)
    assert weights == [1.0] * 5 + [0.0] * 5


def test_a_wild_bin_is_learned_an_hour_later() -> None:
    # counts   1 1 ... 1 60 1 1 ... 1 1
    # S        |  credible  |  12 bins | + the excess
    state, calm = SpikeState.empty(1), SpikeState.empty(1)
    for one in (state, calm):
        feed(one, np.ones((100, 1)), m0=1.0)
    feed(state, np.array([[60.0]]), m0=1.0)
    feed(calm, np.array([[1.0]]), m0=1.0)
    at_once = (state.counts_sum - calm.counts_sum)[0]
    assert (at_once > 1.5).all()
    assert (at_once < 6.0).all()
    for one in (state, calm):
        feed(one, np.ones((11, 1)), m0=1.0)
    assert ((state.counts_sum - calm.counts_sum)[0] < 6.0).all()
    for one in (state, calm):
        feed(one, np.ones((1, 1)), m0=1.0)
    learned = (state.counts_sum - calm.counts_sum)[0]
    np.testing.assert_allclose(learned, 59.0, rtol=0.1)


def test_what_was_unknown_is_not_learned_when_it_leaves() -> None:
    state = SpikeState.empty(1)
    feed(state, np.array([[math.nan], *[[0.0]] * 12]))
    assert (state.counts_sum[0] == 0.0).all()


def test_a_rise_within_the_hour_does_not_become_its_own_baseline() -> None:
    """75 orders a bin, 10 complaints per 10,000, two hours known with 2 complaints."""
    state = SpikeState.empty(1)
    for count in [0.0] * 8 + [1.0] + [0.0] * 9 + [1.0] + [0.0] * 5:
        observe(state, ALL, [count], 75.0, 1e-3, 700.0, POLICY)
    usual = expected(state, ALL, 75.0, 1e-3, 700.0, POLICY)[0]
    rise = [6.0, 3.0, 5.0, 0.0, 3.0, 4.0]
    scores = [observe(state, ALL, [c], 75.0, 1e-3, 700.0, POLICY)[0] for c in rise]
    assert max(scores) > POLICY.raised
    assert expected(state, ALL, 75.0, 1e-3, 700.0, POLICY)[0] < 6 * usual


def test_a_frozen_baseline_stands_still() -> None:
    state = SpikeState.empty(1)
    feed(state, history(1, 600, 1.0))
    before = state.to_arrays()
    observe(state, ALL, [9.0], 1.0, 0.5, 24.0, POLICY, frozen=True)
    for name in ("counts_sum", "exposure_sum", "prior_left"):
        np.testing.assert_array_equal(getattr(state, name), before[name])


def test_a_lasting_rise_becomes_the_baseline() -> None:
    state = SpikeState.empty(1)
    feed(state, history(1, 700, 2.0), m0=2.0)
    scores = feed(state, history(1, 3 * 288, 10.0, seed=4), m0=2.0)[:, 0]
    assert scores[:12].max() > 2
    assert np.median(scores[-72:]) < -5


def test_peek_is_observe_without_the_memory() -> None:
    state = SpikeState.empty(40)
    feed(state, history(40, 300, 0.8))
    counts = np.arange(40.0) % 9
    copy = SpikeState.from_arrays(state.to_arrays())
    seen = peek(state, ALL, counts, 1.0, 0.5, 24.0, POLICY)
    assert states_equal(state, copy)
    np.testing.assert_array_equal(seen, observe(state, ALL, counts, 1.0, 0.5, 24.0, POLICY))


def test_peek_of_some_slots() -> None:
    state = SpikeState.empty(10)
    feed(state, history(10, 50, 0.8))
    some = np.array([7, 2])
    full = peek(state, ALL, np.arange(10.0), 1.0, 0.5, 24.0, POLICY)
    part = peek(state, some, np.array([7.0, 2.0]), 1.0, 0.5, 24.0, POLICY)
    np.testing.assert_allclose(part, full[some], rtol=1e-12)


def test_many_series_are_cut_into_blocks_that_do_not_show() -> None:
    size = 2 * spike_filter._BLOCK + 100
    whole, part = SpikeState.empty(size), SpikeState.empty(100)
    bins = history(size, 3, 1.5)
    np.testing.assert_allclose(feed(whole, bins)[:, -100:], feed(part, bins[:, -100:]), rtol=1e-12)


def test_a_gap_is_not_a_zero() -> None:
    """Unknown bins leave score and baseline alone, a run of true zeros does not."""
    state = SpikeState.empty(3)
    feed(state, np.full((600, 3), 2.0), m0=2.0)
    feed(state, np.full((2, 3), 15.0), m0=2.0)
    before = state.to_arrays()
    nan = math.nan
    for _ in range(5):
        scores = observe(state, ALL, [nan, 4.0, 0.0], [1.0, nan, 1.0], 2.0, 24.0, POLICY)
    for name in ("score", "counts_sum", "exposure_sum", "log_weight", "normal", "floor", "age"):
        np.testing.assert_array_equal(getattr(state, name)[:2], before[name][:2], err_msg=name)
    assert scores[0] == before["score"][0]
    assert scores[2] < before["score"][2] - 2
    assert (state.ring_expected[:2] == 0).sum() == 10
    assert (state.ring_expected[2] > 0).all()


def test_peek_of_a_gap_is_the_last_score() -> None:
    state = SpikeState.empty(2)
    feed(state, np.full((30, 2), 1.0))
    scores = peek(state, ALL, [math.nan, 3.0], 1.0, 0.5, 24.0, POLICY)
    assert scores[0] == state.score[0]
    assert scores[1] != state.score[1]


def test_checkpoint_gives_the_identical_future() -> None:
    state = SpikeState.empty(25)
    feed(state, history(25, 200, 0.7))
    restored = SpikeState.from_arrays(state.to_arrays())
    future = history(25, 100, 1.4, seed=8)
    np.testing.assert_array_equal(feed(state, future), feed(restored, future))
    assert states_equal(state, restored)


@pytest.mark.parametrize("damage", ["version", "missing", "shape"])
def test_restore_refuses_what_does_not_fit(damage: str) -> None:
    arrays = SpikeState.empty(4).to_arrays()
    if damage == "version":
        arrays["version"] = np.array(99)
    elif damage == "missing":
        del arrays["floor"]
    else:
        arrays["raised"] = arrays["raised"][:, :2]
    with pytest.raises(ValueError, match="spike state"):
        SpikeState.from_arrays(arrays)


def test_grow_and_reset() -> None:
    state, long = SpikeState.empty(3), SpikeState.empty(5)
    bins = history(3, 60, 0.9)
    feed(state, bins)
    old = state.to_arrays()
    state.grow(5)
    state.grow(2)
    assert state.capacity == 5
    np.testing.assert_array_equal(state.score[:3], old["score"])
    state.reset(np.array([0, 1, 2]))
    assert states_equal(state, long)
    assert SpikeState.empty(1000).nbytes <= 600 * 1000


@settings(max_examples=10, deadline=None)
@given(st.permutations(range(12)))
def test_order_of_series_does_not_matter(order: list[int]) -> None:
    bins = history(12, 40, 1.1, seed=6)
    straight, shuffled = SpikeState.empty(12), SpikeState.empty(12)
    np.testing.assert_allclose(
        feed(straight, bins)[:, order], feed(shuffled, bins[:, order]), rtol=1e-12
    )


HOSTILE = st.one_of(
    st.sampled_from(
        [0.0, -1.0, 1.0, math.nan, math.inf, -math.inf, 2.0**31, 1e308, 1e-308, 5e-324]
    ),
    st.floats(),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(HOSTILE, HOSTILE, HOSTILE, HOSTILE, st.booleans()), max_size=8))
def test_nothing_hostile_lets_a_nan_out(
    rows: list[tuple[float, float, float, float, bool]],
) -> None:
    state = SpikeState.empty(2)
    with np.errstate(all="raise", under="ignore"):
        for count, exposure, m0, w0, frozen in rows:
            counts, e = np.array([count, 1.0]), np.array([exposure, 1.0])
            assert np.isfinite(peek(state, ALL, counts, e, m0, w0, POLICY)).all()
            assert np.isfinite(observe(state, ALL, counts, e, m0, w0, POLICY, frozen)).all()
    for f in fields(state):
        assert np.isfinite(getattr(state, f.name)).all(), f.name
    assert state.normal[1] + state.raised[1].sum() == pytest.approx(1.0)


def test_shapes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="broadcast"):
        observe(SpikeState.empty(3), ALL, [1.0, 2.0], 1.0, 0.5, 24.0, POLICY)


def test_zeros_and_constants_stay_calm() -> None:
    state = SpikeState.empty(3)
    scores = feed(state, np.tile([0.0, 1.0, 50.0], (900, 1)), m0=1.0)
    assert (scores[600:] < POLICY.watch).all()


def test_a_single_wild_bin_is_at_most_a_watch_unless_it_is_absurd() -> None:
    state = SpikeState.empty(1)
    feed(state, history(1, 700, 1.0), m0=1.0)
    bins = [[20.0]], [[60.0]], [[100_000.0]]
    wild, wilder, absurd = (peek(state, ALL, one[0], 1.0, 1.0, 24.0, POLICY)[0] for one in bins)
    assert wild < wilder < POLICY.raised < absurd


def test_a_rate_that_walks_is_followed_and_its_drift_learned() -> None:
    """Two kinds of series, steady and walking x2 a day: their odds of drift part."""
    rng = np.random.default_rng(12)
    state, size = SpikeState.empty(400), 400
    walking = np.arange(size) < size // 2
    log_mean = np.full(size, np.log(6.0))
    errors = []
    for t in range(4 * 288):
        log_mean += walking * 0.45 / np.sqrt(288) * rng.standard_normal(size)
        counts = rng.poisson(np.exp(log_mean)).astype(np.float64)
        if t >= 2 * 288:
            usual = expected(state, ALL, 1.0, 6.0, 1.0, POLICY)
            errors.append(np.log(usual) - log_mean)
        observe(state, ALL, counts, 1.0, 6.0, 1.0, POLICY)
    spread = np.array(errors).std(axis=0)
    # A day's decayed mean, whatever its half-life, is off by 0.3 and more where rates walk so.
    assert spread[walking].mean() < 0.2
    assert spread[~walking].mean() < 0.06
    restless = state.log_drift[:, -1] - state.log_drift[:, 0]
    assert (restless[walking] > restless[~walking].mean()).mean() > 0.95


def test_of_a_restless_series_more_is_asked() -> None:
    """The same state under both policies: the fastest drift costs, what is not known does not."""
    state, free = SpikeState.empty(3), replace(POLICY, restless_cost=0.0)
    state.log_drift[1] = [-20.0, -20.0, 0.0]
    state.log_drift[2] = [0.0, 0.0, -20.0]
    asked, odds = (peek(state, ALL, [3.0] * 3, 1.0, 0.5, 24.0, p) for p in (POLICY, free))
    np.testing.assert_allclose(odds - asked, [0.0, POLICY.restless_cost, 0.0], atol=1e-6)


def test_the_prior_fades_as_a_history_grows() -> None:
    state = SpikeState.empty(1)
    feed(state, np.full((3000, 1), 20.0), m0=0.5)
    assert expected(state, ALL, 1.0, 0.5, 24.0, POLICY)[0] == pytest.approx(20.0, rel=1e-3)


def test_a_state_of_version_1_goes_on() -> None:
    """What the version before wrote: one baseline, five dispersions, six regimes."""
    size, rng = 5, np.random.default_rng(3)
    fresh = SpikeState.empty(size).to_arrays()
    old = fresh | {
        "version": np.array(1),
        "counts_sum": np.full(size, 830.0),
        "exposure_sum": np.full(size, 415.0),
        "log_weight": np.tile([-9.0, -3.0, 0.0, -2.0, -8.0], (size, 1)),
        "raised": np.full((size, 6), 1e-4),
        "age": np.full(size, 2_000, np.int32),
    }
    del old["prior_left"], old["log_drift"]
    state = SpikeState.from_arrays(old)
    assert expected(state, ALL, 1.0, 0.7, 2.0, POLICY)[0] == pytest.approx(2.0, rel=0.01)
    assert state.log_weight[0].argmax() == 2
    calm = feed(state, rng.poisson(2.0, (200, size)).astype(np.float64), m0=0.7)
    assert (calm < POLICY.raised).all()


@pytest.mark.parametrize(
    "change",
    [
        {"pi": 0.0},
        {"delta": 1.0},
        {"rho": 0.5},
        {"rho": 2.5},
        {"evidence_slope": 2.0},
        {"learn_extra": -1.0},
        {"phi_grid": (1.0, 2.0)},
        {"regimes": ()},
        {"watch": 50.0},
        {"drift": math.nan},
        {"drifts": (0.1,)},
        {"drift_weights": (0.5, 0.5, 0.0)},
        {"gain_min": 0.5},
        {"restless_cost": -1.0},
        {"hour_cost": -1.0},
        {"hour_unsure": -1.0},
        {"size_cost": -1.0},
        {"open_cost": -1.0},
        {"size_least": 2.0},
        {"baseline_half_life": 0.0},
        {"window_bins": 0},
        {"exposure_floor": 0.0},
    ],
)
def test_policy_refuses_nonsense(change: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="SpikePolicy"):
        SpikePolicy(**change)
