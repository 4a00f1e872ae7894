"""What hour of the week does to a rate, learned while it runs."""

from __future__ import annotations

import numpy as np

from pipelines.core.detect.exposure import HOURS_PER_WEEK

_HOURS_PER_DAY = 24


class HourOfWeek:
    """Factors around 1: the hour of the day, and what the day of the week changes of it.

    Each is a ratio of counts to what the level alone expects, decayed by week and drawn to 1 by
    `weight` expected counts (gamma-Poisson, as the baseline itself).
    """

    def __init__(self, bins_per_hour: int, weight: float = 20.0, half_life_weeks: float = 4.0):
        self._per_hour = bins_per_hour
        self._weight = weight
        self._keep = 0.5 ** (1.0 / (half_life_weeks * bins_per_hour))
        self._day = np.zeros((_HOURS_PER_DAY, 2))
        self._week = np.zeros((HOURS_PER_WEEK, 2))

    def factor(self, number: int) -> float:
        """Factor of the bin with this number; 0 is a Monday's first."""
        hour, day = self._slots(number)
        return self._ratio(self._day[day]) * self._ratio(self._week[hour])

    def learn(self, number: int, count: float, level: float, weight: float) -> None:
        """Take in a bin: its count, what the level expects without a season, how normal it was."""
        hour, day = self._slots(number)
        daily = self._ratio(self._day[day])
        keep_day = self._keep ** (1 / 7)
        self._day[day] = keep_day * self._day[day] + weight * np.array([count, level])
        self._week[hour] = self._keep * self._week[hour] + weight * np.array([count, level * daily])

    def _slots(self, number: int) -> tuple[int, int]:
        hour = number // self._per_hour % HOURS_PER_WEEK
        return hour, hour % _HOURS_PER_DAY

    def _ratio(self, sums: np.ndarray) -> float:
        return float((sums[0] + self._weight) / (sums[1] + self._weight))
