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
        return type(self)(*(column[where] for column in self))


def closed_window(state: SpikeState, slots: Slots, policy: SpikePolicy) -> Window:
    """Window that ends with the last closed bin."""
    rings = (state.ring_counts, state.ring_expected, state.ring_exposure)
    return _window(state, slots, *(ring[slots].astype(np.float64) for ring in rings), policy)


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
    rings = []
    for ring, now in (
        (state.ring_counts, counts),
        (state.ring_expected, expected),
        (state.ring_exposure, exposure),
    ):
        rings.append(ring[slots].astype(np.float64))
        rings[-1][rows, oldest] = np.where(known, now, 0.0)
    return _window(state, slots, *rings, policy)


def _window(
    state: SpikeState,
    slots: Slots,
    counts: Floats,
    expected: Floats,
    exposure: Floats,
    policy: SpikePolicy,
) -> Window:
    """Of counts, expected and exposure [n, bins]."""
    return Window(
        counts.sum(axis=1),
        expected.sum(axis=1),
        exposure.sum(axis=1),
        (expected > 0).sum(axis=1),
        state.floor[slots].copy(),
        asked(state, slots, counts, expected, policy),
    )
