"""When people watch: hour weights and shopping festivals, in Shanghai time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import numpy.typing as npt

from schemas.codes.events import exposure_factor

SHANGHAI = timezone(timedelta(hours=8), "Asia/Shanghai")  # no daylight saving since 1991
HOUR_MS = 3_600_000
_DAY_MS = 24 * HOUR_MS

# DOMAIN section 3: 04h 0.2, 12h 1.0, 19 to 23h 2.5; in between straight lines.
_HOURS = np.array([4.0, 12.0, 19.0, 23.0, 28.0])
_WEIGHTS = np.array([0.2, 1.0, 2.5, 2.5, 0.2])
_GRID = np.arange(0, 24, 0.25)


def hour_weight(hour: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Weight of a local hour, 0 to 24; not normalised."""
    h = np.asarray(hour, np.float64) % 24
    return np.asarray(np.interp(np.where(h < 4, h + 24, h), _HOURS, _WEIGHTS), np.float64)


MEAN_WEIGHT = float(hour_weight(_GRID).mean())


def local_hour(event_ms: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Hour of the day in Shanghai, with its fraction."""
    ms = np.asarray(event_ms, np.float64) + 8 * HOUR_MS
    return np.asarray((ms % _DAY_MS) / HOUR_MS, np.float64)


def demand(event_ms: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Hour weight relative to the day's mean, without festivals."""
    return np.asarray(hour_weight(local_hour(event_ms)) / MEAN_WEIGHT, np.float64)


def festival_factor(event_ms: int) -> float:
    """Times the usual number of viewers and orders on that day, after the event calendar."""
    return exposure_factor(datetime.fromtimestamp(event_ms / 1000, UTC).astimezone(SHANGHAI).date())


def concurrency(event_ms: int, survival_hours: npt.NDArray[np.float64]) -> float:
    """Live sessions relative to the day's mean when arrivals follow `demand`.

    `survival_hours[i]` is the share of sessions that last longer than i/4 hours. Sessions
    last hours, so their number lags and flattens the hour weights; the audience of each
    makes up the rest, so that viewers in total follow the weights.
    """
    age_ms = np.arange(len(survival_hours)) * (HOUR_MS / 4)
    arrivals = demand(event_ms - age_ms)
    return float((arrivals * survival_hours).sum() / survival_hours.sum())
