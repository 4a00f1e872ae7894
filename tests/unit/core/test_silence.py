"""F11, drawn minute by minute: when telemetry is missing or stands still, and when it is not."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from pipelines.core.flags import Entity
from pipelines.core.silence import STEADY, FrozenWatch, GapWatch, Silence, SilencePolicy
from pipelines.core.silence_flags import frozen_flag, gap_flag

DUE = 20


def gaps(drawing: str, due: int = DUE) -> list[tuple[bool, int, int]]:
    """# is a full minute, + one with 60% of what is due, . with 40%, _ with nothing."""
    share = {"#": 1.0, "+": 0.6, ".": 0.4, "_": 0.0}
    watch, out = GapWatch(), []
    for minute, one in enumerate(drawing):
        found = watch.close_minute(minute, {"p": round(due * share[one])}, {"p": due})
        out += [(s.opened, s.onset, s.minute) for s in found]
        watch = GapWatch.from_json(json.loads(json.dumps(watch.to_json())))  # a restart
        assert watch.close_minute(minute, {"p": 0}, {"p": due}) == []
    return out


@pytest.mark.parametrize(
    ("drawing", "events"),
    [
        ("##########", []),
        ("##_##_##.##", []),
        ("##+++++###", []),
        ("##__######", [(True, 2, 3), (False, 2, 5)]),
        ("##.._#_###", [(True, 2, 3), (False, 2, 8)]),
        ("##______##", [(True, 2, 3), (False, 2, 9)]),
        ("##__##__##", [(True, 2, 3), (False, 2, 5), (True, 6, 7), (False, 6, 9)]),
    ],
)
def test_a_platform_that_falls_silent(drawing: str, events: list[tuple[bool, int, int]]) -> None:
    assert gaps(drawing) == events


def test_a_handful_of_sessions_says_nothing_of_its_platform() -> None:
    assert gaps("##_____##", due=4) == []


def test_a_gap_goes_on_when_nobody_is_due_any_more() -> None:
    watch = GapWatch()
    assert watch.close_minute(0, {}, {"p": DUE}) == []
    assert [s.opened for s in watch.close_minute(1, {}, {"p": DUE})] == [True]
    for minute in range(2, 40):
        assert watch.close_minute(minute, {}, {}) == []
    assert watch.close_minute(40, {"p": 8}, {"p": 8}) == []
    assert [s.opened for s in watch.close_minute(41, {"p": 8}, {"p": 8})] == [False]


def columns(viewers: int, clicks: int, interactions: int) -> Any:
    values = (1000 * viewers, clicks, interactions)
    return {n: np.array([v]) for n, v in zip(STEADY, values, strict=True)}


def frozen(minutes: list[tuple[int, int, int] | None]) -> list[tuple[bool, int, int]]:
    watch, out = FrozenWatch(1), []
    for minute, one in enumerate(minutes):
        found = watch.close_minute(
            minute, columns(*(one or (0, 0, 0))), np.array([one is not None])
        )
        out += [(s.opened, s.onset, s.minute) for s in found]
    return out


MOVING = [(501 + i, 9, 40 + i % 3) for i in range(20)]


def test_a_session_that_stands_still() -> None:
    still = [(500, 9, 40)] * 14
    assert frozen(MOVING) == []
    assert frozen([*MOVING, *still[:9], *MOVING]) == []
    assert frozen([*MOVING, *still, *MOVING]) == [(True, 20, 29), (False, 20, 34)]
    assert frozen([*MOVING, *still, None, None]) == [(True, 20, 29), (False, 20, 34)]
    assert frozen([*still[:8], None, *still[:8]]) == []


def test_a_quiet_room_may_stand_still() -> None:
    assert frozen([(0, 0, 0)] * 30) == []
    assert frozen([(9, 30, 30)] * 30) == []
    assert frozen([(5000, 2, 2)] * 30) == []


def test_frozen_after_a_restart_neither_opens_twice_nor_is_forgotten() -> None:
    first = FrozenWatch(1)
    seen = np.array([True])
    for minute in range(12):
        first.close_minute(minute, columns(500, 9, 40), seen)
    kept = json.loads(json.dumps(first.to_json()))
    again = FrozenWatch(1)
    for _ in range(10):  # the ring of minutes; the last two come again
        again.add_minute(columns(500, 9, 40), seen)
    again.restore(kept)
    assert again.close_minute(10, columns(500, 9, 40), seen) == []
    assert again.close_minute(11, columns(500, 9, 40), seen) == []
    assert again.close_minute(12, columns(500, 9, 40), seen) == []
    (end,) = again.close_minute(13, columns(7, 9, 40), seen)
    assert (end.opened, end.onset) == (False, 0)


def test_the_sentences_say_unknown_and_not_zero() -> None:
    at = 1_790_000_100_000 // 60_000
    flag = gap_flag(Silence(True, "p01", at, at + 2, 1, 20), "p01", SilencePolicy(), 0)
    assert flag.flag_id == f"F11:platform/p01/p01:{at * 60_000}"
    assert "1 of 20 live sessions" in flag.sentence_en
    assert "unknown, not zero" in flag.sentence_en
    assert "未知（不是零）" in flag.sentence_zh
    room = Entity("session", "ab" * 16, "p01", "food")
    still = frozen_flag(Silence(True, 0, at, at + 9, 10, 10), room, 0)
    assert "same viewers, clicks and interactions for 10 minutes" in still.sentence_en
    assert "连续 10 分钟" in still.sentence_zh
