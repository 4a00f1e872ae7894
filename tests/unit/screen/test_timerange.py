"""Time ranges from the address bar, and Grafana's steps."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from grafana.screen.errors import BadRequestError
from grafana.screen.timerange import TimeRange, resolve, step_seconds

NOW = datetime(2026, 11, 11, 13, 0, tzinfo=UTC)
LATEST = datetime(2026, 11, 11, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("start", "end", "span"),
    [
        ("now-1h", "now", TimeRange(NOW - timedelta(hours=1), NOW)),
        ("latest-60m", "latest", TimeRange(LATEST - timedelta(hours=1), LATEST)),
        ("latest-15m", "now", TimeRange(LATEST - timedelta(minutes=15), NOW)),
        ("1794398400000", "2026-11-11T13:00:00Z", TimeRange(LATEST, NOW)),
        ("2026-11-11T20:00:00+08:00", "now", TimeRange(LATEST, NOW)),
    ],
)
def test_a_range_is_read(start: str, end: str, span: TimeRange) -> None:
    assert resolve(start, end, NOW, LATEST) == span


def test_without_data_the_latest_moment_is_now() -> None:
    assert resolve("latest-60m", "latest", NOW, None).end == NOW


@pytest.mark.parametrize(
    ("start", "end", "code"),
    [
        ("now", "now", "empty_range"),
        ("now", "now-1h", "empty_range"),
        ("now-3650d", "now", "range_too_long"),
        ("now-32d", "now", "range_too_long"),
        ("now-999999d", "now", "bad_time"),
        ("0", "now", "bad_time"),
        ("999999999999999", "now", "bad_time"),
        ("yesterday", "now", "bad_time"),
        ("2026-11-11T12:00:00", "now", "bad_time"),
        ("now-1h; SELECT 1", "now", "bad_time"),
        ("", "now", "bad_time"),
        ("１７９４３９８４０００００", "now", "bad_time"),
    ],
)
def test_a_range_that_makes_no_sense_is_refused_in_both_languages(
    start: str, end: str, code: str
) -> None:
    with pytest.raises(BadRequestError) as refused:
        resolve(start, end, NOW, LATEST)
    assert refused.value.code == code
    assert refused.value.status == 400
    assert refused.value.zh
    assert refused.value.en


@pytest.mark.parametrize(
    ("hours", "step"),
    [(0.25, 60), (1, 60), (6, 60), (24, 300), (24 * 7, 1800), (24 * 31, 7200)],
)
def test_steps_are_those_of_grafana(hours: float, step: int) -> None:
    span = TimeRange(NOW - timedelta(hours=hours), NOW)
    assert step_seconds(span, max_points=400, minimum=60) == step
