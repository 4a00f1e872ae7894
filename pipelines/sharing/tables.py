"""The tables that are shared, with the columns that leave the house."""

from __future__ import annotations

from datetime import timedelta

from pipelines.sharing.page import Table
from pipelines.sharing.scope import Dataset

INDICATORS = Table(
    "v_indicators_cell",
    "minute",
    ("minute", "platform_id", "category", "district"),
    (
        "minute", "platform_id", "category", "district", "active_5m", "viewers_5m", "orders_5m",
        "paid_fen_5m", "complaints_60m", "complaints_24h", "orders_24h", "i04_orders_per_min_5m",
        "i06_order_value_yuan_60m", "i09_orders_per_1000_viewer_min_5m",
        "i11_complaints_per_10000_1h", "i11_complaints_per_10000_24h", "i22_completeness_5m",
        "i22_lag_p95_ms_5m",
    ),
    timedelta(days=7),
    # An open minute is still being counted: a page that was read must not change.
    where="closed = 1",
)  # fmt: skip
COMPLETENESS = Table(
    "v_completeness_5m",
    "span",
    ("span", "platform_id", "source", "topic"),
    (
        "span", "platform_id", "source", "topic", "batches", "rows", "duplicates", "late_rows",
        "refused", "gaps", "gap_share", "duplicate_share", "late_share", "skew_low_ms",
        "skew_high_ms", "watermark",
    ),
    timedelta(days=7),
)  # fmt: skip
MINUTES = {Dataset.INDICATORS: INDICATORS, Dataset.COMPLETENESS: COMPLETENESS}

_FIGURES = ("sessions", "session_minutes", "orders", "paid_fen", "viewer_milliminutes")


def daily(audience: str, part: str) -> Table:
    """A table of the days as it was cut for `audience`; `part` is one of PARTS."""
    key, columns = PARTS[part]
    # Only agencies see platforms apart.
    platform = ("platform_id",) if audience == "shared" and part == "day" else ()
    return Table(
        f"v_{audience}_{part}",
        "day",
        ("day", *platform, *key),
        ("day", *platform, *key, "suppressed", *columns),
        timedelta(days=366),
        timedelta(days=31),
        by_day=True,
    )


PARTS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "day": (("category", "district"), (*_FIGURES, "refunds", "complaints")),
    "hour": (("hour", "category"), _FIGURES[1:]),
    "scenario": (("scenario",), _FIGURES),
    "code": (("code",), ("complaints",)),
}
"""Part to (rest of its key, its figures)."""
