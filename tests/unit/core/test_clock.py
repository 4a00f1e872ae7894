"""When a minute closes: watermarks, allowed lateness, silence. Times in seconds below."""

from __future__ import annotations

from pipelines.core.fold.clock import (
    ClockPolicy,
    TopicClock,
    close_through,
    minutes_to_close,
)
from pipelines.core.sources import SourceState

POLICY = ClockPolicy(lateness_ms=120_000, idle_ms=30_000)
T = "telemetry.viewers.v1"


def source(watermark_s: int, heard_s: int, *, final: bool = False) -> SourceState:
    return SourceState(watermark_s * 1000, heard_s * 1000, final)


def through(sources: dict[str, SourceState], now_s: int, newest: int | None = 100) -> int | None:
    keyed = {(T, "p01", name): state for name, state in sources.items()}
    return close_through(keyed, {T: TopicClock(now_s * 1000, True)}, newest, POLICY)


def test_a_minute_closes_when_its_source_is_past_it_by_the_lateness() -> None:
    #  minute 0 |60|           lateness 120
    #  watermark            179: open      180: closed
    assert through({"a": source(179, 500)}, 500) == -1
    assert through({"a": source(180, 500)}, 500) == 0


def test_the_slowest_live_source_holds_it() -> None:
    assert through({"a": source(600, 500), "b": source(240, 500)}, 500) == 1


def test_a_silent_source_does_not() -> None:
    #  b spoke last at 469; at 500 it has been silent for more than 30
    assert through({"a": source(600, 500), "b": source(240, 469)}, 500) == 7


def test_silence_is_judged_by_the_topics_own_clock() -> None:
    #  while the topic is being read again its clock stands at the record read, not at now
    assert through({"a": source(600, 471), "b": source(240, 469)}, 472) == 1


def test_a_goodbye_does_not_hold() -> None:
    assert through({"a": source(600, 500), "b": source(240, 500, final=True)}, 500) == 7


def test_with_nobody_left_all_that_was_spoken_of_closes() -> None:
    assert through({"a": source(600, 500, final=True)}, 500, newest=9) == 10
    assert through({"a": source(600, 400)}, 500, newest=12) == 12


def test_a_source_hours_behind_does_not_hold_the_city() -> None:
    assert through({"a": source(10_000, 500), "b": source(60, 500)}, 500) == 163


def test_nothing_closes_before_a_restart_has_read_what_was_read_before() -> None:
    sources = {(T, "p01", "a"): source(600, 500)}
    assert close_through(sources, {T: TopicClock(500_000, False)}, 9, POLICY) is None


def test_minutes_close_one_after_the_other() -> None:
    assert minutes_to_close(5, 2, [3, 5]) == [3, 4, 5]


def test_a_long_silence_is_passed_over() -> None:
    minutes = minutes_to_close(1000, 0, [1, 900])
    assert minutes[0] == 1
    assert 900 in minutes
    assert minutes[-1] == 1000
    assert len(minutes) < 40
    assert minutes == sorted(set(minutes))
