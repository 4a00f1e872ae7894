"""A rise everywhere is the parent's; a rise of one child is the child's."""

from __future__ import annotations

import math

import numpy as np

from pipelines.core.detect import parent_rise

USUAL = np.full(40, 2.0)


def test_everywhere_at_once() -> None:
    seen = np.random.default_rng(1).poisson(3 * USUAL).astype(float)
    rise = parent_rise(seen, USUAL, parent_in_episode=True)
    assert rise.wide
    assert rise.explained.all()
    assert 2.0 < rise.ratio < 3.2


def test_one_child_lifts_its_parent_alone() -> None:
    seen = USUAL.copy()
    seen[3] = 200
    rise = parent_rise(seen, USUAL, parent_in_episode=True)
    assert not rise.wide
    assert not rise.explained.any()


def test_a_child_far_above_the_general_rise_keeps_its_alert() -> None:
    seen = 3 * USUAL
    seen[3] = 200
    rise = parent_rise(seen, USUAL, parent_in_episode=True)
    assert rise.wide
    assert np.flatnonzero(~rise.explained).tolist() == [3]


def test_only_while_the_parent_is_in_an_episode() -> None:
    assert not parent_rise(3 * USUAL, USUAL, parent_in_episode=False).wide


def test_unknown_and_idle_children_take_no_part() -> None:
    seen, usual = np.array([9.0, 9.0, math.nan, 5.0, 9.0]), np.array([3.0, 3.0, 3.0, 0.0, math.nan])
    rise = parent_rise(seen, usual, parent_in_episode=True)
    assert rise.wide
    assert rise.explained.tolist() == [True, True, False, False, False]
    assert not parent_rise([9.0], [1.0], parent_in_episode=True).wide
    assert not parent_rise([], [], parent_in_episode=True).wide
