"""Calibration expects of a stored history what a worker expected of it: season and calendar too."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import pytest

from pipelines.backtest.history import MINUTES, OrderPool
from pipelines.core.detect import DEFAULT_POLICY
from pipelines.core.detect.season import NO_SEASON, GroupSeason, Season
from pipelines.core.spikes import SpikeMonitor

GROUPS = {"p1/food": 0, "p1/apparel": 1}
GROUP = np.array([0, 1, 1])
SWING = Season({"p1/food": np.linspace(0.2, 1.8, 168), "": np.linspace(1.5, 0.5, 168)})
ORDINARY, FESTIVAL = "2026-09-16T03:00+08:00", "2026-11-11T00:00+08:00"
BINS = 30


def minutes(at: str) -> tuple[int, np.ndarray, np.ndarray]:
    """First bin, complaints and orders [minute, series]; orders jump half-way."""
    rng = np.random.default_rng(6)
    counts = rng.poisson(0.3, (BINS * MINUTES, len(GROUP)))
    orders = rng.poisson(100, counts.shape)
    orders[len(orders) // 2 :] *= 4
    return int(datetime.fromisoformat(at).timestamp()) // 300, counts, orders


def run_by_worker(at: str, season: Season) -> np.ndarray:
    """Exposure [bin, series] of the last hour, as the worker's monitor has it."""
    first, counts, orders = minutes(at)
    monitor = SpikeMonitor.create(DEFAULT_POLICY)
    monitor.season = GroupSeason(season, lambda: GROUPS)
    for slot, group in enumerate(GROUP.tolist()):
        monitor.start(slot, group)
    known = np.ones(len(GROUP), bool)
    for i, (c, o) in enumerate(zip(counts, orders, strict=True)):
        monitor.close_minute(first * MINUTES + i, c, o, known)
    state = monitor.detector.state
    # All began together: the oldest bin of each ring is at the same place.
    return np.roll(state.ring_exposure, -int(state.cursor[0]), axis=1).T


def calibrated_on(at: str, season: Season) -> np.ndarray:
    first, counts, orders = minutes(at)
    pool, known = OrderPool(GROUP, GroupSeason(season, lambda: GROUPS)), np.ones(len(GROUP), bool)
    bins = []
    for b in range(BINS):
        some = slice(b * MINUTES, (b + 1) * MINUTES)
        made = pool.bin(first + b, counts[some].astype(float), orders[some].astype(float), known)
        bins.append(made.exposure)
        # A look at the end of the bin expects no more than the bin, and its share at least.
        for share, look in enumerate(made.looks, 1):
            whole = made.exposure[look.slots]
            assert (look.exposure <= whole * 1.1 + 1).all()
            assert (look.exposure >= 0.7 * share / MINUTES * whole).all()
    return np.array(bins[-DEFAULT_POLICY.window_bins :])


@pytest.mark.parametrize("season", [NO_SEASON, SWING], ids=["none", "by the hour"])
@pytest.mark.parametrize("at", [ORDINARY, FESTIVAL])
def test_what_is_expected_is_what_a_worker_expects(at: str, season: Season) -> None:
    np.testing.assert_allclose(calibrated_on(at, season), run_by_worker(at, season), rtol=1e-6)


def test_a_season_and_a_festival_change_what_is_expected() -> None:
    plain = calibrated_on(ORDINARY, NO_SEASON)
    assert np.abs(calibrated_on(ORDINARY, SWING) / plain - 1).max() > 0.2
    assert calibrated_on(FESTIVAL, NO_SEASON).sum() > 1.1 * plain.sum()
