"""What season and calendar do to complaints: factors on the exposure, and days on which it jumps.

Orders carry most of a season by themselves, since what is expected is complaints per order. What is
left is of two kinds:

- **complaints per order vary**, by the hour of the week (people shop in the evening and complain in
  the morning) and on days of events; the factors are learned from settled history;
- **orders jump** where an event begins. The baseline lags them by an hour, complaints may follow
  sooner, and until the lag has caught up every series would look like a rise. On such days the
  larger of lagged and present orders is what to expect complaints from.

All of it depends on event time and on what was read at the start, so a replay gets the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from schemas.codes.events import EVENTS, Event, events_on

from .exposure import hour_of_week

Floats = NDArray[np.float64]
Groups = Mapping[str, int]

CITY = ""
"""Name of the factors of all groups that have none of their own."""
_HOUR_MS = 3_600_000
_SHANGHAI = timedelta(hours=8)  # no daylight saving since 1991
_EVE = timedelta(hours=4)
"""Sales begin on the evening before an event."""
_SHORT = timedelta(days=7)
"""Every day of a shorter event can bring a jump, of a longer one its first day."""


@dataclass(frozen=True)
class Season:
    """Complaints per order, relative to the usual. The calendar is that of `schemas.codes`."""

    hours: Mapping[str, Floats] = field(default_factory=dict)
    """[168] by group (a platform, a category, platform/category, or `CITY`); 0 is Monday 00:00."""
    events: Mapping[str, float] = field(default_factory=dict)
    """By id of the event; of several on a day the largest holds."""

    def factor(self, group: str, time_ms: int) -> float:
        """Factor of a group; 1 where nothing is known."""
        hours = self.hours.get(group, self.hours.get(CITY))
        return self.event_factor(time_ms) * (
            1.0 if hours is None else float(hours[hour_of_week(time_ms)])
        )

    def event_factor(self, time_ms: int) -> float:
        """What the day's events do to complaints per order."""
        known = [self.events[e.id] for e in events_on(shanghai(time_ms)) if e.id in self.events]
        return max(known, default=1.0)


NO_SEASON = Season()


class GroupSeason:
    """A season for the groups of one level; `groups` names them, and more are added over time."""

    def __init__(self, season: Season, groups: Callable[[], Groups]) -> None:
        self._season, self._groups = season, groups
        self._hour = -1
        self._jumps = False
        self._event = 1.0
        self._factors = np.ones(0)

    def factor(self, time_ms: int, group: NDArray[np.integer]) -> Floats | float:
        """Factors [n] of series whose groups are `group` [n], in the hour of `time_ms`."""
        self._move_to(time_ms)
        if not self._season.hours:
            return self._event
        groups = self._groups()
        if len(groups) != len(self._factors):
            self._factors = np.ones(len(groups))
            for name, at in groups.items():
                self._factors[at] = self._season.factor(name, time_ms)
        return np.asarray(self._factors[group], np.float64)

    def expected(
        self, time_ms: int, exposure: Floats, orders: Floats, factor: Floats | float
    ) -> Floats:
        """Exposure [n] where orders may jump: not less than what the present `orders` bring."""
        self._move_to(time_ms)
        return np.maximum(exposure, orders * factor) if self._jumps else exposure

    def _move_to(self, time_ms: int) -> None:
        hour = time_ms // _HOUR_MS
        if hour != self._hour:
            self._hour, self._factors = hour, np.ones(0)
            self._jumps = orders_may_jump(time_ms)
            self._event = self._season.event_factor(time_ms)


def shanghai(time_ms: int) -> date:
    """The day in Asia/Shanghai."""
    return (datetime.fromtimestamp(time_ms / 1000, UTC) + _SHANGHAI).date()


def orders_may_jump(time_ms: int) -> bool:
    """Whether an event begins today, or this evening, or is short and on."""
    eve = shanghai(time_ms + round(_EVE.total_seconds() * 1000))
    return any(_jumps(event, day) for day in {shanghai(time_ms), eve} for event in EVENTS)


def _jumps(event: Event, day: date) -> bool:
    return any(
        first == day or (first <= day <= last and last - first < _SHORT)
        for first, last in event.spans
    )
