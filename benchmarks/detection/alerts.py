"""False alerts a day and rises found, by the detector as it runs: closed bins and ticks between."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from benchmarks.detection.worlds import (
    BINS_PER_DAY,
    CITY,
    GROUP_MEAN,
    HISTORY_DAYS,
    World,
    open_bins,
)
from pipelines.backtest.ladder import Ladder
from pipelines.backtest.measure import FalseAlerts
from pipelines.core.detect import (
    EventKind,
    SpikeDetector,
    SpikePolicy,
    SpikeState,
    peek,
    prior_weight,
)
from pipelines.core.detect.window import closed_window

Floats = NDArray[np.float64]
Progress = Callable[[float], None]
PRIOR_WEIGHT = float(prior_weight(GROUP_MEAN, 1.0))


@dataclass
class Alerts:
    """What a stretch without any rise gave."""

    series_days: float
    ladders: dict[int, Ladder]
    grades: Counter[str] = field(default_factory=Counter)

    def per_city_day(self, alerts: float) -> float:
        """Alerts a day over 50,000 series."""
        return alerts * CITY / self.series_days

    def threshold(self, guard: int, per_city_day: float) -> float:
        """Log odds with at most so many alerts a day over 50,000 series."""
        return self.ladders[guard].threshold_for(per_city_day * self.series_days / CITY)[0]


def null_alerts(
    policy: SpikePolicy, world: World, days: int, ticks: int, progress: Progress
) -> Alerts:
    """Alerts in ``days`` after three days of history; ``ticks`` looks a bin (1: closed alone)."""
    size = world.mean.size
    run, slots = FalseAlerts(size, policy), np.arange(size)
    found = Alerts(size * days, run.ladders)
    prior = (GROUP_MEAN, PRIOR_WEIGHT)
    warm, total = HISTORY_DAYS * BINS_PER_DAY, (HISTORY_DAYS + days) * BINS_PER_DAY
    for t in range(total):
        counts, run.counting = world.bin(), t >= warm
        events = []
        for share, seen in open_bins(counts, world.rng, ticks if run.counting else 1):
            some = np.flatnonzero(seen)
            events += run.tick(t, some, seen[some], share, *prior)
        events += run.close(t, slots, counts, 1.0, *prior)
        if run.counting:
            found.grades.update(e.grade.name for e in events if e.kind is not EventKind.CLEARED)
        if t % 24 == 0:
            progress(t / total)
    return found


@dataclass
class Found:
    """Best score of each series in the hour after the onset, and when it crossed."""

    best: Floats
    scores: Floats
    """[12, n]: best of each bin, its ticks included."""

    def take(self, some: slice) -> Found:
        """The same for some of the series."""
        return Found(self.best[some], self.scores[:, some])

    def share(self, threshold: float) -> float:
        return float((self.best >= threshold).mean())

    def delays(self, threshold: float) -> Floats:
        """Bins from the onset to the alert, of those found."""
        hit = self.scores >= threshold
        some = hit.any(axis=0)
        return hit[:, some].argmax(axis=0) + 1.0


def rise(policy: SpikePolicy, world: World, factor: Floats, ticks: int) -> Found:
    """A rise of ``factor`` [n] for an hour after three days of history, at guard "critical"."""
    size = world.mean.size
    state, slots = SpikeState.empty(size, policy), np.arange(size)
    detector = SpikeDetector(policy, state)
    prior = (GROUP_MEAN, PRIOR_WEIGHT)
    for t in range(HISTORY_DAYS * BINS_PER_DAY):
        detector.close_bin(t * policy.bin_ms, slots, world.bin(), 1.0, *prior)
    scores = np.full((policy.window_bins, size), -np.inf)
    for t in range(policy.window_bins):
        counts = world.bin(factor)
        for share, seen in open_bins(counts, world.rng, ticks):
            now = peek(state, slots, seen, share, *prior, policy)
            window = closed_window(state, slots).observed + seen
            window -= state.ring_counts[slots, state.cursor[slots]]
            scores[t] = np.maximum(scores[t], _for_critical(now, window, policy))
        detector.close_bin((900 + t) * policy.bin_ms, slots, counts, 1.0, *prior)
        window = closed_window(state, slots).observed
        scores[t] = np.maximum(scores[t], _for_critical(state.score, window, policy))
    return Found(scores.max(axis=0), scores)


def _for_critical(scores: Floats, window: Floats, policy: SpikePolicy) -> Floats:
    """What is held against ``policy.critical`` [n], of scores and complaints in the window [n]."""
    enough = window >= policy.min_count_critical
    asked = policy.scarce_cost / np.maximum(window, 1.0)
    return np.where(enough, scores - asked, -np.inf)
