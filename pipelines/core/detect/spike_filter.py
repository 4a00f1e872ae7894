"""Sequential two-regime negative-binomial filter over many complaint series (DESIGN section 4).

Per bin, with L_q the likelihood of the count under mean q * mu over that under rho * mu, both mixed
over the dispersion grid:

    A_q <- ((1 - delta) A_q + pi/Q * P) * L_q
    P   <- (1 - pi) P + delta * sum A          then normalise to 1
    score = ln(sum A / P) - restless_cost * R

R in [0, 1] is what the series' own drift grid says of how it walks (``baseline.Outlook``): of a
rate that wanders by itself more evidence is asked (ADR 0023).

``observe`` is for a closed bin and learns; ``peek`` gives the score that the open bin would have
if it closed now, and changes nothing. Both are O(1) per series and bin.

Input that is not a number is **unknown, never zero**: where counts are NaN or negative, or exposure
is NaN, the series is skipped for the bin (no learning, no growth or decay of its score). Exposure
is clipped to [exposure_floor, exposure_ceiling], counts to [0, count_ceiling] and cut to whole
numbers; a prior that is missing, NaN or not positive falls back to the policy's default.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import baseline
from .dispersion import effective_dispersion, learn_dispersion, mixture_weights
from .evidence import capped, evidence
from .policy import SpikePolicy
from .spike_state import Slots, SpikeState, put_rows, rows, slot_numbers

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

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
    """Outcome of one bin for the series of one block, before anything is stored."""

    outlook: baseline.Outlook
    phi: Floats
    """[n]: mean of the dispersion's mixture."""
    raised: Floats
    normal: Floats
    score: Floats
    log_value: Floats
    """[K, n]: log likelihood of the count under the baseline mean, for learning phi."""


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
        _observe_blocks(state, slots, inputs, held_back, policy)
    else:
        index = slot_numbers(state, slots)
        _write_gap(state, index[~known], policy)
        some = _Inputs(*(column[known] for column in inputs))
        if known.any():
            _observe_blocks(state, index[known], some, held_back[known], policy)
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
        return _peek_blocks(state, slots, inputs, policy)
    if known.any():
        index = slot_numbers(state, slots)[known]
        some = _Inputs(*(column[known] for column in inputs))
        scores[known] = _peek_blocks(state, index, some, policy)
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
    view = baseline.outlook(
        state, slots, inputs.exposure, inputs.prior_mean, inputs.prior_weight, policy
    )
    return np.where(known, view.mu, np.nan)


def may_reach(
    state: SpikeState, slots: Slots, counts: Floats, score: float, policy: SpikePolicy
) -> Bools:
    """Which series [n] could have ``score`` or more after a bin of ``counts`` [n]; NaN always.

    A bound that needs no likelihood: a bin lifts the odds to L ((1 - delta) A/P + pi) / (1 - pi)
    at most, and ln L of a count c is c ln(largest regime / rho) at most, before it is capped.
    """
    normal = state.normal[slots]
    odds = ((1.0 - policy.delta) * (1.0 - normal) / normal + policy.pi) / (1.0 - policy.pi)
    most = np.maximum(counts, 0.0) * np.log(policy.regimes[-1] / policy.rho)
    bound = np.log(odds) + capped(most, policy)
    # A little room for rounding.
    may: Bools = ~(bound < score - 1e-6)
    return may


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


def _blocks(
    state: SpikeState, slots: Slots, inputs: _Inputs
) -> Iterator[tuple[slice, Slots, _Inputs]]:
    """Pieces whose temporaries fit the processor's cache: (where, slots, inputs)."""
    size = inputs.counts.size
    for low in range(0, size, _BLOCK):
        where = slice(low, min(low + _BLOCK, size))
        if isinstance(slots, slice) and slots.step in (None, 1):
            first = slots.indices(state.capacity)[0]
            some: Slots = slice(first + where.start, first + where.stop)
        else:
            some = slot_numbers(state, slots)[where]
        yield where, some, _Inputs(*(column[where] for column in inputs))


def _peek_blocks(state: SpikeState, slots: Slots, inputs: _Inputs, policy: SpikePolicy) -> Floats:
    scores = np.empty(inputs.counts.size)
    for where, some, part in _blocks(state, slots, inputs):
        scores[where] = _step(state, some, part, policy).score
    return scores


def _observe_blocks(
    state: SpikeState, slots: Slots, inputs: _Inputs, frozen: Bools, policy: SpikePolicy
) -> None:
    for where, some, part in _blocks(state, slots, inputs):
        _observe_known(state, some, part, frozen[where], policy)


def _step(state: SpikeState, slots: Slots, inputs: _Inputs, policy: SpikePolicy) -> _Step:
    view = baseline.outlook(
        state, slots, inputs.exposure, inputs.prior_mean, inputs.prior_weight, policy
    )
    phi = effective_dispersion(view, policy)
    weight = mixture_weights(rows(state.log_weight, slots))
    ratios, log_value = evidence(inputs.counts, view.mu, phi, weight, policy)

    raised, normal = rows(state.raised, slots), state.normal[slots]
    enter = policy.pi / len(policy.regimes)
    stay = ((1.0 - policy.delta) * raised + enter * normal) * ratios
    rest = (1.0 - policy.pi) * normal + policy.delta * raised.sum(axis=0)
    alarm = np.maximum(stay.sum(axis=0), _TINY)
    total = alarm + rest
    normal = np.maximum(rest / total, _TINY)
    mean_phi = np.asarray(policy.phi_grid) @ weight
    score = np.log(alarm / rest) - policy.restless_cost * view.restless
    return _Step(view, mean_phi, stay / total, normal, score, log_value)


def _observe_known(
    state: SpikeState, slots: Slots, inputs: _Inputs, frozen: Bools, policy: SpikePolicy
) -> None:
    step = _step(state, slots, inputs, policy)
    calm = step.normal >= 0.5
    credible = baseline.credible(inputs.counts, step.outlook.mu, policy)
    _learn_grids(state, slots, step, credible, calm, policy)
    learning = baseline.learning_weight(
        step.normal, frozen, state.age[slots], state.held[slots], policy
    )
    leaving = learning.excess * _leaving_excess(state, slots, policy)
    means = step.outlook.means
    weight = learning.weight
    baseline.learn(state, slots, credible, inputs.exposure, weight, means, step.phi, policy)
    put_rows(state.counts_sum, slots, rows(state.counts_sum, slots) + leaving)
    state.held[slots] = learning.held
    put_rows(state.raised, slots, step.raised)
    state.normal[slots] = step.normal
    state.score[slots] = step.score
    floor = state.floor[slots]
    pull = 1.0 - 0.5 ** (1.0 / policy.floor_half_life)
    state.floor[slots] = np.where(calm & ~frozen, floor + pull * (step.score - floor), floor)
    state.age[slots] = np.minimum(state.age[slots], np.iinfo(np.int32).max - 1) + 1
    _write_ring(state, slots, (inputs.counts, step.outlook.mu, inputs.exposure), policy)


def _learn_grids(
    state: SpikeState,
    slots: Slots,
    step: _Step,
    credible: Floats,
    calm: Bools,
    policy: SpikePolicy,
) -> None:
    """What a normal bin tells of the series' dispersion and drift."""
    view = step.outlook
    old = rows(state.log_weight, slots)
    learned = learn_dispersion(old, step.log_value, policy)
    put_rows(state.log_weight, slots, np.where(calm, learned, old))
    old = rows(state.log_drift, slots)
    learned = baseline.learn_drift(old, credible, view.means, view.mu, step.phi, policy)
    put_rows(state.log_drift, slots, np.where(calm, learned, old))


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
