"""What critical rests on beside the odds: the last hour as a whole.

The odds forget within some bins, so that they are early; a false alarm of theirs is a burst or two,
or a rate that has been climbing for hours. A rise that lasts shows in the window itself. With o the
window's complaints without those of its largest bin, e what was expected of it,

    z = sqrt(D / (sqrt(phi) + hour_unsure e)),   D = o ln(o / e) - (o - e) where o > e, else 0

the root of the quasi-deviance (McCullagh and Nelder, ch. 9), and n the bins of more than twice what
was expected, critical asks for even odds at least, and for

    threshold + hour_cost (hour_usual - z) + bin_cost (bins_usual - n) + size_cost M + climb_cost C

M is ln of what is expected of a bin over size_most, which it counts up to, and from size_least on:
a false alert more buys more of a x10 rise on 0.3 a bin than of a x5 rise on 1, so a little less is
asked of the smaller series (Neyman-Pearson over strata). C is how far the fast baseline lies above
the slow one, log. An open bin is asked open_cost more (``window``).

The square root of phi and not phi: what is known of a small series' dispersion comes from a few
bursts. What the score already asks of the restless (``SpikePolicy.restless_cost``) is given back
above even odds.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .policy import EVEN, SpikePolicy
from .spike_state import Slots, SpikeState

Floats = NDArray[np.float64]
_TINY = 1e-9


def asked(
    state: SpikeState, slots: Slots, counts: Floats, expected: Floats, policy: SpikePolicy
) -> Floats:
    """Log odds beyond its threshold [n] that critical asks of series whose window is ``counts`` and
    ``expected`` [n, bins]; unknown bins are zero."""
    returned = policy.restless_cost * _restless(state, slots, policy)
    window = of_window(counts, expected, _dispersion(state, slots, policy), policy)
    beyond: Floats = window + policy.climb_cost * _climb(state, slots) - returned
    return beyond


def of_window(counts: Floats, expected: Floats, phi: Floats, policy: SpikePolicy) -> Floats:
    """What the window itself [n, bins] makes critical ask, at dispersion ``phi`` [n]."""
    usual = np.maximum(expected.sum(axis=1), _TINY)
    steady = np.maximum(counts.sum(axis=1) - counts.max(axis=1), _TINY)
    above = np.where(steady > usual, steady * np.log(steady / usual) - (steady - usual), 0.0)
    z = np.sqrt(above / (np.sqrt(phi) + policy.hour_unsure * usual))
    doubled = (counts > 2.0 * expected).sum(axis=1)
    size = np.clip(usual / counts.shape[1], policy.size_least, policy.size_most)
    asked: Floats = policy.hour_cost * (policy.hour_usual - z)
    asked += policy.bin_cost * (policy.bins_usual - doubled)
    asked += policy.size_cost * np.log(size / policy.size_most)
    return asked


def for_critical(scores: Floats, beyond: Floats) -> Floats:
    """What is held against the threshold of critical [n]; -inf where the odds are not even."""
    return np.where(scores >= EVEN, scores - beyond, -np.inf)


def _dispersion(state: SpikeState, slots: Slots, policy: SpikePolicy) -> Floats:
    weight = np.exp(state.log_weight[slots])
    phi: Floats = weight @ np.asarray(policy.phi_grid) / weight.sum(axis=1)
    return phi


def _restless(state: SpikeState, slots: Slots, policy: SpikePolicy) -> Floats:
    prior = np.asarray(policy.drift_weights) / sum(policy.drift_weights)
    belief = np.exp(state.log_drift[slots]) * prior
    share = belief[:, -1] / belief.sum(axis=1)
    restless: Floats = np.maximum(share - prior[-1], 0.0) / np.maximum(1.0 - prior[-1], _TINY)
    return restless


def _climb(state: SpikeState, slots: Slots) -> Floats:
    """[n], log: fast baseline over the slow one, where it is above; one complaint weighs each."""
    counts = state.counts_sum[slots] + 1.0
    rate = counts / np.maximum(state.exposure_sum[slots], _TINY)
    climb: Floats = np.maximum(np.log(rate[:, -1] / rate[:, 0]), 0.0)
    return climb
