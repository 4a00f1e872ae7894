"""A rise everywhere at once is one alert, the parent's, not one for each child."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike


class ParentRise(NamedTuple):
    """``ratio``: the parent's rise without its largest children."""

    wide: bool
    ratio: float


def parent_rise(
    observed: ArrayLike,
    expected: ArrayLike,
    *,
    parent_in_episode: bool,
    min_ratio: float = 1.5,
    top_share: float = 0.1,
    dispersion: float = 2.0,
    sure: float = 2.0,
) -> ParentRise:
    """Did the parts of a whole (platform, category) rise together?

    ``observed`` and ``expected`` [child]: complaints since the parent's rise began (an hour at
    most), and what is usual.
    The rise is **wide** if the parent is in an episode and the rate is still at least ``min_ratio``
    times the usual one when the children with the largest excess (one in ten, at least one) are
    left out, and by ``sure`` over-dispersed standard deviations, since a few minutes hold few
    complaints. One bad merchant lifts its platform, but not the rest of it. Which children it
    explains says `likely`.

    Children with NaN in either, or nothing expected, take no part. Fewer than two active children
    are never wide.
    """
    seen, usual = np.asarray(observed, np.float64), np.asarray(expected, np.float64)
    active = np.isfinite(seen) & (seen >= 0) & np.isfinite(usual) & (usual > 0)
    index = np.flatnonzero(active)
    if not parent_in_episode or index.size < 2:
        return ParentRise(False, 1.0)
    by_excess = index[np.argsort(seen[index] - usual[index], kind="stable")]
    rest = by_excess[: index.size - max(1, int(top_share * index.size))]
    total, normal = float(seen[rest].sum()), float(usual[rest].sum())
    ratio = total / normal
    if not stands_out(total, normal, sure, min_ratio=min_ratio, dispersion=dispersion):
        return ParentRise(False, ratio)
    return ParentRise(True, ratio)


def stands_out(
    observed: float,
    expected: float,
    sure: float,
    *,
    min_ratio: float = 1.5,
    dispersion: float = 2.0,
) -> bool:
    """Whether a count is far above the usual one: by a ratio, and by ``sure`` over-dispersed
    standard deviations, since a few minutes hold few complaints."""
    excess = observed - expected
    return observed >= min_ratio * expected and excess >= sure * math.sqrt(
        dispersion * expected + 1.0
    )


def likely(
    rise: ParentRise, observed: float, expected: float, dispersion: float = 2.0, z: float = 3.0
) -> bool:
    """Whether a wide rise explains a count: one that it makes likely, at most ``z`` over-dispersed
    standard deviations above ratio * expected. A child that rose far more keeps its own alert.
    """
    now = rise.ratio * expected
    return rise.wide and observed <= now + z * math.sqrt(dispersion * now + 1.0)
