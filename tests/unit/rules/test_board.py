"""Episodes, and a restart at any minute: the same flags as without it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from pipelines.core.rules import RULES, RuleBoard, RuleEvent
from pipelines.core.rules.boards import platform_board, session_board
from pipelines.core.rules.episodes import Book
from pipelines.core.rules.protocol import Scores
from tests.unit.rules.test_detectors import START, Minute, session_minutes

N = 5


def scores(value: float, volume: float = 100.0) -> Scores:
    one = np.array([value])
    return Scores(one, np.array([volume]), one, one * 0, one * 0)


def walk(values: list[float], rule: str = "F03") -> str:
    """One letter a bin: o opened, e escalated, c cleared, . nothing."""
    book, out = Book(), ""
    for i, value in enumerate(values):
        events = book.advance(RULES[rule], i, scores(value))
        out += events[0].change.value[0] if events else "."
        book = Book.from_json(book.to_json())
    return out


@pytest.mark.parametrize(
    ("values", "told"),
    [
        # watch 5, raised 8, critical 14; clear after six known bins below 2; rests for twelve
        ([0, 5, 5, 8, 14, 14], ".o.ee."),
        ([9, 0, 0, 0, 0, 0, 0, 0], "o.....c."),
        ([9, 0, 0, 3, 0, 0, 0, 0, 0, 0], "o........c"),
        ([9, 0, 0, float("nan"), 0, 0, 0, 0], "o......c"),
        ([9, *[0] * 6, 9, 14], "o.....c.o"),
        ([9, *[0] * 6, *[0] * 12, 9], "o.....c............o"),
    ],
)
def test_episodes(values: list[float], told: str) -> None:
    assert walk(values) == told


def test_a_series_that_ends_takes_its_episode_with_it() -> None:
    book = Book()
    book.advance(RULES["F03"], 1, scores(9))
    (event,) = book.end(RULES["F03"], 2, [0])
    assert event.change == "ended"
    assert event.onset == 1
    assert not book.end(RULES["F03"], 3, [0])


@pytest.mark.parametrize(
    "wrong",
    [{"watch": 9.0}, {"clear_below": 6.0}, {"guard": 0}, {"critical": float("inf")}],
)
def test_a_table_that_contradicts_itself_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="F03"):
        replace(RULES["F03"], **wrong)


def feed(board: RuleBoard, minutes: list[Minute], first: int) -> list[RuleEvent]:
    on, group = np.ones(N, bool), np.zeros(N, np.int64)
    events = []
    for i, one in enumerate(minutes):
        events += board.close_minute(START + first + i, one, on, on, group)
    return events


def restarted(board: RuleBoard, minutes: list[Minute], stop: int, at: dict[str, Any]) -> RuleBoard:
    """As a worker is: the arrays of the last bin, the books of now, the minutes in between."""
    new = session_board()
    new.restore({name: values.copy() for name, values in at.items()})
    new.restore_books(board.to_json())
    for minute in range(stop // 5 * 5, stop):
        new.add_minute(START + minute, minutes[minute], np.ones(N, bool))
    return new


@pytest.mark.parametrize("stop", [31, 64, 65, 68, 90, 101])
def test_a_restart_at_any_minute_changes_nothing(stop: int) -> None:
    def change(minute: int, one: Minute) -> None:
        if 60 <= minute < 75:
            one["orders"][0] += 12
            one["viewer_milliminutes"][1] *= 20
            one["safety"][2] = int(minute % 5 == 0)
            one["ghost_orders"][3] = 1

    minutes = session_minutes(130, change, series=N)
    whole = feed(session_board(), minutes, 0)
    assert {e.rule.id for e in whole} == {"F02", "F03", "F04", "F07"}
    board = session_board()
    before = feed(board, minutes[: stop // 5 * 5], 0)
    arrays = board.to_arrays()
    before += feed(board, minutes[stop // 5 * 5 : stop], stop // 5 * 5)
    after = feed(restarted(board, minutes, stop, arrays), minutes[stop:], stop)
    assert before + after == whole


def test_a_bin_that_closes_again_decides_nothing_twice() -> None:
    """The book may be ahead of the arrays, where a worker died between the two."""

    def change(minute: int, one: Minute) -> None:
        one["ghost_orders"][0] = int(minute >= 10) * 3

    minutes = session_minutes(30, change, series=N)
    board = session_board()
    feed(board, minutes[:10], 0)
    arrays = board.to_arrays()
    told = feed(board, minutes[10:20], 10)
    assert told
    again = restarted(board, minutes, 10, arrays)
    assert not feed(again, minutes[10:20], 10)


def test_a_checkpoint_from_before_an_array_goes_on() -> None:
    board = platform_board()
    board.grow(4)
    kept = {k: v for k, v in board.to_arrays().items() if not k.endswith(".away")}
    again = platform_board()
    again.restore(kept)
    again.grow(4)
    assert len(again.to_arrays()["F06.away"]) == 4
