"""Alerts by threshold, counted in one pass: what a threshold is read off for a budget."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


class Ladder:
    """Counts, for each of ``thresholds``, the alerts that it would have given.

    One alert per series until its score has been below the threshold for ``quiet_bins``: never
    fewer than the episodes of the running system, which also wait until the rate is usual again.
    ``guard`` is how many complaints the grade asks for beside the score (`SpikePolicy`).
    """

    def __init__(
        self,
        series: int,
        thresholds: Floats,
        guard: int,
        quiet_bins: int,
    ) -> None:
        self.thresholds = thresholds
        self.guard = guard
        self.quiet_bins = quiet_bins
        self.alerts = np.zeros(len(thresholds), np.int64)
        self._quiet_until = np.full((len(thresholds), series), -1, np.int64)

    def take(
        self, bin_: int, slots: npt.NDArray[np.integer[Any]], scores: Floats, observed: Floats
    ) -> None:
        """One look at some series: scores [n] and complaints in their windows [n]."""
        able = np.flatnonzero((scores >= self.thresholds[0]) & (observed >= self.guard))
        slots, scores = slots[able], scores[able]
        for i, threshold in enumerate(self.thresholds.tolist()):
            over = slots[scores >= threshold]
            if not over.size:
                break
            until = self._quiet_until[i]
            self.alerts[i] += int((until[over] < bin_).sum())
            until[over] = bin_ + self.quiet_bins

    def threshold_for(self, alerts: float) -> tuple[float, int]:
        """(the lowest threshold with at most so many alerts, how many it gave).

        Beyond the highest of the ladder, that one.
        """
        fitting = np.flatnonzero(self.alerts <= alerts)
        at = int(fitting[0]) if fitting.size else len(self.thresholds) - 1
        return float(self.thresholds[at]), int(self.alerts[at])
