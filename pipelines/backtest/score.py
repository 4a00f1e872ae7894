"""A series through the complaint-spike detector: score and grade by bin, from its past only."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from pipelines.backtest.policies import LONG, Season, short_policy
from pipelines.backtest.read import BinLength, Series
from pipelines.backtest.season import HourOfWeek
from pipelines.backtest.tame import calm_start, unit
from pipelines.core.detect import SpikeDetector, SpikePolicy, observe
from pipelines.core.detect.short_series import ShortSeriesPolicy, scores
from pipelines.core.detect.spike_filter import expected

Floats = npt.NDArray[np.float64]
GRADES = ("none", "watch", "raised", "critical")
# Bins whose mean is the prior of what follows; none of them is scored.
WARM_BINS = 24


def score(series: Series, length: BinLength, season: Season) -> tuple[Floats, list[str]]:
    """(score [T], grade [T]); no bin's figures depend on a later one."""
    series = replace(series, exposure=series.exposure / unit(series.exposure, WARM_BINS))
    if length in LONG:
        return _long(series, LONG[length], season, length)
    policy = short_policy(length, season)
    tamed = calm_start(series.counts, series.exposure, policy.min_history)
    counts = np.where(series.exposure > 0, tamed, np.nan)[None]
    exposure = np.where(series.exposure > 0, series.exposure, 1.0)[None]
    found = scores(counts, exposure, series.number, policy)[0]
    return found, _grades(found, _window_sum(series, 4), policy)


def _long(
    series: Series, policy: SpikePolicy, season: Season, length: BinLength
) -> tuple[Floats, list[str]]:
    """By the filter as it runs in the pipeline; its priors are the series' own first bins."""
    detector = SpikeDetector.create(1, policy)
    per_hour = max(1, 3_600 // length.seconds)
    hours = HourOfWeek(per_hour) if season is not Season.NONE else None
    known = np.isfinite(series.counts) & (series.exposure > 0)
    warm = np.flatnonzero(known)[:WARM_BINS]
    total = float(series.exposure[warm].sum()) or 1.0
    tamed = calm_start(series.counts, series.exposure, WARM_BINS)
    mean = (float(tamed[warm].sum()) + 0.5) / total
    weight = total
    out = np.full(len(known), policy.rest_score)
    state, slot = detector.state, np.array([0])
    for t in range(len(known)):
        now = out[t - 1] if t else policy.rest_score
        if not known[t] or (warm.size and t <= warm[-1]):
            out[t] = now
            continue
        number, count, exposure = int(series.number[t]), series.counts[t], series.exposure[t]
        factor = hours.factor(number) if hours else 1.0
        if hours:
            level = float(expected(state, slot, exposure, mean, weight, policy)[0])
            room = level * factor + 4 * np.sqrt(level * factor) + 1
            calm = float(state.normal[0])
            hours.learn(number, min(count, room), level, calm)
        args = (count, exposure * factor, mean, weight, policy, now >= policy.raised)
        out[t] = float(observe(state, slot, *args)[0])
    return out, _grades(out, _window_sum(series, policy.window_bins), policy)


def _window_sum(series: Series, bins: int) -> Floats:
    """Counts of the last `bins` bins, unknown ones as nothing. [T]."""
    total = np.concatenate([[0.0], np.nancumsum(series.counts)])
    first = np.searchsorted(series.number, series.number - bins, side="right")
    window: Floats = total[1:] - total[first]
    return window


def _grades(found: Floats, window: Floats, policy: SpikePolicy | ShortSeriesPolicy) -> list[str]:
    critical = getattr(policy, "min_count_critical", policy.min_count)
    rank = (found >= policy.watch).astype(int) + (found >= policy.raised)
    rank = np.where(window < policy.min_count, 0, rank)
    rank = np.where((rank == 2) & (found >= policy.critical) & (window >= critical), 3, rank)
    return [GRADES[i] for i in rank.tolist()]
