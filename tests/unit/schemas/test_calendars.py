"""Working days against an independent calendar; events with sound dates and tags."""

from __future__ import annotations

from datetime import date, timedelta

import chinese_calendar
import pytest

from schemas import codes
from schemas.codes.events import EVENTS, events_on, exposure_factor
from schemas.codes.workdays import WORKDAYS, add_working_days, is_working_day


@pytest.mark.parametrize("year", sorted(WORKDAYS.years))
def test_every_day_of_the_covered_years_agrees_with_chinesecalendar(year: int) -> None:
    day = date(year, 1, 1)
    while day.year == year:
        assert is_working_day(day) == chinese_calendar.is_workday(day), day
        day += timedelta(days=1)


def test_the_years_that_were_asked_for_are_covered() -> None:
    assert {2025, 2026} <= WORKDAYS.years
    assert not WORKDAYS.covers(date(2031, 5, 6))


@pytest.mark.parametrize(
    ("day", "days", "last"),
    [
        ("2026-11-26", 0, "2026-11-26"),
        ("2026-11-26", 5, "2026-12-03"),  # a weekend between
        ("2026-09-30", 5, "2026-10-13"),  # the National Day week, and a Saturday that is worked
        ("2026-02-13", 1, "2026-02-14"),  # a Saturday that is worked
        ("2026-02-14", 1, "2026-02-24"),  # Spring Festival
        ("2025-01-24", 5, "2025-02-07"),  # a Sunday that is worked, then Spring Festival
        ("2031-12-31", 1, "2032-01-02"),  # a year not announced yet: New Year's Day is a holiday
    ],
)
def test_terms_in_working_days(day: str, days: int, last: str) -> None:
    assert add_working_days(date.fromisoformat(day), days) == date.fromisoformat(last)


def test_a_term_is_not_negative() -> None:
    with pytest.raises(ValueError, match="negative"):
        add_working_days(date(2026, 1, 5), -1)


def test_events_have_sound_dates_and_known_tags() -> None:
    ids = [event.id for event in EVENTS]
    assert len(set(ids)) == len(ids)
    for event in EVENTS:
        assert event.kind in {"festival", "first_launch", "exhibition"}
        assert event.scenario is None or event.scenario in codes.SCENARIOS.codes
        assert {first.year for first, _ in event.spans} == {2025, 2026, 2027}, event.id
        assert all(first <= last and last.year == first.year for first, last in event.spans)
        assert all(a[1] < b[0] for a, b in zip(event.spans, event.spans[1:], strict=False))
        assert event.factor is None or event.factor > 1


def test_what_is_on_and_how_much_it_brings() -> None:
    def ids(day: str) -> list[str]:
        return [event.id for event in events_on(date.fromisoformat(day))]

    assert ids("2026-11-10") == ["double_11", "double_11_peak", "ciie"]
    assert exposure_factor(date(2026, 11, 10)) == 5.0
    assert ids("2026-11-26") == []
    assert exposure_factor(date(2026, 11, 26)) == 1.0
    assert "ciie" in ids("2027-11-05")
    assert "new_year_goods" in ids("2026-02-01")
