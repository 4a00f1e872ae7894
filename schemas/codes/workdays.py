"""Working days in China: `workdays.json`, with its holidays and make-up days (调休).

Days are calendar days in Shanghai; whoever has a time turns it into one first.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date, timedelta
from importlib import resources

_DAY = timedelta(days=1)
_SATURDAY = 5


@dataclass(frozen=True)
class Workdays:
    """A calendar. Of a year that it does not cover it knows weekends and fixed holidays only."""

    version: str
    years: frozenset[int]
    holidays: frozenset[date]
    make_up: frozenset[date]
    fixed: frozenset[tuple[int, int]]

    def covers(self, day: date) -> bool:
        """Whether the holidays of its year have been announced and are in the file."""
        return day.year in self.years

    def is_working_day(self, day: date) -> bool:
        """Whether offices are open on `day`."""
        if day in self.make_up:
            return True
        if day.weekday() >= _SATURDAY or day in self.holidays:
            return False
        return self.covers(day) or (day.month, day.day) not in self.fixed

    def add_working_days(self, day: date, days: int) -> date:
        """The last day of a term of `days` working days, of which the first is after `day`.

        With `days` 0 the day itself. Raises ValueError when `days` is negative.
        """
        if days < 0:
            raise ValueError("days must not be negative")
        while days:
            day += _DAY
            days -= self.is_working_day(day)
        return day


def _load() -> Workdays:
    text = resources.files(__package__).joinpath("workdays.json").read_text("utf-8")
    raw = json.loads(text)
    years = raw["years"]
    spans = [span for year in years.values() for span in year["holidays"]]
    return Workdays(
        raw["version"],
        frozenset(int(year) for year in years),
        frozenset(d for s in spans for d in _days(date.fromisoformat(s[0]), s[1])),
        frozenset(date.fromisoformat(d) for year in years.values() for d in year["make_up"]),
        # of a leap year, so that every day of a year is in it
        frozenset(
            (d.month, d.day)
            for s in raw["fixed"]
            for d in _days(date.fromisoformat(f"2000-{s[0]}"), f"2000-{s[1]}")
        ),
    )


def _days(first: date, last: str) -> list[date]:
    return [first + i * _DAY for i in range((date.fromisoformat(last) - first).days + 1)]


WORKDAYS = _load()


def is_working_day(day: date) -> bool:
    """`Workdays.is_working_day` of the calendar that comes with this version."""
    return WORKDAYS.is_working_day(day)


def add_working_days(day: date, days: int) -> date:
    """`Workdays.add_working_days` of the calendar that comes with this version."""
    return WORKDAYS.add_working_days(day, days)
