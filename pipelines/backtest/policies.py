"""The complaint-spike detector's parameters by length of bin and season."""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum

from pipelines.backtest.read import BinLength
from pipelines.core.detect import DEFAULT_POLICY, SpikePolicy
from pipelines.core.detect.regression import RegressionPolicy
from pipelines.core.detect.short_series import ShortSeriesPolicy


class Season(StrEnum):
    """What repeats."""

    NONE = "none"
    HOUR_OF_WEEK = "hour_of_week"
    DAY_OF_WEEK = "day_of_week"
    WEEK_OF_YEAR = "week_of_year"


# Series from elsewhere can be far more over-dispersed than a merchant's complaints.
WIDE_PHI = (1.15, 1.6, 2.3, 3.5, 6.0, 12.0, 25.0, 60.0)

# A series is held against itself alone here: nothing is asked of it beyond others.
ALONE = replace(
    DEFAULT_POLICY,
    critical=2.6,
    restless_cost=0.0,
    hour_cost=0.0,
    bin_cost=0.0,
    climb_cost=0.0,
    size_cost=0.0,
    open_cost=0.0,
)

LONG: dict[BinLength, SpikePolicy] = {
    BinLength.FIVE_MINUTES: replace(ALONE, phi_grid=WIDE_PHI),
    BinLength.HOUR: replace(
        ALONE,
        bin_ms=3_600_000,
        phi_grid=WIDE_PHI,
        pi=1e-3,
        dispersion_half_life=1_000.0,
        baseline_half_life=168.0,
        freeze_bins=24,
        young_bins=72,
        floor_half_life=48.0,
    ),
}


def short_policy(length: BinLength, season: Season) -> ShortSeriesPolicy:
    """Parameters for bins of a day or a week."""
    daily = length is BinLength.DAY
    if season is Season.NONE:
        # Nothing is known to repeat: the level alone follows whatever the year does.
        regression = RegressionPolicy(half_life=25.0 if daily else 20.0)
    else:
        regression = RegressionPolicy(
            half_life=120.0 if daily else 80.0,
            period=365.25 if daily else 365.25 / 7,
            # Both seasons of days are there always; the one not asked for has to prove itself.
            season_sd=0.7 if season is Season.WEEK_OF_YEAR else 0.4,
            days=7 if daily else 0,
        )
    # A rise lasts a few bins: more of them by day than by week.
    return ShortSeriesPolicy(regression, delta=0.25 if daily else 0.4)
