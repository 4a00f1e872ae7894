"""One mergeable histogram for each distribution: the same quantile wherever it is computed.

A quantile is the upper edge of the bucket that holds it, in the stream and in SQL alike, and the
histograms of parts add up to that of the whole.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

PEAK_EDGES = (
    0, 1, 2, 3, 5, 8, 13, 20, 32, 50, 80, 126, 200, 316, 500, 794, 1_259, 1_995, 3_162, 5_012,
    7_943, 12_589, 19_953, 31_623, 50_119, 79_433, 125_893, 199_526, 316_228, 501_187, 794_328,
)  # fmt: skip
"""Viewers; a factor of 1.6 from edge to edge."""
SHARE_EDGES = (
    0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1, 1.5, 2, 2.5, 3, 4, 5, 7, 10, 15, 20, 30, 50,
    70, 100,
)  # fmt: skip
"""Percent."""
RESPONSE_EDGES = (
    5, 10, 15, 30, 45, 60, 90, 120, 180, 240, 360, 480, 720, 1_440, 2_880, 4_320, 7_200, 10_080,
    20_160, 43_200,
)  # fmt: skip
"""Minutes from a complaint to its first answer."""
LATENCY_EDGES = (
    100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 30_000, 60_000, 120_000, 300_000, 600_000,
    3_600_000,
)  # fmt: skip
"""Milliseconds from what was shown to the outcome of its review."""
EDGES: dict[str, tuple[float, ...]] = {
    "I03": PEAK_EDGES,
    "I07": SHARE_EDGES,
    "I13": RESPONSE_EDGES,
    "I16": LATENCY_EDGES,
}


def bucket(indicator: str, values: npt.NDArray[Any]) -> Ints:
    """Index [n] of each value's bucket; the last one is open."""
    return np.searchsorted(np.array(EDGES[indicator], float), values, side="left").astype(np.int64)


def quantile(indicator: str, counts: Ints, share: float) -> float:
    """Upper edge of the bucket that holds the quantile of counts [bucket]; NaN without counts.

    Beyond the last edge nothing is known but that: the last edge is told.
    """
    total = int(counts.sum())
    if not total:
        return float("nan")
    edges = EDGES[indicator]
    at = int((np.cumsum(counts) >= share * total).argmax())
    return float(edges[min(at, len(edges) - 1)])
