"""What each rule finds, what it leaves alone, and what bad input does to it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from pipelines.core.detect import Grade
from pipelines.core.rules import RULES, RuleBoard, RuleEvent
from pipelines.core.rules.boards import (
    MERCHANT_COLUMNS,
    PLATFORM_COLUMNS,
    SESSION_COLUMNS,
    merchant_board,
    platform_board,
    session_board,
)

Minute = dict[str, Any]
START = 1_790_000_100 // 300 * 5
"""A minute at which a bin begins."""


def play(
    board: RuleBoard, minutes: list[Minute], known: list[bool] | None = None, start: int = START
) -> list[RuleEvent]:
    """Each minute has arrays by series; series are all of one group."""
    events = []
    for i, columns in enumerate(minutes):
        n = len(next(iter(columns.values())))
        on = np.full(n, known[i] if known else True)
        live, group = np.ones(n, bool), np.zeros(n, np.int64)
        arrays = {k: np.asarray(v) for k, v in columns.items()}
        events += board.close_minute(start + i, arrays, on, live, group)
    return events


def found(events: list[RuleEvent], rule: str, slot: int = 0) -> list[tuple[str, str]]:
    return [
        (e.change.value, e.grade.name.lower())
        for e in events
        if e.rule.id == rule and e.slot == slot
    ]


def session_minutes(
    count: int, change: Callable[[int, Minute], None], seed: int = 1, series: int = 20
) -> list[Minute]:
    """Sessions with 600 viewers each, 72 clicks, 240 interactions and 1 order a minute."""
    rng, out = np.random.default_rng(seed), []
    for minute in range(count):
        one: Minute = {
            "orders": rng.poisson(1.0, series),
            "clicks": rng.poisson(72.0, series),
            "interactions": rng.poisson(240.0, series),
            "viewer_milliminutes": np.full(series, 600_000) + rng.integers(0, 30_000, series),
            "seen": np.ones(series, np.int64),
            "safety": np.zeros(series, np.int64),
            "ghost_orders": np.zeros(series, np.int64),
            "uncertified": np.zeros(series, np.int64),
        }
        change(minute, one)
        out.append(one)
    return out


def nothing(_minute: int, _one: Minute) -> None:
    """No change."""


@pytest.mark.parametrize("seed", range(4))
def test_sessions_in_peace_have_no_flag(seed: int) -> None:
    assert not play(session_board(), session_minutes(360, nothing, seed))


def test_faked_orders_are_a_conversion_outlier_and_clear_again() -> None:
    def change(minute: int, one: Minute) -> None:
        if 120 <= minute < 140:
            one["orders"][0] += 11

    events = play(session_board(), session_minutes(240, change))
    assert found(events, "F03")[0][0] == "opened"
    assert ("escalated", "critical") in found(events, "F03")
    assert found(events, "F03")[-1][0] == "cleared"
    assert not any(e.slot for e in events)
    first = events[0]
    assert first.observed > 3 * first.expected > 0
    assert first.end_ms - (START + 120) * 60_000 <= 15 * 60_000


def test_a_platform_that_sells_more_per_click_than_we_thought_is_not_flagged_for_it() -> None:
    def change(_minute: int, one: Minute) -> None:
        one["orders"][:] *= 25

    assert not play(session_board(), session_minutes(240, change))


def test_viewers_that_do_nothing_are_found_and_a_popular_guest_is_not() -> None:
    def change(minute: int, one: Minute) -> None:
        if 60 <= minute < 80:
            one["viewer_milliminutes"][:2] *= 20
            one["clicks"][1] *= 20
            one["interactions"][1] *= 20

    events = play(session_board(), session_minutes(150, change))
    assert [f[0] for f in found(events, "F04")][-1] == "cleared"
    assert any(g in ("raised", "critical") for _, g in found(events, "F04"))
    assert not found(events, "F04", 1)


def test_a_jump_across_a_gap_is_no_jump() -> None:
    def change(minute: int, one: Minute) -> None:
        if 60 <= minute < 70:
            one["seen"][:] = one["viewer_milliminutes"][:] = 0
        if minute >= 70:
            one["viewer_milliminutes"][:] *= 20

    assert not found(play(session_board(), session_minutes(120, change)), "F04")


def test_a_platform_that_reports_no_activity_is_not_flagged_for_it() -> None:
    def change(minute: int, one: Minute) -> None:
        one["clicks"][:] = one["interactions"][:] = 0
        if minute >= 60:
            one["viewer_milliminutes"][:] *= 20

    assert not found(play(session_board(), session_minutes(120, change)), "F04")


def test_orders_without_viewers() -> None:
    def change(minute: int, one: Minute) -> None:
        if 30 <= minute < 50:
            one["ghost_orders"][0] = 2

    events = found(play(session_board(), session_minutes(90, change)), "F07")
    assert events == [("opened", "raised"), ("escalated", "critical"), ("cleared", "critical")]


@pytest.mark.parametrize(
    ("times", "flagged"),
    [
        ((10, 400, 1300), True),  # three within 24 clock hours
        ((10, 400, 1600), False),  # the first is out of the window by then
        ((10, 400), False),
    ],
)
def test_safety_complaints_within_a_day(times: tuple[int, ...], flagged: bool) -> None:
    """|--1h--|- ... -|--24h--|: counts are of the clock hour and the 23 before it."""

    def change(minute: int, one: Minute) -> None:
        one["safety"][0] = int(minute in times)

    start = START // 60 * 60
    events = play(session_board(), session_minutes(1700, change, series=2), start=start)
    assert bool(found(events, "F02")) is flagged


def merchant_minutes(count: int, change: Callable[[int, Minute], None], seed: int = 1) -> Any:
    rng, out = np.random.default_rng(seed), []
    for minute in range(count):
        one: Minute = {name: np.zeros(30, np.int64) for name in MERCHANT_COLUMNS}
        one["orders"] = rng.poisson(4.0, 30)
        one["refunds"] = rng.poisson(4.0 * 0.15, 30)
        change(minute, one)
        out.append(one)
    return out


@pytest.mark.parametrize("seed", range(3))
def test_merchants_in_peace_have_no_flag(seed: int) -> None:
    assert not play(merchant_board(), merchant_minutes(600, nothing, seed))


def test_a_refund_surge() -> None:
    def change(minute: int, one: Minute) -> None:
        if 200 <= minute < 225:
            one["refunds"][0] += 2

    events = play(merchant_board(), merchant_minutes(300, change))
    assert {e.rule.id for e in events} == {"F05"}
    assert any(g in ("raised", "critical") for _, g in found(events, "F05"))


def test_off_platform_reports_and_repetition() -> None:
    def change(minute: int, one: Minute) -> None:
        one["off_platform"][3] = 2 if minute in (12, 40) else 0
        one["offences"][4] = int(minute in (3, 100, 200))

    events = play(merchant_board(), merchant_minutes(300, change))
    assert found(events, "F08", 3)[0] == ("opened", "raised")
    assert found(events, "F12", 4)[0] == ("opened", "raised")


def platform_minutes(count: int, factor: int, seed: int = 2) -> list[Minute]:
    rng, out = np.random.default_rng(seed), []
    mean = np.linspace(20, 2, 12)
    for minute in range(count):
        now = mean * np.where((np.arange(12) == 7) & (480 <= minute < 520), factor, 1)
        mix = rng.poisson(now, (2, 12))
        mix[1] = rng.poisson(mean)
        out.append({"orders": mix.sum(axis=1), "mix": mix})
    return out


def test_a_category_that_takes_over() -> None:
    assert not play(platform_board(), platform_minutes(600, 1))
    events = play(platform_board(), platform_minutes(600, 6))
    assert found(events, "F06")[0][0] == "opened"
    assert not found(events, "F06", 1)
    assert events[0].detail == 7
    assert events[0].observed > events[0].expected


def test_live_sessions_without_reviews() -> None:
    """Platform 0 stops to review; platform 1 goes on; platform 2 says nothing of reviews at all."""
    minutes = []
    for minute in range(200):
        end = (minute + 1) % 5 == 0
        reviewed = np.array([0 if 100 <= minute < 130 else 98, 98, 0]) * end
        live = np.array([100, 100, 0]) * end
        none = np.zeros((3, 12), np.int64)
        minutes.append({"orders": none[:, 0], "mix": none, "live": live, "reviewed": reviewed})
    events = play(platform_board(), minutes)
    assert {e.slot for e in events} == {0}
    assert found(events, "F09") == [
        ("opened", "watch"), ("escalated", "raised"), ("escalated", "critical"),
        ("cleared", "critical"),
    ]  # fmt: skip


@pytest.mark.parametrize("first", [0, 3, 9])
def test_a_platform_of_which_only_the_last_minute_of_a_bin_was_heard(first: int) -> None:
    """It begins, or comes back, in a bin in which hardly a session can have been reviewed."""
    minutes = []
    for minute in range(100):
        bin_, end = minute // 5, (minute + 1) % 5 == 0
        live = np.array([0 if bin_ < first else 820]) * end
        reviewed = np.array([0 if bin_ < first else 68 if bin_ == first else 800]) * end
        none = np.zeros((1, 12), np.int64)
        minutes.append({"orders": none[:, 0], "mix": none, "live": live, "reviewed": reviewed})
    told = {grade for _, grade in found(play(platform_board(), minutes), "F09")}
    assert told <= {"watch"}


def test_a_large_audience_without_a_certificate() -> None:
    def change(minute: int, one: Minute) -> None:
        if minute >= 30:
            one["viewer_milliminutes"][:2] = 30_000_000
            one["uncertified"][0] = one["viewer_milliminutes"][0]

    events = play(session_board(), session_minutes(90, change))
    assert found(events, "F10") == [("opened", "raised")]
    assert not found(events, "F10", 1)


# -- bad input --------------------------------------------------------------------------------

BOARDS = {
    "session": (session_board, SESSION_COLUMNS),
    "merchant": (merchant_board, MERCHANT_COLUMNS),
    "platform": (platform_board, PLATFORM_COLUMNS),
}
FEEDS: dict[str, Callable[[np.random.Generator, tuple[int, ...]], Any]] = {
    "zeros": lambda _r, shape: np.zeros(shape, np.int64),
    "constant": lambda _r, shape: np.full(shape, 7),
    "huge": lambda _r, shape: np.full(shape, 2**31),
    "negative": lambda _r, shape: np.full(shape, -5),
    "wild": lambda r, shape: (
        np.where(r.random(shape) < 0.02, 2**31, r.integers(0, 9, shape)) * (r.random(shape) < 0.5)
    ),
}


@pytest.mark.parametrize("level", BOARDS)
@pytest.mark.parametrize("feed", FEEDS)
def test_no_nan_escapes_and_no_storm_breaks_loose(level: str, feed: str) -> None:
    make, names = BOARDS[level]
    board, rng, n, minutes = make(), np.random.default_rng(1), 6, 240
    feeds = [
        {k: FEEDS[feed](rng, (n, 12) if k == "mix" else (n,)) for k in names}
        for _ in range(minutes)
    ]
    events = play(board, feeds)
    for event in events:
        numbers = (event.observed, event.expected, event.exposure, event.score, event.detail)
        assert np.isfinite(numbers).all()
    for name, values in board.to_arrays().items():
        if values.dtype.kind == "f" and not name.endswith((".last", ".usual", ".median")):
            assert np.isfinite(values).all(), name
    opened = [e for e in events if e.change.value == "opened"]
    assert len({(e.rule.id, e.slot) for e in opened}) * 2 >= len(opened), "it opens again and again"
    if feed in ("zeros", "negative"):
        assert not events


@pytest.mark.parametrize("level", BOARDS)
def test_what_is_not_heard_of_neither_opens_nor_clears(level: str) -> None:
    make, names = BOARDS[level]
    board, n = make(), 4
    quiet = {k: np.zeros((n, 12) if k == "mix" else (n,), np.int64) for k in names}
    loud = {k: v + (1 if k in ("safety", "off_platform") else 0) for k, v in quiet.items()}
    opened = play(board, [loud] * 5)
    if level != "platform":
        assert opened
    silence = play(board, [quiet] * 300, known=[False] * 300, start=START + 5)
    assert not silence


def test_a_grade_needs_its_guard_and_the_highest_counts() -> None:
    rule = RULES["F03"]
    assert rule.grade(rule.critical, rule.guard) is Grade.CRITICAL
    assert rule.grade(rule.critical, rule.guard - 1) is None
    assert rule.grade(float("nan"), rule.guard) is None
    assert rule.grade(rule.watch, float("nan")) is None
