"""What is counted per key (session, or cell) and minute.

Additive metrics are sums that commute, so neither the order of records nor the order of
topics matters. Everything else (sessions active, latest viewers) is a gauge of a window.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

WINDOWS = (1, 5, 15, 60)
"""Minutes of the rolling windows."""
MINUTE_MS = 60_000

# Upper edges of the lag histogram, ms; the last bucket is open. One mergeable histogram serves
# every window and every roll-up, so that a quantile is the same figure wherever it is computed.
LAG_EDGES_MS = (250, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 60_000, 120_000, 600_000, 3_600_000)
LAG_NAMES = tuple(f"lag_{i:02d}" for i in range(len(LAG_EDGES_MS) + 1))

Columns = dict[str, npt.NDArray[np.int64]]


@dataclass(frozen=True, slots=True)
class Metric:
    """An additive metric; `dtype` is that of its ring, chosen by the largest sum a minute has."""

    name: str
    dtype: npt.DTypeLike


ADDITIVE: tuple[Metric, ...] = (
    Metric("orders", np.int32),
    Metric("paid_fen", np.int64),
    Metric("refunds", np.int32),
    Metric("refunded_fen", np.int64),
    Metric("complaints", np.int32),
    Metric("clicks", np.int32),
    Metric("interactions", np.int32),
    Metric("viewer_milliminutes", np.int64),
    Metric("seen", np.int32),
    Metric("expected", np.int32),
    *(Metric(name, np.int32) for name in LAG_NAMES),
)
ADDITIVE_NAMES = tuple(m.name for m in ADDITIVE)
EXTRA_NAMES = ("safety", "off_platform", "ghost_orders", "reviews")
"""Counts of a minute that the rules want and no rolling window: safety complaints (C06), reports
of off-platform dealing (L02), orders while nobody watched, real-time reviews."""
COUNTED_NAMES = (*ADDITIVE_NAMES, *EXTRA_NAMES)
GAUGE_NAMES = ("peak", "unique")
"""Largest viewers, and unique viewers since the start, as of a minute by session; 0 is unknown."""


def lag_bucket(lag_ms: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Index of the histogram bucket of each lag (event time to broker time)."""
    return np.searchsorted(np.asarray(LAG_EDGES_MS), lag_ms, side="left").astype(np.int64)


def clip_to(values: npt.NDArray[Any], dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """Narrow to the ring's type; an absurd sum saturates rather than wraps."""
    info = np.iinfo(np.dtype(dtype))
    clipped: npt.NDArray[Any] = np.clip(values, info.min, info.max).astype(dtype)
    return clipped
