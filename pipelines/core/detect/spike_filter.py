"""Sequential two-regime negative-binomial filter over many complaint series (DESIGN section 4).

Per bin, with L_q the likelihood of the count under mean q * mu over that under rho * mu, both mixed
over the dispersion grid:

    A_q <- ((1 - delta) A_q + pi/Q * P) * L_q
    P   <- (1 - pi) P + delta * sum A          then normalise to 1;   score = ln(sum A / P)

``observe`` is for a closed bin and learns; ``peek`` gives the score that the open bin would have
if it closed now, and changes nothing. Both are O(1) per series and bin.

Input that is not a number is **unknown, never zero**: where counts are NaN or negative, or exposure
is NaN, the series is skipped for the bin (no learning, no growth or decay of its score). Exposure
is clipped to [exposure_floor, exposure_ceiling], counts to [0, count_ceiling] and cut to whole
numbers; a prior that is missing, NaN or not positive falls back to the policy's default.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import baseline
from .dispersion import effective_dispersion, learn_dispersion, mixture_weights
from .likelihood import log_likelihood, log_mix, powers_of_exp
from .policy import SpikePolicy
from .spike_state import Slots, SpikeState

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

_ZERO_SHORTCUT_MU = 20.0
"""Above this mean a zero goes the general way: exp(-10 mu) would underflow."""
_LOG_RATIO_BOUND = 500.0
_BLOCK = 4_096
_TINY = 1e-300
_PRIOR_MEAN_RANGE = (1e-12, 1e6)
_PRIOR_WEIGHT_RANGE = (1e-9, 1e15)


class _Inputs(NamedTuple):
    counts: Floats
    exposure: Floats
    prior_mean: Floats
    prior_weight: Floats


class _Step(NamedTuple):
    """Outcome of one bin for the series of one call, before anything is stored."""

    mu: Floats
    raised: Floats
    normal: Floats
    score: Floats
    log_value: Floats
    """[n, K]: log likelihood of the count under the baseline mean, for learning phi."""


def observe(
    state: SpikeState,
    slots: Slots,
    counts: ArrayLike,
    exposure: ArrayLike,
    prior_mean: ArrayLike,
    prior_weight: ArrayLike,
    policy: SpikePolicy,
    frozen: ArrayLike = False,
) -> Floats:
    """Take in one closed bin; returns the score [n] after it (the last one where unknown).

    ``slots`` names n distinct series. ``counts`` [n] complaints, ``exposure`` [n] orders,
    ``prior_mean`` complaints per order and ``prior_weight`` orders ([n] or scalar) of the series'
    group, ``frozen`` ([n] or scalar) whether the series is in an episode.
    Raises ``ValueError`` where a shape does not fit the number of slots.
    """
    size = _size(state, slots)
    known, inputs = _clean(size, counts, exposure, prior_mean, prior_weight, policy)
    held_back = np.broadcast_to(np.asarray(frozen, dtype=bool), size)
    if known.all():
        _observe_known(state, slots, inputs, held_back, policy)
    else:
        index = slot_numbers(state, slots)
        _write_gap(state, index[~known], policy)
        some = _Inputs(*(column[known] for column in inputs))
        if known.any():
            _observe_known(state, index[known], some, held_back[known], policy)
    scores: Floats = state.score[slots].copy()
    return scores


def peek(
    state: SpikeState,
    slots: Slots,
    counts: ArrayLike,
    exposure: ArrayLike,
    prior_mean: ArrayLike,
    prior_weight: ArrayLike,
    policy: SpikePolicy,
) -> Floats:
    """Score [n] as if the open bin closed now; changes nothing.

    ``exposure`` is that of the part of the bin that has passed. Else as ``observe``.
    """
    size = _size(state, slots)
    known, inputs = _clean(size, counts, exposure, prior_mean, prior_weight, policy)
    scores: Floats = state.score[slots].copy()
    if known.all():
        return _step(state, slots, inputs, policy).score
    if known.any():
        index = slot_numbers(state, slots)[known]
        some = _Inputs(*(column[known] for column in inputs))
        scores[known] = _step(state, index, some, policy).score
    return scores


def expected(
    state: SpikeState,
    slots: Slots,
    exposure: ArrayLike,
    prior_mean: ArrayLike,
    prior_weight: ArrayLike,
    policy: SpikePolicy,
) -> Floats:
    """mu [n]: complaints usual for ``exposure``; NaN where the exposure is unknown."""
    size = _size(state, slots)
    known, inputs = _clean(size, 0.0, exposure, prior_mean, prior_weight, policy)
    mean_rate = baseline.rate(
        state.counts_sum[slots], state.exposure_sum[slots], inputs.prior_mean, inputs.prior_weight
    )
    return np.where(known, baseline.expected_count(inputs.exposure, mean_rate), np.nan)


def slot_numbers(state: SpikeState, slots: Slots) -> NDArray[np.int64]:
    """``slots`` as an array of slot numbers."""
    if isinstance(slots, slice):
        return np.arange(*slots.indices(state.capacity))
    return np.asarray(slots, dtype=np.int64)


def _size(state: SpikeState, slots: Slots) -> int:
    if isinstance(slots, slice):
        return len(range(*slots.indices(state.capacity)))
    return int(np.asarray(slots).size)


def _clean(
    size: int,
    counts: ArrayLike,
    exposure: ArrayLike,
    prior_mean: ArrayLike,
    prior_weight: ArrayLike,
    policy: SpikePolicy,
) -> tuple[Bools, _Inputs]:
    c, e, m0, w0 = (
        np.broadcast_to(np.asarray(column, dtype=np.float64), size)
        for column in (counts, exposure, prior_mean, prior_weight)
    )
    known: Bools = (c >= 0) & ~np.isnan(e)
    e = np.clip(np.where(np.isnan(e), 0.0, e), policy.exposure_floor, policy.exposure_ceiling)
    c = np.floor(np.minimum(np.where(known, c, 0.0), policy.count_ceiling))
    m0 = np.where(m0 > 0, m0, policy.default_mean)
    w0 = np.where(w0 > 0, w0, policy.default_weight_bins * e)
    return known, _Inputs(c, e, np.clip(m0, *_PRIOR_MEAN_RANGE), np.clip(w0, *_PRIOR_WEIGHT_RANGE))


def _step(state: SpikeState, slots: Slots, inputs: _Inputs, policy: SpikePolicy) -> _Step:
    """``_step_block`` over blocks whose temporaries fit the processor's cache."""
    size = inputs.counts.size
    if size <= _BLOCK:
        return _step_block(state, slots, inputs, policy)
    index = slot_numbers(state, slots)
    parts = []
    for low in range(0, size, _BLOCK):
        some = slice(low, low + _BLOCK)
        part = _Inputs(*(column[some] for column in inputs))
        parts.append(_step_block(state, index[some], part, policy))
    return _Step(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def _step_block(state: SpikeState, slots: Slots, inputs: _Inputs, policy: SpikePolicy) -> _Step:
    exposure_sum = state.exposure_sum[slots]
    mean_rate = baseline.rate(
        state.counts_sum[slots], exposure_sum, inputs.prior_mean, inputs.prior_weight
    )
    mu = baseline.expected_count(inputs.exposure, mean_rate)
    novelty = inputs.exposure / (inputs.prior_weight + exposure_sum)
    phi = effective_dispersion(mu, novelty, policy)
    weight = mixture_weights(state.log_weight[slots])
    ratios, log_value = _likelihoods(inputs.counts, mu, phi, weight, policy)

    raised, normal = state.raised[slots], state.normal[slots]
    enter = policy.pi / len(policy.regimes)
    stay = ((1.0 - policy.delta) * raised + enter * normal[:, None]) * ratios
    rest = (1.0 - policy.pi) * normal + policy.delta * raised.sum(axis=1)
    alarm = np.maximum(stay.sum(axis=1), _TINY)
    total = alarm + rest
    normal = np.maximum(rest / total, _TINY)
    return _Step(mu, stay / total[:, None], normal, np.log(alarm / rest), log_value)


def _likelihoods(
    counts: Floats, mu: Floats, phi: Floats, weight: Floats, policy: SpikePolicy
) -> tuple[Floats, Floats]:
    """L_q [n, Q] and the log likelihood under the baseline itself [n, K]."""
    log_phi = np.log(phi)
    log_zero = log_phi / (phi - 1.0)
    log_zero *= -mu[:, None]
    ratios = np.empty((mu.size, len(policy.regimes)))
    general = (counts > 0) | (mu > _ZERO_SHORTCUT_MU)
    hard = np.flatnonzero(general)
    if hard.size < mu.size:
        easy: Slots = slice(None) if hard.size == 0 else np.flatnonzero(~general)
        ratios[easy] = _zero_ratios(log_zero[easy], weight[easy], policy)
    if hard.size:
        ratios[hard], log_zero[hard] = _general_ratios(
            counts[hard], mu[hard], phi[hard], log_phi[hard], weight[hard], policy
        )
    return ratios, log_zero


def _zero_ratios(log_zero: Floats, weight: Floats, policy: SpikePolicy) -> Floats:
    """L_q of a zero count: the log likelihood is linear in the mean, so no gamma function."""
    ratios = np.empty((log_zero.shape[0], len(policy.regimes)))
    base = np.einsum("nk,nk->n", weight, np.exp(policy.rho * log_zero))
    for i, zero in enumerate(powers_of_exp(log_zero, policy.regimes)):
        ratios[:, i] = np.einsum("nk,nk->n", weight, zero) / base
    return ratios


def _general_ratios(
    counts: Floats, mu: Floats, phi: Floats, log_phi: Floats, weight: Floats, policy: SpikePolicy
) -> tuple[Floats, Floats]:
    log_weight = np.log(np.maximum(weight, _TINY))
    base = log_mix(log_weight, log_likelihood(counts, policy.rho * mu, phi, log_phi))
    ratios = np.empty((mu.size, len(policy.regimes)))
    for i, q in enumerate(policy.regimes):
        ratio = log_mix(log_weight, log_likelihood(counts, q * mu, phi, log_phi)) - base
        ratios[:, i] = np.exp(_bounded(ratio, policy))
    return ratios, log_likelihood(counts, mu, phi, log_phi)


def _bounded(log_ratio: Floats, policy: SpikePolicy) -> Floats:
    """Evidence of one bin: full up to ``evidence_cap``, a share of it beyond."""
    beyond = np.maximum(log_ratio - policy.evidence_cap, 0.0)
    counted = log_ratio - (1.0 - policy.evidence_slope) * beyond
    return np.clip(counted, -_LOG_RATIO_BOUND, _LOG_RATIO_BOUND)


def _observe_known(
    state: SpikeState, slots: Slots, inputs: _Inputs, frozen: Bools, policy: SpikePolicy
) -> None:
    step = _step(state, slots, inputs, policy)
    calm = step.normal >= 0.5
    old = state.log_weight[slots]
    learned = learn_dispersion(old, step.log_value, policy)
    state.log_weight[slots] = learned if calm.all() else np.where(calm[:, None], learned, old)

    learning = baseline.learning_weight(
        step.normal, frozen, state.age[slots], state.held[slots], policy
    )
    decay = policy.baseline_decay
    credible = baseline.credible(inputs.counts, step.mu, policy)
    learned_counts = baseline.decay_and_add(
        state.counts_sum[slots], credible, learning.weight, decay
    )
    state.counts_sum[slots] = learned_counts + learning.excess * _leaving_excess(
        state, slots, policy
    )
    state.exposure_sum[slots] = baseline.decay_and_add(
        state.exposure_sum[slots], inputs.exposure, learning.weight, decay
    )
    state.held[slots] = learning.held
    state.raised[slots], state.normal[slots] = step.raised, step.normal
    state.score[slots] = step.score
    floor = state.floor[slots]
    pull = 1.0 - 0.5 ** (1.0 / policy.floor_half_life)
    state.floor[slots] = np.where(calm & ~frozen, floor + pull * (step.score - floor), floor)
    state.age[slots] = np.minimum(state.age[slots], np.iinfo(np.int32).max - 1) + 1
    _write_ring(state, slots, (inputs.counts, step.mu, inputs.exposure), policy)


def _leaving_excess(state: SpikeState, slots: Slots, policy: SpikePolicy) -> Floats:
    """What the oldest bin of the ring held above the credible; 0 where it is unknown. [n].

    Bounded: one absurd count must not make the series blind for days.
    """
    index, cursor = slot_numbers(state, slots), state.cursor[slots]
    counts = state.ring_counts[index, cursor].astype(np.float64)
    mu = state.ring_expected[index, cursor].astype(np.float64)
    excess = counts - baseline.credible(counts, mu, policy)
    bounded: Floats = np.minimum(excess, policy.learn_excess * (mu + 1.0))
    return bounded


def _write_gap(state: SpikeState, index: NDArray[np.int64], policy: SpikePolicy) -> None:
    _write_ring(state, index, (0.0, 0.0, 0.0), policy)


def _write_ring(
    state: SpikeState, slots: Slots, values: tuple[Any, Any, Any], policy: SpikePolicy
) -> None:
    index, cursor = slot_numbers(state, slots), state.cursor[slots]
    rings = (state.ring_counts, state.ring_expected, state.ring_exposure)
    for ring, value in zip(rings, values, strict=True):
        ring[index, cursor] = value
    state.cursor[slots] = (cursor + 1) % policy.window_bins
