"""The ladder of thresholds and the book of episodes count the same alerts in the same counts."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest

from pipelines.backtest.measure import FalseAlerts
from pipelines.core.detect import DEFAULT_POLICY, EventKind, Grade
from pipelines.core.detect.episodes import EpisodeEvent

SERIES, BINS = 300, 420
PRIOR = (1.0, 2.0)


def run_both() -> tuple[FalseAlerts, list[EpisodeEvent]]:
    """Bursty series with rises of all sizes, looked at three times a bin."""
    rng = np.random.default_rng(12)
    mean, run = rng.uniform(0.3, 4.0, SERIES), FalseAlerts(SERIES, DEFAULT_POLICY)
    onset, factor = rng.integers(120, 380, SERIES), rng.uniform(1.0, 7.0, SERIES)
    slots, events = np.arange(SERIES), []
    for t in range(BINS):
        lift = np.where((t >= onset) & (t < onset + 8), factor, 1.0)
        counts = rng.negative_binomial(mean * lift / 0.8, 1 / 1.8).astype(np.float64)
        for look in (1, 2):
            seen = np.floor(counts * look / 3)
            some = np.flatnonzero(seen)
            events += run.tick(t, some, seen[some], look / 3, *PRIOR)
        events += run.close(t, slots, counts, 1.0, *PRIOR)
    return run, events


def episodes(events: list[EpisodeEvent], grade: Grade) -> int:
    """Episodes that reached ``grade``."""
    best: dict[tuple[int, int], Grade] = defaultdict(lambda: Grade.WATCH)
    for event in events:
        if event.kind in (EventKind.OPENED, EventKind.ESCALATED):
            key = (event.series, event.onset_ms)
            best[key] = max(best[key], event.grade)
    return sum(reached >= grade for reached in best.values())


@pytest.fixture(scope="module")
def both() -> tuple[FalseAlerts, list[EpisodeEvent]]:
    return run_both()


@pytest.mark.parametrize("grade", list(Grade))
def test_the_ladder_counts_what_the_book_counts(
    both: tuple[FalseAlerts, list[EpisodeEvent]], grade: Grade
) -> None:
    run, events = both
    ladder = run.ladders[DEFAULT_POLICY.guard(grade)]
    at = np.searchsorted(ladder.thresholds, DEFAULT_POLICY.threshold(grade) - 1e-9)
    alerts, found = int(ladder.alerts[at]), episodes(events, grade)
    assert found > 50
    assert alerts == found
