"""The last hour of a series, as its episodes see and report it."""

from __future__ import annotations

from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from .policy import SpikePolicy
from .spike_state import Slots, SpikeState

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

    def take(self, where: NDArray[np.int64]) -> Self:
        """The same for some of the series, by position."""
        return type(self)(
            self.observed[where],
            self.expected[where],
            self.exposure[where],
            self.known[where],
            self.floor[where],
        )


def closed_window(state: SpikeState, slots: Slots) -> Window:
    """Window that ends with the last closed bin."""
    expected = state.ring_expected[slots]
    return Window(
        state.ring_counts[slots].sum(axis=1, dtype=np.float64),
        expected.sum(axis=1, dtype=np.float64),
        state.ring_exposure[slots].sum(axis=1, dtype=np.float64),
        (expected > 0).sum(axis=1),
        state.floor[slots].copy(),
    )


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


def open_window(
    state: SpikeState,
    slots: NDArray[np.int64],
    counts: Floats,
    expected: Floats,
    exposure: Floats,
    policy: SpikePolicy,
) -> Window:
    """Window that ends with the open bin: the oldest closed bin leaves, the open one enters."""
    closed = closed_window(state, slots)
    oldest = state.cursor[slots] % policy.window_bins
    was_known = state.ring_expected[slots, oldest] > 0
    is_known = (counts >= 0) & ~np.isnan(expected)
    return Window(
        closed.observed - state.ring_counts[slots, oldest] + np.where(is_known, counts, 0.0),
        np.maximum(closed.expected - state.ring_expected[slots, oldest], 0.0)
        + np.where(is_known, expected, 0.0),
        np.maximum(closed.exposure - state.ring_exposure[slots, oldest], 0.0)
        + np.where(is_known, exposure, 0.0),
        closed.known - was_known + is_known,
        closed.floor,
    )
