"""The formulas of the rolling indicators (DOMAIN section 5), over arrays by key.

Each function is one indicator: what it needs, its unit, and null (NaN) where it means nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from pipelines.core.metrics import LAG_EDGES_MS, LAG_NAMES, WINDOWS

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Sums = Callable[[str], Sequence[Ints]]
"""Name of an additive metric -> its sum over each of WINDOWS."""

# I11 adds these to its numerator and denominator: one complaint in a thousand orders, the usual
# rate, so that a key with three orders does not lead the list.
I11_COMPLAINTS = 1.0
I11_ORDERS = 1000.0


def ratio(numerator: npt.NDArray[Any], denominator: npt.NDArray[Any]) -> Floats:
    """Numerator / denominator, NaN where the denominator is zero: unknown, not zero."""
    out = np.full(len(numerator), np.nan)
    np.divide(numerator, denominator, out=out, where=denominator != 0)
    return out


def orders_per_minute(orders: Ints, window: int) -> Floats:
    """I04, orders per minute."""
    return orders / window


def order_value_yuan(paid_fen: Ints, orders: Ints) -> Floats:
    """I06, GMV / orders, yuan; NaN without orders."""
    return ratio(paid_fen, 100 * orders)


def orders_per_1000_viewer_minutes(orders: Ints, viewer_milliminutes: Ints) -> Floats:
    """I09, 1000 x orders / viewer-minutes; NaN without viewers."""
    return ratio(1_000_000 * orders, viewer_milliminutes)


def complaints_per_10000(complaints: Ints, orders: Ints) -> Floats:
    """I11, 10,000 x (complaints + a) / (orders + b)."""
    return 10_000 * (complaints + I11_COMPLAINTS) / (orders + I11_ORDERS)


def completeness(seen: Ints, expected: Ints) -> Floats:
    """I22, share of the session-minutes due that had a sample; NaN when none was due."""
    return ratio(seen, expected)


def lag_p95_ms(histogram: Sequence[Ints]) -> Floats:
    """I22, upper edge of the histogram bucket that holds the 95th percentile, ms.

    NaN without rows; infinity is told as the last edge, since a table has no use for it.
    """
    counts = np.stack(histogram)
    total = counts.sum(axis=0)
    bucket = (np.cumsum(counts, axis=0) >= 0.95 * total).argmax(axis=0)
    edges = np.array([*LAG_EDGES_MS, LAG_EDGES_MS[-1]], np.float64)
    return np.where(total > 0, edges[bucket], np.nan)


def table_columns(sums: Sums, days: Mapping[str, Ints]) -> dict[str, npt.NDArray[Any]]:
    """The figures of an indicator row, by the names of their columns in the warehouse."""
    orders, paid, watched = sums("orders"), sums("paid_fen"), sums("viewer_milliminutes")
    complaints, seen, expected = sums("complaints"), sums("seen"), sums("expected")
    lags = [sums(name) for name in LAG_NAMES]
    out: dict[str, npt.NDArray[Any]] = {
        "orders_24h": days["orders"],
        "complaints_24h": days["complaints"],
        "i11_complaints_per_10000_1h": complaints_per_10000(complaints[-1], orders[-1]),
        "i11_complaints_per_10000_24h": complaints_per_10000(days["complaints"], days["orders"]),
    }
    for i, w in enumerate(WINDOWS):
        out |= {
            f"orders_{w}m": orders[i],
            f"paid_fen_{w}m": paid[i],
            f"viewer_milliminutes_{w}m": watched[i],
            f"complaints_{w}m": complaints[i],
            f"seen_{w}m": seen[i],
            f"expected_{w}m": expected[i],
            f"i04_orders_per_min_{w}m": orders_per_minute(orders[i], w),
            f"i06_order_value_yuan_{w}m": order_value_yuan(paid[i], orders[i]),
            f"i09_orders_per_1000_viewer_min_{w}m": orders_per_1000_viewer_minutes(
                orders[i], watched[i]
            ),
            f"i22_completeness_{w}m": completeness(seen[i], expected[i]),
            f"i22_lag_p95_ms_{w}m": lag_p95_ms([lag[i] for lag in lags]),
        }
    return out
