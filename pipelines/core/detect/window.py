"""The last hour of a series, as its episodes see and report it."""

from __future__ import annotations

from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from .policy import SpikePolicy
from .spike_state import Slots, SpikeState
from .whole_hour import asked

Floats = NDArray[np.float64]


class Window(NamedTuple):
    """Sums over the last ``window_bins`` bins, [n] each; unknown bins add nothing."""

    observed: Floats
    """Complaints."""
    expected: Floats
    """Complaints that are usual for the same exposure."""
    exposure: Floats
    """Orders."""
    known: NDArray[np.int64]
    """How many of the bins are known (a gap and a time before the series are not)."""
    floor: Floats
    """Log odds that the series has when nothing happens."""
    beyond: Floats
    """Log odds that critical asks beyond its threshold (``whole_hour``)."""

    def take(self, where: NDArray[np.int64]) -> Self:
        """The same for some of the series, by position."""
        return type(self)(
            self.observed[where],
            self.expected[where],
            self.exposure[where],
            self.known[where],
            self.floor[where],
            self.beyond[where],
        )


class _Bins(NamedTuple):
    """[n, window bins] each."""

    counts: Floats
    expected: Floats
    exposure: Floats


def closed_window(state: SpikeState, slots: Slots, policy: SpikePolicy) -> Window:
    """Window that ends with the last closed bin."""
    return _window(state, slots, _bins(state, slots), policy)


def window_since(
    state: SpikeState, slots: NDArray[np.int64], bins: int, policy: SpikePolicy
) -> tuple[Floats, Floats]:
    """Complaints [n] of the last ``bins`` closed bins (of the window, at most), and the usual."""
    ago = np.arange(1, min(bins, policy.window_bins) + 1)
    at = (state.cursor[slots][:, None].astype(np.int64) - ago) % policy.window_bins
    row = slots[:, None]
    return (
        state.ring_counts[row, at].sum(axis=1, dtype=np.float64),
        state.ring_expected[row, at].sum(axis=1, dtype=np.float64),
    )


def enough(
    state: SpikeState, slots: NDArray[np.int64], counts: Floats, policy: SpikePolicy
) -> NDArray[np.bool_]:
    """Which series [n] hold complaints enough for any grade, with ``counts`` [n] in the open bin.

    NaN always does. A sum, where a score costs fifty times as much: few series pass.
    """
    oldest = state.ring_counts[slots, state.cursor[slots] % policy.window_bins]
    held = state.ring_counts[slots].sum(axis=1) - oldest + counts
    least = min(policy.min_count, policy.min_count_critical)
    few: NDArray[np.bool_] = held < least
    return ~few


def open_window(
    state: SpikeState,
    slots: NDArray[np.int64],
    counts: Floats,
    expected: Floats,
    exposure: Floats,
    policy: SpikePolicy,
) -> Window:
    """Window that ends with the open bin: the oldest closed bin leaves, the open one enters."""
    known = (counts >= 0) & ~np.isnan(expected)
    rows, oldest = np.arange(len(slots)), state.cursor[slots] % policy.window_bins
    bins = _bins(state, slots)
    for column, now in zip(bins, (counts, expected, exposure), strict=True):
        column[rows, oldest] = np.where(known, now, 0.0)
    window = _window(state, slots, bins, policy)
    return window._replace(beyond=window.beyond + policy.open_cost)


def _bins(state: SpikeState, slots: Slots) -> _Bins:
    """Copies of the rings, which may be written to."""
    return _Bins(
        state.ring_counts[slots].astype(np.float64),
        state.ring_expected[slots].astype(np.float64),
        state.ring_exposure[slots].astype(np.float64),
    )


def _window(state: SpikeState, slots: Slots, bins: _Bins, policy: SpikePolicy) -> Window:
    return Window(
        bins.counts.sum(axis=1),
        bins.expected.sum(axis=1),
        bins.exposure.sum(axis=1),
        (bins.expected > 0).sum(axis=1),
        state.floor[slots].copy(),
        asked(state, slots, bins.counts, bins.expected, policy),
    )
