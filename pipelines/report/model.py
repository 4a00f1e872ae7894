"""What a report is made of, before any language or layout."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, timedelta
from enum import StrEnum

Number = float | int | None


class Audience(StrEnum):
    """Who reads it: what it may be made of follows from that."""

    PUBLIC = "public"
    AGENCY = "agency"
    PLATFORM = "platform"


class Period(StrEnum):
    """Its length; weeks begin on Monday."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"


@dataclass(frozen=True, slots=True)
class Span:
    """Days of Shanghai, both ends included."""

    period: Period
    first: date
    last: date

    @property
    def days(self) -> int:
        return (self.last - self.first).days + 1


def span_of(period: Period, day: date) -> Span:
    """The period that a day lies in."""
    if period is Period.DAY:
        return Span(period, day, day)
    if period is Period.WEEK:
        first = day - timedelta(days=day.weekday())
        return Span(period, first, first + timedelta(days=6))
    first = day.replace(day=1)
    following = (first + timedelta(days=32)).replace(day=1)
    return Span(period, first, following - timedelta(days=1))


@dataclass(frozen=True, slots=True)
class Line:
    """Figures of one code. `gone`: days on which they exist and are not shown; the sums are of the
    other days. A measure that is None is not shown on any day, or not known."""

    key: str
    values: dict[str, Number]
    gone: int = 0


@dataclass(frozen=True, slots=True)
class Handling:
    """How complaints were handled; None is not known, or too few to tell."""

    answered_p50_h: float | None = None
    answered_p95_h: float | None = None
    resolved: float | None = None


@dataclass(frozen=True, slots=True)
class Count:
    """Of single things, added up day by day. `few`: days with too few to be told, each of which
    is one at least; `gone`: days left out, of which nothing is told."""

    shown: int = 0
    few: int = 0
    gone: int = 0

    @property
    def whole(self) -> bool:
        return not self.few and not self.gone


@dataclass(frozen=True, slots=True)
class Flags:
    """Flags of a rule that opened in the period, without muted and overturned ones."""

    rule: str
    raised: Count
    critical: Count


@dataclass(frozen=True, slots=True)
class Appeals:
    """Of the files opened in the period; `overturned` of `decided` is I21."""

    files: Count
    appealed: Count
    decided: Count
    overturned: Count


@dataclass(frozen=True, slots=True)
class Quality:
    """How complete the telemetry was; provisional figures. None is not known."""

    key: str
    completeness: float | None
    late: float | None
    lag_p95_ms: float | None


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that a report says. A list that is None has no source in this warehouse."""

    audience: Audience
    span: Span
    platform: str
    days: list[date]
    total: Line
    before: Line | None
    city: Line | None
    by_day: list[Line]
    by_hour: list[Line]
    by_platform: list[Line]
    by_category: list[Line]
    by_district: list[Line]
    by_scenario: list[Line]
    by_code: list[Line]
    handling: Handling | None
    flags: list[Flags] | None
    appeals: Appeals | None
    quality: list[Quality] = field(default_factory=list)
    heard: frozenset[str] = frozenset()
    """Of a platform: hours of the clock in which it sent something, a heartbeat even."""

    @property
    def missing(self) -> list[date]:
        """Days of the period without figures: unknown, and in no sum."""
        there = set(self.days)
        every = (self.span.first + timedelta(days=n) for n in range(self.span.days))
        return [day for day in every if day not in there]
