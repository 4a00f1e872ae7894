"""A rise everywhere at once is one alert, the parent's, not one for each child."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


class ParentRise(NamedTuple):
    """``ratio``: the parent's rise without its largest children; ``explained`` [child]."""

    wide: bool
    ratio: float
    explained: NDArray[np.bool_]


def parent_rise(
    observed: ArrayLike,
    expected: ArrayLike,
    *,
    parent_in_episode: bool,
    min_ratio: float = 1.5,
    top_share: float = 0.1,
    dispersion: float = 2.0,
    z: float = 3.0,
    sure: float = 2.0,
) -> ParentRise:
    """Does a rise of the whole (platform, category) explain those of its parts?

    ``observed`` and ``expected`` [child]: complaints since the parent's rise began (an hour at
    most), and what is usual.
    The rule, in two steps:

    1. The rise is **wide** if the parent is in an episode and the rate is still at least
       ``min_ratio`` times the usual one when the children with the largest excess (one in ten, at
       least one) are left out, and by ``sure`` over-dispersed standard deviations, since a few
       minutes hold few complaints. One bad merchant lifts its platform, but not the rest of it.
    2. A child is **explained** if its count is one that such a general rise makes likely: at most
       ``z`` over-dispersed standard deviations above ratio * expected. A child that rose far more
       than the rest keeps its own alert.

    Children with NaN in either, or nothing expected, take no part. Fewer than two active children
    are never wide.
    """
    seen, usual = np.asarray(observed, np.float64), np.asarray(expected, np.float64)
    active = np.isfinite(seen) & (seen >= 0) & np.isfinite(usual) & (usual > 0)
    nothing = ParentRise(False, 1.0, np.zeros(seen.shape, bool))
    index = np.flatnonzero(active)
    if not parent_in_episode or index.size < 2:
        return nothing
    by_excess = index[np.argsort(seen[index] - usual[index], kind="stable")]
    rest = by_excess[: index.size - max(1, int(top_share * index.size))]
    total, normal = float(seen[rest].sum()), float(usual[rest].sum())
    ratio = total / normal
    if ratio < min_ratio or total - normal < sure * np.sqrt(dispersion * normal + 1.0):
        return nothing._replace(ratio=ratio)
    most = _most(ratio * np.where(active, usual, 0.0), dispersion, z)
    return ParentRise(True, ratio, active & (np.where(active, seen, 0.0) <= most))


def likely(
    rise: ParentRise, observed: float, expected: float, dispersion: float = 2.0, z: float = 3.0
) -> bool:
    """Whether a wide rise explains a count of what was not among its children, as step 2 does."""
    return rise.wide and observed <= float(_most(np.array(rise.ratio * expected), dispersion, z))


def _most(usual_now: Floats, dispersion: float, z: float) -> Floats:
    return np.asarray(usual_now + z * np.sqrt(dispersion * usual_now + 1.0), np.float64)
