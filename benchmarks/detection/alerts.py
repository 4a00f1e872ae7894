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
    Grade,
    SpikeDetector,
    SpikePolicy,
    SpikeState,
    peek,
    prior_weight,
)
from pipelines.core.detect.spike_filter import expected
from pipelines.core.detect.whole_hour import for_critical
from pipelines.core.detect.window import Window, closed_window, open_window

Floats = NDArray[np.float64]
Progress = Callable[[float], None]
_GRADES = (Grade.RAISED, Grade.CRITICAL)
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
    """What was held against the threshold of each grade in the hour after the onset."""

    held: dict[Grade, Floats]
    """[12, n]: best of each bin, its ticks included; -inf where the guard is not met."""

    def take(self, some: slice) -> Found:
        """The same for some of the series."""
        return Found({grade: held[:, some] for grade, held in self.held.items()})

    def share(self, threshold: float, grade: Grade = Grade.CRITICAL) -> float:
        """Share of the series that reached it within the hour."""
        return float((self.held[grade].max(axis=0) >= threshold).mean())

    def delays(self, threshold: float, grade: Grade = Grade.CRITICAL) -> Floats:
        """Bins from the onset to the alert, of those found."""
        hit = self.held[grade] >= threshold
        some = hit.any(axis=0)
        return hit[:, some].argmax(axis=0) + 1.0


def rise(policy: SpikePolicy, world: World, factor: Floats, ticks: int) -> Found:
    """A rise of ``factor`` [n] for an hour after three days of history."""
    size = world.mean.size
    state, slots = SpikeState.empty(size, policy), np.arange(size)
    detector = SpikeDetector(policy, state)
    prior = (GROUP_MEAN, PRIOR_WEIGHT)
    for t in range(HISTORY_DAYS * BINS_PER_DAY):
        detector.close_bin(t * policy.bin_ms, slots, world.bin(), 1.0, *prior)
    found = Found({g: np.full((policy.window_bins, size), -np.inf) for g in _GRADES})
    for t in range(policy.window_bins):
        counts = world.bin(factor)
        for share, seen in open_bins(counts, world.rng, ticks):
            now = peek(state, slots, seen, share, *prior, policy)
            mu = expected(state, slots, share, *prior, policy)
            exposure = np.full(size, share)
            window = open_window(state, slots, seen, mu, exposure, policy)
            _look(found, t, now, window, policy)
        start = (HISTORY_DAYS * BINS_PER_DAY + t) * policy.bin_ms
        detector.close_bin(start, slots, counts, 1.0, *prior)
        _look(found, t, state.score, closed_window(state, slots, policy), policy)
    return found


def _look(found: Found, t: int, scores: Floats, window: Window, policy: SpikePolicy) -> None:
    for grade, held in found.held.items():
        now = for_critical(scores, window.beyond) if grade is Grade.CRITICAL else scores
        now = np.where(window.observed >= policy.guard(grade), now, -np.inf)
        held[t] = np.maximum(held[t], now)
