"""When a minute closes: watermarks, allowed lateness, silence. Times in seconds below."""

from __future__ import annotations

from pipelines.core.fold.clock import (
    ClockPolicy,
    TopicClock,
    ahead,
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


V, ORD, C = "telemetry.viewers.v1", "telemetry.orders.v1", "telemetry.complaints.v1"


def read_to(**topics: tuple[int, bool]) -> dict[str, TopicClock]:
    """Clock of each topic: (broker time of the last record read, s; read to the end)."""
    names = {"v": V, "o": ORD, "c": C}
    return {names[k]: TopicClock(at * 1000, True, end) for k, (at, end) in topics.items()}


def test_a_topic_that_is_read_slowly_holds_the_minutes_that_others_have_passed() -> None:
    #  viewers    ......250                  more to read
    #  complaints ......................9000 read to the end, over two hours ahead
    sources = {(V, "p01", "a"): source(250, 250), (C, "p01", "a"): source(9000, 9000)}
    clocks = read_to(v=(250, False), c=(9000, True))
    assert close_through(sources, clocks, 149, POLICY) == 1


def test_a_topic_of_which_nothing_was_read_yet_holds_everything() -> None:
    sources = {(C, "p01", "a"): source(9000, 9000)}
    clocks = read_to(v=(0, False), c=(9000, True))
    assert (close_through(sources, clocks, 149, POLICY) or 0) < 0


def test_a_topic_between_two_sources_holds_at_the_record_it_has_come_to() -> None:
    #  viewers: one said goodbye at 300; the next is known to come only when it has been read
    sources = {(V, "p01", "a"): source(300, 300, final=True), (C, "p01", "b"): source(9000, 9000)}
    clocks = read_to(v=(300, False), c=(9000, True))
    assert close_through(sources, clocks, 149, POLICY) == 2


def test_a_source_that_stands_still_at_the_end_of_its_topic_does_not_hold_the_others() -> None:
    #  it goes on sending, and what it promises is over an hour old
    sources = {(V, "p01", "a"): source(60, 9000), (C, "p01", "a"): source(9000, 9000)}
    clocks = read_to(v=(9000, True), c=(9000, True))
    assert close_through(sources, clocks, 149, POLICY) == 147


def test_the_topic_that_is_ahead_waits_and_complaints_wait_last() -> None:
    bounds = {V: 600_000, ORD: 600_000, C: 7_200_000}
    #  viewers 250, more to read; orders 900; complaints 2000
    clocks = read_to(v=(250, False), o=(900, False), c=(2000, False))
    at = {V: 250_000, ORD: 900_000, C: 2_000_000}
    assert ahead(at, clocks, bounds) == {ORD}
    assert ahead(at | {C: 9_000_000}, clocks, bounds) == {ORD, C}


def test_the_slowest_never_waits_and_nobody_waits_for_one_that_is_read_to_its_end() -> None:
    at = {V: 250_000, ORD: 9_000_000}
    bounds = {V: 0, ORD: 0}
    assert ahead(at, read_to(v=(250, False), o=(9000, False)), bounds) == {ORD}
    assert ahead(at, read_to(v=(250, True), o=(9000, False)), bounds) == set()


def test_a_restart_holds_no_more_minutes_than_its_bound() -> None:
    sources = {(V, "p01", "a"): source(6000, 500)}
    clocks = {V: TopicClock(500_000, False, False)}
    held = ClockPolicy(lateness_ms=0, idle_ms=30_000, max_held_minutes=5)
    assert close_through(sources, clocks, 9, held, closed=1) == 7
    assert close_through(sources, clocks, 9, held, closed=2) is None
