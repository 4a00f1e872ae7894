from __future__ import annotations

import pytest

from producers.clock import EventClock, plan_span
from producers.errors import UsageError
from producers.units import parse_duration, parse_range, parse_time

NOW = 1_800_000_000_000
HOUR = 3_600_000


@pytest.mark.parametrize("speed", [1.0, 2.0, 60.0, 1000.0])
def test_a_bounded_run_ends_when_the_wall_gets_there(speed: float) -> None:
    span = plan_span(NOW, 2 * HOUR, speed)
    clock = EventClock(span.start_ms, NOW, speed)
    assert span.end_ms is not None
    assert clock.due_ms(span.end_ms) == pytest.approx(span.end_ms, abs=1)
    # and nowhere before is event time ahead of the wall
    for event in range(span.start_ms, span.end_ms, HOUR // 4):
        due = clock.due_ms(event)
        assert due is not None
        assert event <= due + 1


def test_a_slow_run_starts_now() -> None:
    assert plan_span(NOW, HOUR, 0.5).start_ms == NOW


def test_as_fast_as_possible_ends_at_now() -> None:
    assert plan_span(NOW, HOUR, None).end_ms == NOW


def test_a_start_that_is_too_late_is_refused_with_the_remedy() -> None:
    with pytest.raises(UsageError, match=r"3600 s too late.*start earlier"):
        plan_span(NOW, 2 * HOUR, None, NOW - HOUR)


def test_an_endless_run_goes_at_the_speed_of_the_clock() -> None:
    span = plan_span(NOW, 0, 1.0)
    assert (span.start_ms, span.end_ms) == (NOW, None)


def test_an_endless_fast_run_ends_when_it_has_caught_up() -> None:
    span = plan_span(NOW, 0, 3.0, NOW - HOUR)
    assert span.end_ms == NOW + HOUR // 2
    with pytest.raises(UsageError, match="would pass the clock"):
        plan_span(NOW, 0, 3.0)


@pytest.mark.parametrize(
    ("text", "ms"), [("30s", 30_000), ("1h30m", 5_400_000), ("0", 0), ("1.5h", 5_400_000)]
)
def test_durations(text: str, ms: int) -> None:
    assert parse_duration(text) == ms


@pytest.mark.parametrize("text", ["", "5", "2 hours", "h", "-3s"])
def test_what_is_not_a_duration_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is not a duration"):
        parse_duration(text)


def test_times_and_ranges() -> None:
    assert parse_time("2026-06-18T20:00+08:00") == parse_time("2026-06-18T12:00")
    assert parse_range("20-40") == (20.0, 40.0)
    with pytest.raises(UsageError):
        parse_range("40-20")
