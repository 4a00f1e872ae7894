"""Where the demo's city begins, and how long it runs until it has caught up with the clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from deploy.demo.run import evening_before, until_now
from deploy.simulator import SimulatorOptions
from producers.clock import plan_span


@pytest.mark.parametrize(
    ("now", "evening"),
    [
        ("2026-11-23T11:00:00+00:00", "2026-11-22T11:00:00+00:00"),
        ("2026-11-23T22:59:00+00:00", "2026-11-22T11:00:00+00:00"),
        ("2026-11-23T23:00:00+00:00", "2026-11-23T11:00:00+00:00"),
    ],
)
def test_an_evening_at_least_twelve_hours_ago(now: str, evening: str) -> None:
    assert evening_before(datetime.fromisoformat(now)) == datetime.fromisoformat(evening)


def test_the_run_ends_when_event_time_has_caught_up() -> None:
    now = datetime(2026, 11, 23, 12, tzinfo=UTC)
    start = now - timedelta(hours=19)
    options = until_now(SimulatorOptions(10, 20.0, spikes=72), start, now)
    # 20 times as fast, the clock goes on for 1/20 of the run: 19 h * 20 / 19 = 20 h
    assert options.duration == "1200m"
    assert options.spikes == 60
    assert options.start == start.isoformat()


def test_a_short_run_has_no_spikes() -> None:
    now = datetime(2026, 11, 23, 12, tzinfo=UTC)
    assert (
        until_now(SimulatorOptions(10, 20.0, spikes=72), now - timedelta(minutes=30), now).spikes
        == 0
    )


@pytest.mark.parametrize("seconds", range(0, 60, 7))
def test_a_run_is_never_planned_past_the_clock(seconds: int) -> None:
    now = datetime(2026, 11, 26, 19, 12, seconds, tzinfo=UTC)
    start = evening_before(now)
    options = until_now(SimulatorOptions(10, 20.0, spikes=72), start, now)
    assert options.duration is not None
    length_ms = int(options.duration.removesuffix("m")) * 60_000
    begin_ms, now_ms = (round(at.timestamp() * 1000) for at in (start, now))
    assert plan_span(now_ms, length_ms, 20.0, begin_ms).end_ms - begin_ms == length_ms


def test_what_stopped_a_moment_ago_goes_on_at_life() -> None:
    """Less than a minute is nothing to catch up on, and a run of no length would be refused."""
    now = datetime(2026, 11, 26, 19, 12, 30, tzinfo=UTC)
    options = until_now(SimulatorOptions(10, 20.0, spikes=72), now - timedelta(seconds=20), now)
    assert (options.start, options.duration, options.speed) == (None, None, 1)
