"""Fold in offset order: repeats are dropped, what lies beyond a hole is held."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from pipelines.core.positions import Position


def offer(position: Position[str], offset: int, now: float = 0.0) -> list[int]:
    return [o for o, _ in position.offer(offset, str(offset), now)]


def test_in_order() -> None:
    position = Position[str](5)
    assert offer(position, 5) == [5]
    assert offer(position, 6) == [6]
    assert position.next == 7


def test_a_repeat_is_dropped() -> None:
    position = Position[str](5)
    assert offer(position, 4) == []
    assert offer(position, 5) == [5]
    assert offer(position, 5) == []


def test_what_lies_beyond_a_hole_waits_for_it() -> None:
    #  offsets   5  .  7  8      then 6 comes
    position = Position[str](5)
    assert offer(position, 5, 0.0) == [5]
    assert offer(position, 7, 1.0) == []
    assert offer(position, 8, 2.0) == []
    assert position.hole_age(4.0) == 3.0
    assert offer(position, 6, 5.0) == [6, 7, 8]
    assert position.hole_age(9.0) == 0.0


def test_a_second_hole_has_its_own_age() -> None:
    position = Position[str](0)
    offer(position, 1, 0.0)
    offer(position, 3, 5.0)
    assert offer(position, 0, 6.0) == [0, 1]
    assert position.hole_age(7.0) == 1.0


@given(st.integers(1, 40), st.integers(0, 2**32))
def test_any_order_with_repeats_folds_each_once_and_in_order(n: int, seed: int) -> None:
    rng = random.Random(seed)
    arrivals = [i for i in range(n) for _ in range(rng.randint(1, 3))]
    rng.shuffle(arrivals)
    position = Position[str](0)
    folded = [o for offset in arrivals for o in offer(position, offset)]
    assert folded == list(range(n))
    assert not position.held


def test_a_missing_record_is_asked_for_less_and_less_often_until_it_comes() -> None:
    position: Position[str] = Position(5)
    assert not position.seek_due(0.0, 2.0)
    position.offer(7, "c", 0.0)
    asked = [now for now in range(40) if position.seek_due(float(now), 2.0)]
    assert asked == [2, 4, 8, 16, 32]
    position.offer(5, "a", 40.0)  # 6 is still missing: a new hole
    assert [n for n in range(40, 46) if position.seek_due(float(n), 2.0)] == [42, 44]
    position.offer(6, "b", 46.0)
    assert not position.seek_due(100.0, 2.0)
