"""Which hours a run computes, and in how many statements."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from pipelines.warehouse.hours import Noted, chunks, due

NOW = datetime(2026, 11, 26, 12, 30, tzinfo=UTC)
NEVER = datetime(1970, 1, 1, tzinfo=UTC)


def hour(number: int) -> datetime:
    return datetime(2026, 11, 26, number, tzinfo=UTC)


def noted(number: int, touched_min: float, computed_min: float | None) -> Noted:
    """Touched, and computed, so many minutes before NOW."""
    ago = [None if m is None else NOW - timedelta(minutes=m) for m in (touched_min, computed_min)]
    return hour(number), ago[0] or NEVER, ago[1] or NEVER


def test_an_hour_is_computed_once_it_rests() -> None:
    assert due([noted(11, 10.5, None), noted(12, 9.5, None)], NOW) == [hour(11)]


def test_an_hour_that_holds_is_left_alone() -> None:
    assert due([noted(9, 200, 189)], NOW) == []


def test_a_minute_up_to_ten_minutes_before_a_run_may_not_have_been_read() -> None:
    assert due([noted(9, 200, 190.5)], NOW) == [hour(9)]


def test_each_hour_stands_for_itself() -> None:
    found = due([noted(11, 2, 60), noted(9, 20, 60), noted(10, 100, 60)], NOW)
    assert found == [hour(9)]


def test_hours_that_follow_one_another_are_one_statement_up_to_six() -> None:
    hours = [hour(n) for n in (0, 1, 3, *range(5, 13))]
    assert [[h.hour for h in some] for some in chunks(hours)] == [
        [0, 1], [3], [5, 6, 7, 8, 9, 10], [11, 12],
    ]  # fmt: skip
    assert list(chunks([])) == []
