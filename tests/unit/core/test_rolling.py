"""Rolling windows against a plain list, drawn as timelines of minutes."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipelines.core.metrics import ADDITIVE_NAMES, WINDOWS, Columns
from pipelines.core.rolling import Rolling

NOON = 29_000_000 // 60 * 60


def columns(orders: int, complaints: int = 0) -> Columns:
    out = {n: np.zeros(1, np.int64) for n in ADDITIVE_NAMES}
    out["orders"][:], out["complaints"][:] = orders, complaints
    return out


def orders(rolling: Rolling, minute: int) -> list[int]:
    return [int(w[0]) for w in rolling.windows("orders", minute, WINDOWS)]


def test_a_window_slides() -> None:
    #  minute   0  1  2  3  4  5
    #  orders   1  2  4  8  16 32      5 min at 4: 31, at 5: 62
    rolling = Rolling(1)
    for m in range(6):
        rolling.close(NOON + m, columns(2**m))
    assert orders(rolling, NOON + 4)[:2] == [16, 31]
    assert orders(rolling, NOON + 5)[:2] == [32, 62]


def test_minutes_that_were_passed_over_are_empty() -> None:
    #  minute   0  ..........  70      an hour later nothing of minute 0 is left
    rolling = Rolling(1)
    rolling.close(NOON, columns(7))
    rolling.close(NOON + 70, columns(1))
    assert orders(rolling, NOON + 70) == [1, 1, 1, 1]
    assert rolling.day("orders", NOON + 70)[0] == 8


def test_open_minutes_count_where_they_are_given() -> None:
    rolling = Rolling(1)
    rolling.close(NOON, columns(1))
    opens = [(NOON + 1, np.array([10])), (NOON + 2, np.array([100]))]
    assert [int(w[0]) for w in rolling.windows("orders", NOON + 2, WINDOWS, opens)][:2] == [
        100,
        111,
    ]


def test_the_day_is_clock_hours_and_forgets_the_25th() -> None:
    rolling = Rolling(1)
    for hour in range(26):
        rolling.close(NOON + 60 * hour, columns(1))
    assert rolling.day("orders", NOON + 60 * 25)[0] == 24


def test_an_absurd_sum_saturates_and_does_not_wrap() -> None:
    rolling = Rolling(1)
    rolling.close(NOON, columns(2**40))
    assert orders(rolling, NOON)[0] == 2**31 - 1


@given(st.lists(st.tuples(st.integers(1, 90), st.integers(0, 50)), min_size=1, max_size=60))
def test_agrees_with_sums_over_a_list(steps: list[tuple[int, int]]) -> None:
    rolling, at = Rolling(1), NOON
    history: dict[int, int] = {}
    for gap, count in steps:
        at += gap
        history[at] = count
        rolling.close(at, columns(count))
    expected = [sum(c for m, c in history.items() if at - w < m <= at) for w in WINDOWS]
    assert orders(rolling, at) == expected
    day = sum(c for m, c in history.items() if at // 60 - 24 < m // 60 <= at // 60)
    assert rolling.day("orders", at)[0] == day
