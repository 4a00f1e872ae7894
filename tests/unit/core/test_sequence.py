"""Sequence numbers: repeats are found, losses are provable, memory is bounded."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from pipelines.core.sequence import MAX_RANGES, SequenceRange


def test_a_gap_is_missing_until_it_comes() -> None:
    seen = SequenceRange()
    assert [seen.add(n) for n in (0, 1, 3, 4)] == [True] * 4
    assert (seen.next, seen.missing) == (2, 1)
    assert seen.add(2)
    assert (seen.next, seen.missing) == (5, 0)


def test_a_repeat_is_told_below_and_above_the_gap() -> None:
    seen = SequenceRange()
    for n in (0, 1, 5):
        seen.add(n)
    assert not seen.add(1)
    assert not seen.add(5)


def test_a_stream_met_in_the_middle_has_not_lost_its_past() -> None:
    seen = SequenceRange()
    assert seen.add(1000)
    assert seen.missing == 0
    assert seen.add(1002)
    assert seen.missing == 1
    assert seen.add(999), "an earlier one that comes later is not a repeat"


def test_ranges_are_bounded_and_what_is_given_up_stays_counted() -> None:
    seen = SequenceRange()
    seen.add(0)
    for n in range(2, 4 * MAX_RANGES, 2):
        seen.add(n)
    assert len(seen.above) <= MAX_RANGES
    assert seen.missing == 2 * MAX_RANGES - 1


@given(st.integers(1, 60), st.integers(0, 2**32))
def test_agrees_with_a_set(n: int, seed: int) -> None:
    rng = random.Random(seed)
    seen, reference = SequenceRange(), set()
    for number in [0, *(rng.randrange(n) for _ in range(2 * n))]:
        assert seen.add(number) == (number not in reference)
        reference.add(number)
    assert seen.missing == max(reference) + 1 - len(reference)
    assert SequenceRange.from_json(seen.to_json()) == seen
