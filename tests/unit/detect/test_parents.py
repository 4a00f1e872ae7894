"""A rise everywhere is the parent's; a rise of one child is the child's."""

from __future__ import annotations

import math

import numpy as np
import pytest

from pipelines.core.detect import parent_rise
from pipelines.core.detect.parents import likely, stands_out

USUAL = np.full(40, 2.0)


def explained(seen: np.ndarray) -> list[bool]:
    """Of each child, whether the rise of all explains it."""
    rise = parent_rise(seen, USUAL, parent_in_episode=True)
    return [likely(rise, one, 2.0) for one in seen.tolist()]


def test_everywhere_at_once() -> None:
    seen = np.random.default_rng(1).poisson(3 * USUAL).astype(float)
    rise = parent_rise(seen, USUAL, parent_in_episode=True)
    assert rise.wide
    assert 2.0 < rise.ratio < 3.2
    assert all(explained(seen))


def test_one_child_lifts_its_parent_alone() -> None:
    seen = USUAL.copy()
    seen[3] = 200
    assert not parent_rise(seen, USUAL, parent_in_episode=True).wide
    assert not any(explained(seen))


def test_a_child_far_above_the_general_rise_keeps_its_alert() -> None:
    seen = 3 * USUAL
    seen[3] = 200
    assert [i for i, yes in enumerate(explained(seen)) if not yes] == [3]


def test_only_while_the_parent_is_in_an_episode() -> None:
    rise = parent_rise(3 * USUAL, USUAL, parent_in_episode=False)
    assert not rise.wide
    assert not likely(rise, 0.0, 2.0)


def test_unknown_and_idle_children_take_no_part() -> None:
    seen, usual = np.array([9.0, 9.0, math.nan, 5.0, 9.0]), np.array([3.0, 3.0, 3.0, 0.0, math.nan])
    rise = parent_rise(seen, usual, parent_in_episode=True)
    assert (rise.wide, rise.ratio) == (True, 3.0)
    assert not likely(rise, 5.0, 0.0), "a child of which nothing is expected"
    assert not parent_rise([9.0], [1.0], parent_in_episode=True).wide
    assert not parent_rise([], [], parent_in_episode=True).wide


@pytest.mark.parametrize(
    ("observed", "expected", "sure", "out"),
    [
        (2, 0, 3, False),
        (3, 0, 3, True),
        (29, 20, 1, False),  # not half as much again
        (30, 20, 1, True),
        (30, 20, 2, False),  # 10 more, and 2 * sqrt(41) are asked
        (40, 20, 3, True),
        (1500, 1200, 3, False),
    ],
)
def test_what_stands_out(observed: float, expected: float, sure: float, out: bool) -> None:
    assert stands_out(observed, expected, sure) is out
