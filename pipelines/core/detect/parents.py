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
) -> ParentRise:
    """Does a rise of the whole (platform, category) explain those of its parts?

    ``observed`` and ``expected`` [child]: complaints in the last hour, and what is usual.
    The rule, in two steps:

    1. The rise is **wide** if the parent is in an episode and the rate is still at least
       ``min_ratio`` times the usual one when the children with the largest excess (one in ten, at
       least one) are left out. One bad merchant lifts its platform, but not the rest of it.
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
    ratio = float(seen[rest].sum() / usual[rest].sum())
    if ratio < min_ratio:
        return nothing._replace(ratio=ratio)
    usual_now = ratio * np.where(active, usual, 0.0)
    likely = usual_now + z * np.sqrt(dispersion * usual_now + 1.0)
    return ParentRise(True, ratio, active & (np.where(active, seen, 0.0) <= likely))
